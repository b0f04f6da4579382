package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/bench/benchtest"
)

// run executes the command, and returns what it prints.
func run(args ...string) (string, error) {
	var out strings.Builder
	command := newCommand(&out)
	command.SetArgs(args)
	err := command.Execute()
	return out.String(), err
}

// save writes the scenarios of one subject of the example.
func save(t *testing.T, subject string) string {
	t.Helper()
	all := benchtest.Example()
	some := all
	some.Scenarios = nil
	for _, s := range all.Scenarios {
		if s.Subject == subject {
			some.Scenarios = append(some.Scenarios, s)
		}
	}
	require.NotEmpty(t, some.Scenarios)
	text, err := json.Marshal(some)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

func TestReportMergesResults(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "new", "report.html")
	out, err := run("report", "--results", save(t, bench.Own), "--results", save(t, "bare Deployment"), "--output", output, "--markdown")
	require.NoError(t, err)
	page, err := os.ReadFile(output)
	require.NoError(t, err)
	for _, subject := range []string{bench.Own, "bare Deployment"} {
		assert.Equal(t, 2, strings.Count(out, "\n| "+subject+" |"), "a row in the comparison, and one in the table of costs")
		assert.Contains(t, string(page), `<th scope="row">`+subject+"</th>")
	}
	assert.Contains(t, out, output)
	assert.Contains(t, out, "Recorded on 30 November 2026 at commit 0123456789abcdef")
	assert.Contains(t, out, "Undisturbed agent, without runs: 12 goroutines and 25 MiB after the first runs, 13 and 26 MiB after the last.")
}

func TestReportOfSomeDisturbances(t *testing.T) {
	t.Parallel()
	results, output := save(t, bench.Own), filepath.Join(t.TempDir(), "report.html")
	out, err := run("report", "--results", results, "--output", output, "--markdown", "--disturbances", "rollout,drain", "--route", "service")
	require.NoError(t, err)
	assert.Contains(t, out, "| rollout | drain |")
	assert.NotContains(t, out, "scale-down")
	_, err = run("report", "--results", results, "--output", output, "--route", "ingress")
	assert.ErrorContains(t, err, "no scenario matches --disturbances and --route")
}

func TestReportSaysHowToGetResults(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "report.html")
	_, err := run("report", "--results", filepath.Join(t.TempDir(), "results.json"), "--output", output)
	assert.ErrorContains(t, err, "run `make bench-runs`, `make soak` or `make scale` first")
	assert.NoFileExists(t, output)
}

func TestPictureOfAScenario(t *testing.T) {
	t.Parallel()
	results, output := save(t, bench.Own), filepath.Join(t.TempDir(), "picture.svg")
	_, err := run("picture", "--results", results, "--output", output)
	require.NoError(t, err)
	svg, err := os.ReadFile(output)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(svg, new(struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	})))
	assert.Contains(t, string(svg), "<title>ai-agent: rollout</title>")
	assert.Contains(t, string(svg), "prefers-color-scheme: dark")

	_, err = run("picture", "--results", results, "--output", output, "--disturbance", "flood")
	assert.ErrorContains(t, err, `has no scenario "flood" of subject "ai-agent"`)
}
