package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/conform"
	"example.com/ai-agent/test/internal/process"
	"example.com/ai-agent/test/internal/repo"
	"example.com/ai-agent/test/internal/report"
)

// TestMain puts the sample agent on PATH.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "conform-")
	if err == nil {
		err = os.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if err == nil {
		_, err = process.Build(folder, "agent")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	process.Main(m, folder)
}

// serve is the command line of the sample agent, with two slots for runs.
func serve(further ...string) string {
	return strings.Join(append([]string{"agent", "serve", "--addr", ":$(PORT)", "--metrics-addr", ":$(METRICS_PORT)", "--max-runs", "2", "--drain-delay", "2s"}, further...), " ")
}

func words(line string) []string { return strings.Fields(line) }

// The zoo: each agent breaks one promise, or one and those that follow from it.
var zoo = map[string]struct {
	command []string
	broken  []string
}{
	"healthy":                         {command: words(serve())},
	"ends its runs on SIGTERM":        {words(serve("--fault", "drop-runs")), []string{"run-survives-sigterm"}},
	"ends its runs 3 s after SIGTERM": {words(serve("--fault", "drain-limit=3s")), []string{"run-survives-sigterm"}},
	"ignores SIGTERM":                 {words(serve("--fault", "ignore-sigterm")), []string{"exits-after-runs", "exits-when-idle", "refuses-after-sigterm"}},
	"is the child of a shell":         {[]string{"sh", "-c", serve() + "; true"}, []string{"exits-after-runs", "exits-when-idle", "process-1", "refuses-after-sigterm"}},
	"accepts clients while it drains": {words(serve("--fault", "keep-accepting")), []string{"refuses-after-sigterm"}},
	"stays after its last run":        {words(serve("--fault", "linger")), []string{"exits-after-runs", "exits-when-idle"}},
	"exits with another code":         {words(serve("--fault", "exit-code")), []string{"exit-code"}},
	"collects its answers":            {words(serve("--fault", "buffer")), []string{"answer-streams"}},
	"is ready before its runs are":    {words(serve("--fault", "early-ready=3s")), []string{"answers-when-ready"}},
	"ends its answers too early":      {words(serve("--fault", "break-run")), []string{"run-completes"}},
	"is not ready while it has a run": {words(serve("--fault", "unready-when-busy")), []string{"ready-while-busy"}},
	"answers no probe during a run":   {words(serve("--fault", "stall-when-busy")), []string{"live-while-busy", "ready-while-busy"}},
	"lets runs wait":                  {words(serve("--fault", "queue")), []string{"runs-in-parallel"}},
	"answers 503 while it is busy":    {words(serve("--fault", "refuse-503")), []string{"busy-answers-429"}},
	"closes its metrics too early":    {words(strings.Replace(serve(), " --metrics-addr :$(METRICS_PORT)", " --metrics-addr=", 1)), []string{"metrics-until-the-end"}},
	"does not know its budget":        {append([]string{"env", "--unset=MAX_RUN_SECONDS"}, words(serve())...), []string{"run-is-bounded"}},
	"does not start":                  {words(serve("--fault", "slow-start=1m")), []string{"agent-starts"}},
	"ends while it starts":            {words(serve("--fault", "exit=1ms")), []string{"agent-starts"}},
}

func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	for name, kept := range zoo {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, kept.broken, judged(t, kept.command...))
		})
	}
}

// A preStop hook that already ends the agent makes it refuse clients too early.
func TestHookThatEndsTheAgent(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte(`
sample: {enabled: false}
lifecycle: {preStop: {exec: {command: [sh, -c, "pkill -TERM -f \"addr :$PORT\"; sleep 10"]}}}
`), 0o600))
	args := append([]string{"--values", values, "--chart", repo.Path("charts", "ai-agent")}, quick...)
	require.Contains(t, judgedWith(t, args, words(serve("--drain-delay", "0s"))...), "accepts-until-sigterm")
}

// Each rule about processes has an agent that breaks it; images are judged in test/live.
func TestEachRuleHasAnAgentThatBreaksIt(t *testing.T) {
	t.Parallel()
	broken := []string{"accepts-until-sigterm", "run-outlasts-test"} // by the tests above and below
	for _, kept := range zoo {
		broken = append(broken, kept.broken...)
	}
	ofImages := []string{"listens-beyond-loopback", "port", "user", "home", "read-only-root"}
	for _, rule := range conform.Rules() {
		require.Contains(t, append(broken, ofImages...), rule.ID)
	}
}

