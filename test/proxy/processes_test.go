package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/process"
)

// agent is the binary of the sample agent, which is model and client too.
var agent string

func TestMain(m *testing.M) {
	folder, err := prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	process.Main(m, folder)
}

// prepare builds the agent into a temporary folder and finds the proxies.
func prepare() (folder string, err error) {
	// Debian installs them into a directory that is only on root's PATH.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin"); err != nil {
		return "", err
	}
	for _, proxy := range []string{"nginx", "haproxy"} {
		if _, err := exec.LookPath(proxy); err != nil {
			return "", fmt.Errorf("%w: scripts/proxies.sh installs it", err)
		}
	}
	folder, err = os.MkdirTemp("", "proxy")
	if err != nil {
		return "", err
	}
	agent, err = process.Build(folder, "agent")
	return folder, err
}

// startAgent starts a sample agent without heartbeats and a model that takes this
// time for each token, and returns the agent's URL.
func startAgent(t *testing.T, tokens int, each time.Duration) string {
	t.Helper()
	model, address := process.FreeAddress(t), process.FreeAddress(t)
	process.Start(t, model, nil, agent, "llm", "--addr", model, "--answer-tokens", strconv.Itoa(tokens),
		"--tokens-per-second", fmt.Sprint(1/each.Seconds()))
	process.Start(t, address, []string{"OPENAI_BASE_URL=http://" + model + "/v1", "OPENAI_API_KEY=none"},
		agent, "serve", "--addr", address, "--metrics-addr", "", "--heartbeat", "10m")
	return "http://" + address
}

// startNginx starts nginx with directives of a location, in front of an upstream. It
// ignores the agent's header X-Accel-Buffering, which has the same effect as the
// directive proxy_buffering, and accepts requests of any size.
func startNginx(t *testing.T, upstream string, directives []string) string {
	t.Helper()
	folder, address := t.TempDir(), process.FreeAddress(t)
	file := filepath.Join(folder, "nginx.conf")
	config := fmt.Sprintf(`
daemon off;
master_process off; # a single process, which ends with the test
pid %[1]s/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_max_body_size 0;
  proxy_http_version 1.1; # as ingress-nginx
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  scgi_temp_path %[1]s/scgi;
  uwsgi_temp_path %[1]s/uwsgi;
  server {
    listen %[2]s;
    location / {
      proxy_pass %[3]s;
      proxy_ignore_headers X-Accel-Buffering;
      %[4]s
    }
  }
}
`, folder, address, upstream, strings.Join(directives, "\n      "))
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	process.Start(t, address, nil, "nginx", "-e", "stderr", "-c", file)
	return "http://" + address
}

// startHAProxy starts HAProxy with directives of a backend, in front of an upstream.
// The other timeouts are those that both controllers set by default.
func startHAProxy(t *testing.T, upstream string, directives []string) string {
	t.Helper()
	address := process.FreeAddress(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	config := fmt.Sprintf(`
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout queue 5s
  timeout http-request 5s
frontend clients
  bind %s
  default_backend agent
backend agent
  server agent %s
  %s
`, address, strings.TrimPrefix(upstream, "http://"), strings.Join(directives, "\n  "))
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	process.Start(t, address, nil, "haproxy", "-db", "-f", file) // -db: a single process in the foreground
	return "http://" + address
}

// ask asks for a run with the sample agent's client, calls atFirstToken when that
// arrives, and returns the run and the client's exit code.
func ask(t *testing.T, url string, atFirstToken func()) (output.Run, int) {
	t.Helper()
	cmd := exec.Command(agent, "ask", "--output=json", "--url", url, "a task")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var printed []byte
	seen := false
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		printed = append(append(printed, lines.Bytes()...), '\n')
		if !seen && atFirstToken != nil && strings.Contains(lines.Text(), `"event":"token"`) {
			seen = true
			atFirstToken()
		}
	}
	require.NoError(t, lines.Err())
	_ = cmd.Wait()
	runs, err := output.ReadRuns(printed)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	return runs[0], cmd.ProcessState.ExitCode()
}

// runsInFlight reads the metric from the agent itself.
func runsInFlight(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_, after, found := strings.Cut(string(body), "\nagent_runs_in_flight ")
	assert.True(t, found)
	value, _, _ := strings.Cut(after, "\n")
	return value
}
