package page_test

import (
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/bench/benchtest"
	"example.com/ai-agent/test/internal/page"
)

func write(t *testing.T, result bench.Result) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, page.Write(&out, result))
	return out.String()
}

// element is one of a page, in the order of their start tags.
type element struct {
	name       string
	attributes map[string]string
	text       string // directly in it
}

// elements returns the elements of a page. It fails unless each one that is opened is
// closed, in order.
func elements(t *testing.T, text string) []element {
	t.Helper()
	all, err := parse(text)
	require.NoError(t, err)
	return all
}

func parse(text string) (all []element, err error) {
	void := []string{"meta", "link", "br"}
	var open []int
	for tokens := html.NewTokenizer(strings.NewReader(text)); ; {
		kind := tokens.Next()
		token := tokens.Token()
		switch kind {
		case html.ErrorToken:
			if len(open) > 0 {
				return nil, errors.New("not closed: " + all[open[len(open)-1]].name)
			}
			if !errors.Is(tokens.Err(), io.EOF) {
				return nil, tokens.Err()
			}
			return all, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			attributes := map[string]string{}
			for _, attribute := range token.Attr {
				attributes[attribute.Key] = attribute.Val
			}
			all = append(all, element{name: token.Data, attributes: attributes})
			if kind == html.StartTagToken && !slices.Contains(void, token.Data) {
				open = append(open, len(all)-1)
			}
		case html.EndTagToken:
			if len(open) == 0 || all[open[len(open)-1]].name != token.Data {
				return nil, errors.New("closed but not open: " + token.Data)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			if len(open) > 0 {
				all[open[len(open)-1]].text += token.Data
			}
		}
	}
}

func TestParseRefusesWrongNesting(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"<p>", "</p>", "<p><b></p></b>"} {
		_, err := parse(text)
		assert.Error(t, err, text)
	}
}

func TestPageIsWellFormed(t *testing.T) {
	t.Parallel()
	all := elements(t, write(t, benchtest.Example()))
	ids := map[string]bool{}
	for _, e := range all {
		id := e.attributes["id"]
		assert.False(t, id != "" && ids[id], "the ID %s occurs twice", id)
		ids[id] = true
	}
	for _, e := range all {
		if target, ok := strings.CutPrefix(e.attributes["href"], "#"); ok {
			assert.Contains(t, ids, target)
		}
		if target, ok := e.attributes["aria-labelledby"]; ok {
			assert.Contains(t, ids, target)
		}
		if e.name == "svg" {
			assert.NotEmpty(t, e.attributes["aria-label"])
		}
	}
}

// external matches what makes a browser load something.
var external = regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]|url\(|@import|<script|<img|<iframe|<object`)

func TestPageLoadsNothing(t *testing.T) {
	t.Parallel()
	assert.NotRegexp(t, external, write(t, benchtest.Example()))
	for _, loading := range []string{`<img src="a.png">`, `<a href="//host.example">`, "url(font.woff)", "https://host.example"} {
		assert.Regexp(t, external, loading)
	}
}

func TestTextOfResultsIsEscaped(t *testing.T) {
	t.Parallel()
	const attack = `<script>alert("&")</script>`
	result := benchtest.Example()
	result.Commit, result.Machine.OS = attack, attack
	for i := range result.Scenarios {
		s := &result.Scenarios[i]
		s.Subject, s.Disturbance, s.Invalid = attack, attack, attack
		s.Runs[0].Error, s.Requests[0].Error, s.Pods[0].Name, s.Pods[0].Node = attack, attack, attack, attack
	}
	for i := range result.Growth {
		result.Growth[i].Of, result.Growth[i].Costs = attack, map[string]float64{attack: 1}
	}
	result.Reach[0].From, result.Reach[0].To = attack, attack
	text := write(t, result)
	assert.NotContains(t, text, "<script")
	elements(t, text)
}

func TestComparisonSaysWhatEachCellIs(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	text := write(t, result)
	_, comparison, _ := strings.Cut(text, `<table class="comparison"`)
	comparison, _, _ = strings.Cut(comparison, "</table>")
	words := map[string]int{}
	for _, row := range result.Table().Rows {
		for _, cell := range row.Cells {
			words[cell.Word()]++
		}
	}
	assert.Len(t, words, 3, "the example has cells of each kind")
	for word, count := range words {
		assert.Equal(t, count, strings.Count(comparison, ">"+word+"</span>"), word)
	}
	assert.Contains(t, comparison, result.Scenarios[8].Invalid)
	assert.NotContains(t, comparison, "1 of 8", "runs before the disturbance")
	assert.Contains(t, text, ">1 of 8</td>")
}

func TestScenariosWithLossesAndOneOfOursAreOpen(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	text := write(t, result)
	ours := 0
	for _, s := range strings.Split(text, "<details")[1:] {
		_, class, _ := strings.Cut(s, `class="`)
		if !strings.HasPrefix(class, "scenario") {
			continue
		}
		summary, _, _ := strings.Cut(s, "</summary>")
		isOpen, loss := strings.HasPrefix(s, " open"), strings.Contains(summary, ">loss<")
		switch {
		case strings.Contains(summary, ">"+bench.Own+"<") && isOpen:
			ours++
		default:
			assert.Equal(t, loss, isOpen, summary)
		}
	}
	assert.Equal(t, 1, ours)
}

