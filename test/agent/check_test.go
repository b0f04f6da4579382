package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/llm"
	"example.com/ai-agent/test/agent/output"
)

// What `helm test` checks, with an answer for each way to fail.
func TestCheck(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	unready := start(t, llm.Config{}, []string{"REDIS_URL=redis://127.0.0.1:1"})
	open := strings.TrimPrefix(p.url, "http://")
	folder := t.TempDir()
	for name, tc := range map[string]struct {
		args   []string
		failed output.Check // its Error is part of the message; no check fails if it is empty
	}{
		"all passed": {[]string{"--url", p.url, "--env", "HERE", "--unreachable", "127.0.0.1:1", "--writable", folder}, output.Check{}},
		"not ready": {[]string{"--url", unready.url},
			output.Check{Check: "url", Target: unready.url + "/ready", Error: "503"}},
		"no agent": {[]string{"--url", "http://127.0.0.1:1"},
			output.Check{Check: "url", Target: "http://127.0.0.1:1/health", Error: "connection refused"}},
		"missing variable": {[]string{"--env", "HERE,GONE"},
			output.Check{Check: "env", Target: "GONE", Error: "GONE is not set"}},
		"unknown name": {[]string{"--unreachable", "nowhere.invalid:1"},
			output.Check{Check: "unreachable", Target: "nowhere.invalid:1", State: output.AddressUnresolved, Error: "cannot be resolved"}},
		"no policy": {[]string{"--unreachable", open},
			output.Check{Check: "unreachable", Target: open, State: output.AddressReachable, Error: "no NetworkPolicy is enforced"}},
		"missing folder": {[]string{"--writable", "/nowhere"},
			output.Check{Check: "writable", Target: "/nowhere", Error: "no file can be created"}},
		"writable folder": {[]string{"--read-only", folder},
			output.Check{Check: "read-only", Target: folder, Error: "is not read-only"}},
		"missing permission": {[]string{"--read-only", "/nowhere"},
			output.Check{Check: "read-only", Target: "/nowhere", Error: "is not read-only"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, code := check(t, tc.args...)
			text, err := checkCommandLine(tc.args...).CombinedOutput()
			assert.Equal(t, code, exitCode(t, err), "the same code with text")
			if tc.failed == (output.Check{}) {
				assert.Zero(t, code)
				assert.True(t, results.OK)
				assert.Len(t, results.Checks, 5)
				for _, result := range results.Checks {
					assert.True(t, result.OK, "%+v", result)
				}
				return
			}
			assert.Equal(t, output.ExitCheckFailed, code)
			assert.False(t, results.OK)
			assert.Contains(t, string(text), "failed "+tc.failed.Check+" "+tc.failed.Target+": ")
			assert.Contains(t, string(text), tc.failed.Error)
			var failed []output.Check
			for _, result := range results.Checks {
				if !result.OK && strings.Contains(result.Error, tc.failed.Error) {
					result.Error = tc.failed.Error
					failed = append(failed, result)
				}
			}
			assert.Contains(t, failed, tc.failed)
		})
	}
}

func checkCommandLine(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append([]string{"check", "--settle=1s"}, args...)...)
	cmd.Env = []string{"HERE=yes"}
	return cmd
}

// check runs `agent check --output json` and returns its results and exit code.
func check(t *testing.T, args ...string) (results output.Checks, code int) {
	t.Helper()
	out, err := checkCommandLine(append(args, "--output=json")...).CombinedOutput()
	require.NoError(t, json.Unmarshal(out, &results), "nothing but one JSON object is printed: %s", out)
	return results, exitCode(t, err)
}

// One call observes many addresses: each result has its own state, in the order of
// the command line.
func TestCheckReportsTheStateOfEachAddress(t *testing.T) {
	t.Parallel()
	open := strings.TrimPrefix(start(t, llm.Config{}, nil).url, "http://")
	results, code := check(t, "--settle=0s", "--unreachable", open+",127.0.0.1:1,nowhere.invalid:1")
	assert.Equal(t, output.ExitCheckFailed, code)
	assert.False(t, results.OK)
	require.Len(t, results.Checks, 3)
	for i, expected := range []output.Check{
		{Check: "unreachable", Target: open, State: output.AddressReachable},
		{Check: "unreachable", Target: "127.0.0.1:1", OK: true, State: output.AddressUnreachable},
		{Check: "unreachable", Target: "nowhere.invalid:1", State: output.AddressUnresolved},
	} {
		assert.Equal(t, expected.OK, results.Checks[i].Error == "")
		results.Checks[i].Error = ""
		assert.Equal(t, expected, results.Checks[i])
	}
}

// SIGTERM does not turn a check that is not over into one that passed.
func TestCheckFailsOnSIGTERM(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{
		"waiting for a ready agent": http.StatusServiceUnavailable,
		"watching a ready agent":    http.StatusOK,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 1)
			url := agentThat(t, func(w http.ResponseWriter) {
				w.WriteHeader(status)
				select {
				case asked <- struct{}{}:
				default:
				}
			})
			cmd := checkCommandLine("--output=json", "--settle=10m", "--steady=10m", "--url", url, "--unreachable=127.0.0.1:1")
			var out strings.Builder
			cmd.Stdout = &out
			require.NoError(t, cmd.Start())
			<-asked
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			assert.Equal(t, output.ExitCheckFailed, exitCode(t, cmd.Wait()))
			var results output.Checks
			require.NoError(t, json.Unmarshal([]byte(out.String()), &results))
			require.Len(t, results.Checks, 3)
			for _, result := range results.Checks {
				assert.False(t, result.OK, result)
				assert.Contains(t, result.Error, "terminated")
			}
		})
	}
}