// Nothing is known of an agent whose run ends before SIGTERM.
func TestRunThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	model := process.FreeAddress(t)
	process.Start(t, model, nil, "agent", "llm", "--addr", model, "--answer-tokens", "2", "--tokens-per-second", "0")
	args := append([]string{"--own-model", "--env", "OPENAI_BASE_URL=http://" + model + "/v1", "--env", "OPENAI_API_KEY=none"}, quick...)
	require.Equal(t, []string{"run-outlasts-test"}, judgedWith(t, args, words(serve())...))
}

// quick are the options of a short test.
var quick = []string{
	"--output", "json", "--fail-on", "info", "--run-length", "12s", "--runs", "3", "--start-timeout", "15s",
	"--ready-path", "/ready", "--live-path", "/health", "--metrics-path", "/metrics",
}

// judged returns the IDs of what conform finds wrong with a command.
func judged(t *testing.T, command ...string) []string {
	t.Helper()
	return judgedWith(t, quick, command...)
}

// judgedWith is judged with options.
func judgedWith(t *testing.T, args []string, command ...string) []string {
	t.Helper()
	args = append(slices.Clone(args), "--")
	var stdout, stderr strings.Builder
	code := run(t.Context(), append(args, command...), &stdout, &stderr)
	var made struct {
		Findings []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &made), stderr.String())
	t.Log(stdout.String())
	require.Equal(t, len(made.Findings) > 0, code != 0, "the exit code is %d", code)
	var ids []string
	for _, f := range made.Findings {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestReportsForCI(t *testing.T) {
	t.Parallel()
	for format, expected := range map[string]string{
		"table": "Proposed values:", "junit": `<testcase name="agent-starts" classname="ai-agent.conform"`, "sarif": `"name": "ai-agent-conform"`,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			args := append([]string{"--output", format, "--run-length", "5s", "--"}, words(serve("--fault", "exit=1ms"))...)
			require.Equal(t, report.ExitErrors, run(t.Context(), args, &stdout, &stderr), stderr.String())
			require.Contains(t, stdout.String(), expected)
			require.Contains(t, stdout.String(), "agent-starts")
		})
	}
}

// An agent that runs already is judged by its answers alone, and is not ended.
func TestURL(t *testing.T) {
	t.Parallel()
	address := process.FreeAddress(t)
	model := process.FreeAddress(t)
	process.Start(t, model, nil, "agent", "llm", "--addr", model)
	process.Start(t, address, []string{"OPENAI_BASE_URL=http://" + model + "/v1", "OPENAI_API_KEY=none"}, "agent", "serve", "--addr", address, "--metrics-addr=", "--fault", "unready-when-busy")
	for range 2 {
		var stdout, stderr strings.Builder
		code := run(t.Context(), []string{"--url", "http://" + address, "--run-length", "5s", "--ready-path", "/ready", "--output", "json"}, &stdout, &stderr)
		require.Equal(t, report.ExitErrors, code, stderr.String())
		require.Contains(t, stdout.String(), `"ready-while-busy"`)
		require.NotContains(t, stdout.String(), "proposedValues")
	}
}

func TestOptionsThatAreNotValid(t *testing.T) {
	t.Parallel()
	for line, problem := range map[string]string{
		"":                                   "name one agent",
		"--url http://127.0.0.1 --image a:1": "name one agent",
		"--url http://127.0.0.1:1 --start-timeout 1s": "does not answer",
		"--url http://127.0.0.1 --env A=b":            "have no effect with --url",
		"--env NOT_SET_HERE -- agent":                 "--env NOT_SET_HERE: it is not set",
		"--url http://127.0.0.1 --runs 0":             "--runs 0 is not valid",
		"--output xml -- agent":                       `--output "xml" is not valid`,
		"--fail-on never -- agent":                    `--fail-on "never" is not valid`,
		"--run-length 1s -- agent":                    "--run-length 1s is too short",
		"--protocol smoke -- agent":                   `"smoke" is neither a protocol nor a file`,
		"--chart /none --values x -- agent":           "--chart /none is not a chart",
		"-- /none":                                    "starting /none",
	} {
		var stdout, stderr strings.Builder
		require.Equal(t, report.ExitUnable, run(t.Context(), words(line), &stdout, &stderr), line)
		require.Contains(t, stderr.String(), problem, line)
		require.Empty(t, stdout.String())
	}
}

func TestEveryPromiseIsListed(t *testing.T) {
	t.Parallel()
	var stdout strings.Builder
	require.Equal(t, 0, run(t.Context(), []string{"--list"}, &stdout, os.Stderr))
	for _, kept := range zoo {
		for _, id := range kept.broken {
			require.Contains(t, stdout.String(), id)
		}
	}
}