// TestTimelineMarksEveryLostRun counts bars and markers of each picture.
func TestTimelineMarksEveryLostRun(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	none := result.Scenarios[0]
	none.Runs, none.Requests, none.Pods, none.Scaling = nil, nil, nil, nil
	result.Scenarios = append(result.Scenarios, none)
	pictures := strings.Split(write(t, result), `<div class="scroll picture"`)[1:]
	require.Len(t, pictures, len(result.Scenarios))
	scenarios := sortedByDisturbance(result)
	some := 0
	for i, text := range pictures {
		text, _, _ = strings.Cut(text, "</svg>")
		s := scenarios[i]
		lost, seconds := 0, map[float64]bool{}
		for _, run := range s.Runs {
			if run.Lost() {
				lost++
			}
		}
		for _, second := range s.Requests {
			if second.Failed > 0 {
				seconds[second.At] = true
			}
		}
		some += lost
		assert.Equal(t, lost, strings.Count(text, "fill:var(--lost)"), "bars of %s", s.Subject)
		assert.Equal(t, len(s.Runs)-lost, len(doneBars.FindAllString(text, -1)), "bars of %s", s.Subject)
		// A cross has two strokes, and a second in which a request failed a tick as well.
		assert.Equal(t, 2*lost+3*len(seconds), strings.Count(text, "stroke:var(--lost-mark)"), "markers of %s", s.Subject)
		assert.NotRegexp(t, `#[0-9A-F]{6}`, text, "a color that does not follow the page")
	}
	assert.Positive(t, some)
}

var doneBars = regexp.MustCompile(`[^-]fill:var\(--done\)|"fill:var\(--done\)`)

// sortedByDisturbance returns scenarios in the order of the page.
func sortedByDisturbance(result bench.Result) (all []bench.Scenario) {
	for _, disturbance := range result.Table().Disturbances {
		for _, s := range result.Scenarios {
			if s.Disturbance == disturbance {
				all = append(all, s)
			}
		}
	}
	return all
}

func TestConnectionsThatDifferAreNamed(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	assert.Contains(t, write(t, result), "All 9 connections are as")
	result.Reach[0].Observed, result.Reach[8].Observed = false, true
	text := write(t, result)
	assert.Contains(t, text, "2 of 9 connections differ")
	assert.Contains(t, text, "blocked</span> but should connect<")
	assert.Contains(t, text, "connects</span> but should be blocked<")
}

func TestPartsWithoutDataAreLeftOut(t *testing.T) {
	t.Parallel()
	text := write(t, bench.Result{Commit: "c"})
	elements(t, text)
	assert.NotContains(t, text, "<h2")
	result := benchtest.Example()
	result.Scenarios, result.Reach = nil, nil
	text = write(t, result)
	elements(t, text)
	assert.Equal(t, 1, strings.Count(text, "<h2"))
}

func TestTitleNamesWhatWasMeasured(t *testing.T) {
	t.Parallel()
	example := benchtest.Example()
	for title, result := range map[string]bench.Result{
		"What disturbances cost the clients of an LLM agent": example,
		"What ai-agent costs a cluster":                      {Growth: example.Growth},
		"Who can connect to ai-agent":                        {Reach: example.Reach},
	} {
		text := write(t, result)
		assert.Contains(t, text, "<title>"+title+"</title>")
		assert.Equal(t, len(result.Scenarios) == 0, strings.Contains(text, "<h1>"+title+"</h1>"), "the comparison has its result as heading")
	}
}

func TestCurveOfOnePoint(t *testing.T) {
	t.Parallel()
	text := write(t, bench.Result{Growth: []bench.Growth{{Of: "releases", Size: 1, Costs: map[string]float64{"objects": 14}}}})
	assert.Contains(t, text, "<title>objects per item, by number of releases</title>")
}

func TestWriteRefusesNumbersThatCannotBeDrawn(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	result.Growth[0].Costs["API objects"] = math.NaN()
	assert.ErrorContains(t, page.Write(io.Discard, result), "API objects by number of releases")
}
