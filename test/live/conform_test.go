package live

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/process"
	"example.com/ai-agent/test/internal/repo"
)

// brokenImage is the sample agent in an image with Debian's folders, whose user is root
// and in which /app belongs to the chart's user.
const brokenImage = `FROM ai-agent-servers:debian
COPY agent /agent
USER 0
RUN chown 10001 /app
ENV OPENAI_API_KEY=none
`

// An image that does not start as the chart's pods run it gets a verdict that says why.
func TestConformNamesWhatAnImageNeeds(t *testing.T) {
	t.Parallel()
	conform, image := build(t, "conform"), "ai-agent-broken:1"
	folder := filepath.Dir(build(t, "agent"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(brokenImage), 0o600))
	out, err := exec.CommandContext(t.Context(), "docker", "build", "--tag", image, folder).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "--force", image).Run() }) // an image that is left is used by nothing
	for name, broken := range map[string]struct {
		serve []string
		ids   []string
		value string // of the proposal
	}{
		"nothing":                       {nil, nil, "repository: ai-agent-broken"},
		"a home directory":              {[]string{"--fault=need-home"}, []string{"home"}, "home: /tmp"},
		"the user of its image":         {[]string{"--fault=need-root"}, []string{"user"}, ""},
		"a folder that it can write to": {[]string{"--fault=need-app"}, []string{"read-only-root"}, "writableDirs:\n- /app/data"},
		"another port":                  {[]string{"--addr=:8081"}, []string{"port"}, "containerPort: 8081"},
		"an address that others reach":  {[]string{"--addr=127.0.0.1:8000"}, []string{"listens-beyond-loopback"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ids, proposed := verdict(t, conform, append([]string{"--image", image, "--run-length", "12s", "--runs", "2", "--", "/agent", "serve", "--metrics-addr="}, broken.serve...)...)
			require.Equal(t, broken.ids, ids)
			require.Contains(t, proposed, broken.value)
		})
	}
}

// judgedServer is a real server and how conform asks it for runs. It finds shipped with the
// server's own settings, and mended with its preset.
type judgedServer struct {
	image, preset   string
	command         []string
	values          string // what a user adds to the preset, apart from image and command
	shipped, mended []string
	sometimes       string // a finding that depends on when conform asks
	args            []string
	smoke           bool // whether `make test` includes it
}

var judgedServers = map[string]judgedServer{
	"gunicorn": {
		image: "debian", preset: "gunicorn", smoke: true, command: []string{"gunicorn", "app:app", "--worker-class", "uvicorn.workers.UvicornWorker", "--bind", "0.0.0.0:$(PORT)"},
		shipped: []string{"run-survives-sigterm", "run-is-bounded"}, mended: []string{"run-is-bounded"},
	},
	"hypercorn": {
		image: "debian", preset: "hypercorn", command: []string{"hypercorn", "app:app", "--bind", "0.0.0.0:$(PORT)", "--graceful-timeout", "3"}, values: "drain: {until: connections}\nvalidation: {skip: [server-drain-too-short]}",
		shipped: []string{"run-survives-sigterm", "run-is-bounded"}, mended: []string{"run-is-bounded"},
	},
	"MCP": {
		image: "npm", preset: "mcp-server", command: []string{"node", "mcp-server.mjs"}, args: []string{"--protocol", "mcp", "--var", "TOOL=count", "--var", `ARGUMENTS={"to": $(TOKENS)}`},
		shipped: []string{"run-survives-sigterm", "run-is-bounded"}, mended: []string{"run-is-bounded"},
	},
	"Mastra": {
		image: "npm", preset: "node", command: []string{"node", "mastra.mjs"}, values: "drain: {until: connections}", args: []string{"--protocol", repo.Path("test", "testdata", "protocols", "mastra.yaml")},
		shipped: []string{"run-survives-sigterm", "run-is-bounded"}, mended: []string{"run-is-bounded"},
	},
	"LangGraph": {
		image: "npm", preset: "langgraph", args: []string{"--protocol", "langgraph"},
		command: []string{"langgraphjs", "dev", "--host", "0.0.0.0", "--port", "$(PORT)", "--no-browser", "--no-reload", "--config", "/app/langgraph/langgraph.json"},
		values:  "writableDirs: [/app/langgraph/.langgraph_api]",
		shipped: []string{"run-survives-sigterm", "exit-code", "run-is-bounded"}, mended: []string{"exit-code", "run-is-bounded"},
	},
	// The main process, with SQLite instead of PostgreSQL.
	"n8n": {
		image: "n8n", preset: "n8n", command: []string{"sh", "-c", "cp -R .n8n /tmp && exec env N8N_PORT=$(PORT) n8n start"},
		args: []string{"--protocol", repo.Path("test", "testdata", "protocols", "n8n.yaml"), "--ready-path", "/healthz/readiness"}, values: "config: {DB_TYPE: sqlite}",
		shipped:   []string{"answer-streams", "run-survives-sigterm", "refuses-after-sigterm", "run-is-bounded"},
		mended:    []string{"answer-streams", "refuses-after-sigterm", "run-is-bounded"},
		sometimes: "answers-when-ready", // its webhooks come seconds after it is Ready, or just before the first run
	},
}

// conform tells, before anything is installed, what servers do with their runs in a cluster:
// see TestServersKeepTheirRuns and TestServersWithoutPreset.
func TestConformBeforeAndAfterThePreset(t *testing.T) {
	conform := build(t, "conform")
	for name, server := range judgedServers {
		t.Run(name, func(t *testing.T) {
			if !server.smoke {
				onlyInTestServers(t)
			}
			t.Parallel()
			shipped := slices.Concat(server.args, []string{"--runs", "4", "--image", "ai-agent-servers:" + server.image, "--"}, server.command)
			ids, proposed := verdict(t, conform, shipped...)
			require.Equal(t, server.shipped, server.always(ids))
			require.Contains(t, proposed, "presets/"+server.preset+".yaml")

			command, err := json.Marshal(server.command)
			require.NoError(t, err)
			mine := filepath.Join(t.TempDir(), "mine.yaml")
			values := "image: {repository: ai-agent-servers, tag: " + server.image + "}\ncommand: " + string(command) + "\n" + server.values + "\n"
			require.NoError(t, os.WriteFile(mine, []byte(values), 0o600))
			ids, _ = verdict(t, conform, append(server.args, "--runs", "4", "--values", repo.Path("charts", "ai-agent", "presets", server.preset+".yaml"), "--values", mine)...)
			require.Equal(t, server.mended, server.always(ids))
		})
	}
}

// always returns the findings that do not depend on when conform asks.
func (s judgedServer) always(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return id == s.sometimes })
}

// build compiles a command of this repository.
func build(t *testing.T, command string) string {
	t.Helper()
	binary, err := process.Build(t.TempDir(), command)
	require.NoError(t, err)
	return binary
}

// verdict returns the IDs of conform's findings, the worst first, and the values that it
// proposes. A machine that is busy with other tests takes long to start an image.
func verdict(t *testing.T, conform string, args ...string) (ids []string, proposed string) {
	t.Helper()
	args = append([]string{"--chart", repo.Path("charts", "ai-agent"), "--output", "json", "--start-timeout", "2m"}, args...)
	cmd := exec.CommandContext(t.Context(), conform, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes its containers
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output() // its exit code is that of the findings
	var made struct {
		Findings       []struct{ ID string }
		ProposedValues string
	}
	require.NoError(t, json.Unmarshal(out, &made), stderr.String())
	t.Log(string(out))
	for _, f := range made.Findings {
		ids = append(ids, f.ID)
	}
	return ids, made.ProposedValues
}
