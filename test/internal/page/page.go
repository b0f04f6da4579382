// Package page writes the benchmark's result as an HTML page that needs no other file and
// no network.
package page

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"example.com/ai-agent/test/internal/bench"
)

//go:embed page.html.tmpl
var markup string

//go:embed page.css
var style string

// numbers writes 1234 as 1,234.
var numbers = message.NewPrinter(language.English)

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"number": func(value int) string { return numbers.Sprint(value) },
	"round":  func(value float64) string { return numbers.Sprintf("%.0f", value) },
	"second": func(value float64) string { return fmt.Sprintf("%.1f", value) },
	"since":  since,
	"spread": bench.Spread,
	"date":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
	"gib":    func(bytes int64) string { return fmt.Sprintf("%.3g GiB", float64(bytes)/(1<<30)) },
	"mib":    func(bytes int) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) },
	"join":   func(all []string) string { return strings.Join(all, ", ") },
	"unique": func(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) },
	"unbroken": func(text string) template.HTML {
		name := template.HTMLEscapeString(bench.Own)
		return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), name, `<span class="unbroken">`+name+`</span>`))
	},
	"per": func(a, b float64) string {
		if b == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", a/b)
	},
	"state": func(v bench.Verdict) string { return strings.ReplaceAll(v.Word(), " ", "-") },
}).Parse(markup))

// Write writes the page. It fails if a number is not finite or w cannot be written.
func Write(w io.Writer, result bench.Result) error {
	v, err := newView(result)
	if err != nil {
		return err
	}
	return page.Execute(w, v)
}

// view is what the template shows.
type view struct {
	bench.Result
	Title        string
	Style        template.CSS
	Table        bench.Table
	Own, Others  bench.Verdict
	OwnName      string
	Disturbances []disturbance
	Links        [][]string // to the first scenario of each cell of the table
	Usage        []bench.Usage
	Growth       []growth
	Reach        reach
	Routes       bool // whether there is more than one
}

// disturbance groups the scenarios of one disturbance.
type disturbance struct {
	Name, About string
	Scenarios   []scenario
}

type scenario struct {
	bench.Scenario
	ID       string
	Name     string
	Open     bool
	Verdict  bench.Verdict
	Timeline template.HTML
	LostRuns []bench.Run
	Failed   []bench.Requests // seconds in which a short request failed
	Bounds   bool             // whether there is an autoscaler
}

func newView(result bench.Result) (view, error) {
	curves, err := growths(result)
	if err != nil {
		return view{}, err
	}
	table := result.Table()
	v := view{
		Result: result, Title: title(result), Style: template.CSS(style), Table: table, Own: table.Total(true), Others: table.Total(false), OwnName: bench.Own,
		Usage: result.Usage(), Growth: curves, Reach: newReach(result.Reach), Routes: routes(result) > 1,
	}
	for _, name := range table.Disturbances {
		v.Disturbances = append(v.Disturbances, disturbance{Name: name, About: bench.About[name]})
	}
	v.Links = make([][]string, len(table.Rows))
	for i := range v.Links {
		v.Links[i] = make([]string, len(table.Disturbances))
	}
	shown := false // one scenario of ours
	for i, s := range result.Scenarios {
		one := newScenario(s, fmt.Sprintf("scenario-%d", i+1))
		if s.Subject == bench.Own && !shown && one.Verdict.Proven() {
			one.Open, shown = true, true
		}
		column := slices.Index(table.Disturbances, s.Disturbance)
		v.Disturbances[column].Scenarios = append(v.Disturbances[column].Scenarios, one)
		row := slices.IndexFunc(table.Rows, func(row bench.Row) bool { return row.Subject == s.Subject && row.Route == s.Route })
		v.Links[row][column] = cmp.Or(v.Links[row][column], "#"+one.ID)
	}
	return v, nil
}

func title(result bench.Result) string {
	switch {
	case len(result.Scenarios) > 0:
		return "What disturbances cost the clients of an LLM agent"
	case len(result.Growth) > 0:
		return "What " + bench.Own + " costs a cluster"
	default:
		return "Who can connect to " + bench.Own
	}
}

func newScenario(s bench.Scenario, id string) scenario {
	verdict := s.Verdict()
	one := scenario{Scenario: s, ID: id, Name: name(s), Verdict: verdict, Open: verdict.Lost(), Timeline: timeline(s)}
	for _, run := range s.Runs {
		if run.Lost() {
			one.LostRuns = append(one.LostRuns, run)
		}
	}
	for _, second := range s.Requests {
		if second.Failed > 0 {
			one.Failed = append(one.Failed, second)
		}
	}
	one.Bounds = slices.ContainsFunc(s.Scaling, func(at bench.Scaling) bool { return at.Max > 0 })
	return one
}

func routes(result bench.Result) int {
	all := map[string]bool{}
	for _, s := range result.Scenarios {
		all[s.Route] = true
	}
	return len(all)
}

// since returns a time as seconds since the disturbance, as on the time axis.
func since(disturbed, at float64) string {
	if at == 0 {
		return "–"
	}
	return strings.Replace(fmt.Sprintf("%+.1f", at-disturbed), "-", "−", 1)
}

// reach is the truth table of connections, as a matrix.
type reach struct {
	To          []string
	Rows        []reachRow
	All, Differ int
}

type reachRow struct {
	From  string
	Cells []*bench.Reach // as reach.To; nil if it was not tried
}

func newReach(all []bench.Reach) (r reach) {
	for _, one := range all {
		if !slices.Contains(r.To, one.To) {
			r.To = append(r.To, one.To)
		}
	}
	for _, one := range all {
		row := slices.IndexFunc(r.Rows, func(row reachRow) bool { return row.From == one.From })
		if row < 0 {
			row = len(r.Rows)
			r.Rows = append(r.Rows, reachRow{From: one.From, Cells: make([]*bench.Reach, len(r.To))})
		}
		r.Rows[row].Cells[slices.Index(r.To, one.To)] = &one
		r.All++
		if one.Allowed != one.Observed {
			r.Differ++
		}
	}
	return r
}
