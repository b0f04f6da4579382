package render

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// templateFiles returns the text of each template by its path in templates/.
func templateFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	folder := filepath.Join(chart.Dir(), "templates")
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, folder+"/")] = string(text)
		return err
	}))
	require.NotEmpty(t, files)
	return files
}

var ruleTemplate = regexp.MustCompile(`{{-? *define "ai-agent\.rule\.([^"]+)"`)

// Every rule in the list of rules has a template, or a render that evaluates it
// would fail, and every such template is in the list, or it would never be
// evaluated.
func TestRulesAndTheirTemplatesAgree(t *testing.T) {
	t.Parallel()
	var defined []string
	for file, text := range templateFiles(t) {
		for _, match := range ruleTemplate.FindAllStringSubmatch(text, -1) {
			defined = append(defined, match[1])
			assert.Equal(t, "validation", filepath.Dir(file), match[1])
		}
	}
	var listed []string
	for id := range severities(t) {
		listed = append(listed, id)
	}
	assert.ElementsMatch(t, listed, defined)
}

// Whoever reviews a template must see its structure without counting: lines fit
// two windows side by side, and conditions nest at most three deep. The rules
// consist of little but conditions, so theirs are indented.
func TestTemplatesAreReadable(t *testing.T) {
	t.Parallel()
	for file, text := range templateFiles(t) {
		for i, line := range strings.Split(text, "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 140, "%s:%d", file, i+1)
		}
		for _, step := range controlFlow(t, text) {
			at := fmt.Sprintf("%s:%d: %s", file, step.line, step.keyword)
			assert.Less(t, step.depth, 3, at)
			if strings.HasPrefix(file, "validation/_") && strings.TrimSpace(step.before) == "" {
				assert.GreaterOrEqual(t, len(step.before), 2*step.depth, at)
			}
		}
	}
}

// step is a keyword of control flow in a template.
type step struct {
	line    int
	before  string // the text before it in its line
	keyword string
	depth   int // the number of blocks around it, not counting a define
}

var flow = regexp.MustCompile(`{{-?\s*(if|range|with|define|else|end)\b`)

// controlFlow returns the keywords of a template, in their order.
func controlFlow(t *testing.T, text string) []step {
	t.Helper()
	var steps []step
	var open []string
	for i, line := range strings.Split(text, "\n") {
		for _, match := range flow.FindAllStringSubmatchIndex(line, -1) {
			keyword := line[match[2]:match[3]]
			if keyword == "end" || keyword == "else" {
				require.NotEmpty(t, open, "line %d", i+1)
				open = open[:len(open)-1]
			}
			depth := len(open)
			if depth > 0 && open[0] == "define" {
				depth--
			}
			steps = append(steps, step{i + 1, line[:match[0]], keyword, depth})
			if keyword != "end" {
				open = append(open, keyword)
			}
		}
	}
	require.Empty(t, open)
	return steps
}
