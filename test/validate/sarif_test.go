package main

import (
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
)

// results returns the run in a SARIF report, whose schema is checked.
func results(t *testing.T, args ...string) *sarif.Run {
	t.Helper()
	_, out, stderr := validate(t, append([]string{"-o", "sarif"}, args...)...)
	made, err := sarif.FromString(out)
	require.NoError(t, err, stderr)
	require.NoError(t, made.Validate())
	require.Len(t, made.Runs, 1)
	return made.Runs[0]
}

// A result points to the line that sets the value: in the last file that does, or
// else of the section around it.
func TestResultsPointToTheLineOfTheValue(t *testing.T) {
	t.Parallel()
	const none = 0
	for name, tc := range map[string]struct {
		files []string // contents
		file  int      // the index of the one that has the line
		line  int
	}{
		"a value":                        {[]string{"# mine\nagent:\n  type: huge\n"}, 0, 3},
		"a value in one line":            {[]string{"\n\nagent: {type: huge}\n"}, 0, 3},
		"the file before":                {[]string{"agent:\n  type: huge\n", "agent:\n\n  maxRunSeconds: 400\n"}, 0, 2},
		"the last file":                  {[]string{"agent:\n  type: api\n", "agent:\n\n  type: huge\n"}, 1, 3},
		"an unknown key":                 {[]string{"agent:\n  type: api\n  typ: api\n"}, 0, 3},
		"an entry of a list":             {[]string{"env:\n  - name: A\n    value: a\n  - name: MAX_RUN_SECONDS\n    value: '1'\n"}, 0, 4},
		"a list that replaces":           {[]string{"env:\n  - name: MAX_RUN_SECONDS\n    value: '1'\n", "\n\nenv: [{name: MAX_RUN_SECONDS, value: '1'}]\n"}, 1, 3},
		"a default that was set to null": {[]string{"agent:\n  maxRunSeconds: null\n"}, 0, 2},
		"a section around the value":     {[]string{"\nautoscaling:\n  maxReplicas: 1\n"}, 0, 2},
		"a value behind an anchor":       {[]string{"commonLabels: &a {}\nagent:\n  <<: {type: huge}\n"}, 0, 3},
		"no file":                        {nil, 0, none},
		"an object":                      {[]string{"resources: {limits: {memory: 512Mi}}\n"}, 0, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files []string
			for _, content := range tc.files {
				files = append(files, write(t, content))
			}
			args := files
			if files == nil {
				args = []string{"--kube-version", "v1.20.0"} // which the chart does not support
			}
			run := results(t, args...)
			require.NotEmpty(t, run.Results) // Kubernetes refuses some of them, too
			locations := run.Results[0].Locations
			if tc.line == none {
				assert.Empty(t, locations)
				return
			}
			require.Len(t, locations, 1)
			at := locations[0].PhysicalLocation
			assert.Equal(t, files[tc.file], *at.ArtifactLocation.URI)
			assert.Equal(t, tc.line, *at.Region.StartLine)
		})
	}
}

func TestRulesInSARIFHaveATitleAndHelp(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	described := results(t).Tool.Driver.Rules
	require.Len(t, described, len(set.Rules()))
	for i, rule := range set.Rules() {
		assert.Equal(t, rule.ID, *described[i].ID)
		assert.Equal(t, rule.Title, *described[i].ShortDescription.Text)
		assert.Contains(t, *described[i].Help.Text, rule.Source)
		assert.Equal(t, rule.Skippable, strings.Contains(*described[i].Help.Text, "To skip it, add `"+rule.ID+"`"))
	}
}

func TestSeveritiesInSARIF(t *testing.T) {
	t.Parallel()
	level := map[string]string{}
	for _, result := range results(t, write(t, "config: {A_KEY: a}\nvalidation: {skip: [config-credential]}\nresources: {limits: {memory: 512Mi}}")).Results {
		level[*result.RuleID] = result.Level
	}
	assert.Equal(t, "warning", level["pitfall-memory-limit"])
	assert.Equal(t, "note", level["config-credential"])
}
