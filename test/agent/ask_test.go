package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
)

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode()
}

const (
	started = "event: started\ndata: {\"run\":\"1\"}\n\n"
	token   = "event: token\ndata: {\"text\":\"hello\"}\n\n"
	done    = "event: done\ndata: {\"run\":\"1\"}\n\n"
	failure = "event: error\ndata: {\"run\":\"1\",\"error\":\"out of budget\"}\n\n"
)

// agentThat serves an agent that answers each run with this function.
func agentThat(t *testing.T, answer func(w http.ResponseWriter)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	t.Cleanup(server.Close)
	return server.URL
}

func streaming(events string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { send(w, events) }
}

func breakingOff(events string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		send(w, events)
		panic(http.ErrAbortHandler)
	}
}

func send(w http.ResponseWriter, events string) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, events)
	w.(http.Flusher).Flush()
}

func refusing(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { writeError(w, status, "try again") }
}

func whole(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
}

// Each way in which a run can end has its exit code and outcome, over a real
// connection and with a real process.
func TestAskTellsHowTheRunEnded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer  func(http.ResponseWriter)
		code    int
		end     output.End
		message string
	}{
		"done":                       {streaming(started + token + done), 0, output.End{Outcome: output.Done, Tokens: 1}, ""},
		"done, not streamed":         {whole(`{"run": "1", "answer": "hello"}`), 0, output.End{Outcome: output.Done, Tokens: 1}, ""},
		"done, then broken off":      {breakingOff(started + token + done), 0, output.End{Outcome: output.Done, Tokens: 1}, ""},
		"broken off":                 {breakingOff(started + token), 3, output.End{Outcome: output.Interrupted, Tokens: 1}, "unexpected EOF"},
		"broken off within a line":   {breakingOff(started + token + "event: token\ndata: {\"te"), 3, output.End{Outcome: output.Interrupted, Tokens: 1}, "token"},
		"broken off, not streamed":   {whole(`{"run": "1", "ans`), 3, output.End{Outcome: output.Interrupted}, "unexpected EOF"},
		"ended without done":         {streaming(started + token), 3, output.End{Outcome: output.Interrupted, Tokens: 1}, "before the run did"},
		"empty answer":               {streaming(""), 3, output.End{Outcome: output.Interrupted}, "before the run did"},
		"busy":                       {refusing(http.StatusTooManyRequests), 4, output.End{Outcome: output.Refused}, "429"},
		"unavailable":                {refusing(http.StatusServiceUnavailable), 4, output.End{Outcome: output.Refused}, "503"},
		"not found":                  {refusing(http.StatusNotFound), 4, output.End{Outcome: output.Refused}, "404"},
		"closed without an answer":   {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 5, output.End{Outcome: output.Unreachable}, "EOF"},
		"failed":                     {streaming(started + token + failure), 6, output.End{Outcome: output.Failed, Tokens: 1}, "out of budget"},
		"failed, then broken off":    {breakingOff(started + failure), 6, output.End{Outcome: output.Failed}, "out of budget"},
		"a comment is not a token":   {streaming(started + ": heartbeat\n\n" + token + done), 0, output.End{Outcome: output.Done, Tokens: 1}, ""},
		"a token of more than 64 kB": {streaming(started + `event: token` + "\n" + `data: {"text":"` + strings.Repeat("a", 100_000) + `"}` + "\n\n" + done), 0, output.End{Outcome: output.Done, Tokens: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := agentThat(t, tc.answer)
			out, err := exec.Command(binary, "ask", "--output=json", "--url", url, "a task").CombinedOutput()
			assert.Equal(t, tc.code, exitCode(t, err))
			runs, err := output.ReadRuns(out)
			require.NoError(t, err, "nothing but JSON is printed")
			require.Len(t, runs, 1)
			assert.Contains(t, runs[0].Error, tc.message)
			runs[0].Error = ""
			assert.Equal(t, tc.end, runs[0].End)

			out, err = exec.Command(binary, "ask", "--url", url, "a task").CombinedOutput()
			assert.Equal(t, tc.code, exitCode(t, err), "the same code with text")
			assert.Contains(t, string(out), tc.message)
		})
	}
}

func TestAskUnreachableAgent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	out, err := exec.Command(binary, "ask", "--output=json", "--url", "http://"+listener.Addr().String(), "a task").CombinedOutput()
	assert.Equal(t, 5, exitCode(t, err))
	runs, err := output.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	assert.Equal(t, output.Unreachable, runs[0].Outcome)
	assert.Contains(t, runs[0].Error, "connection refused")
}

// A mistake in the command line is no outcome of a run: nothing is printed on
// standard output.
func TestCommandLineMistakes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args    []string
		message string
	}{
		"no task":               {[]string{"ask"}, "requires at least 1 arg"},
		"unknown flag":          {[]string{"ask", "--lines", "a task"}, "unknown flag: --lines"},
		"unknown output":        {[]string{"ask", "--output=xml", "a task"}, "use text or json"},
		"address without HTTP":  {[]string{"ask", "--url=ai-agent-service:8000", "a task"}, "--url is not an HTTP address"},
		"unknown check output":  {[]string{"check", "--output=xml"}, "use text or json"},
		"address without host":  {[]string{"check", "--url=http://"}, "--url is not an HTTP address"},
		"nothing to check":      {[]string{"check"}, "nothing to check"},
		"address without port":  {[]string{"check", "--unreachable=127.0.0.1"}, "use host:port"},
		"argument of check":     {[]string{"check", "http://127.0.0.1"}, `unknown command "http://127.0.0.1"`},
		"load without clients":  {[]string{"load"}, "there are no clients"},
		"fewer than no clients": {[]string{"load", "--polls=-1"}, "kind poll is -1"},
		"load without HTTP":     {[]string{"load", "--streams=1", "--url=ai-agent-service:8000"}, "--url is not an HTTP address"},
		"gRPC with TLS":         {[]string{"load", "--grpc=1", "--url=https://agent.example.com"}, "--grpc needs an --url with http://"},
		"unknown command":       {[]string{"chekc"}, `unknown command "chekc"`},
		"password in a bad URL": {[]string{"ask", "--url=postgres://agent:hidden@db", "a task"}, "--url is not an HTTP address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			cmd := exec.Command(binary, tc.args...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			assert.Equal(t, output.ExitUsage, exitCode(t, cmd.Run()))
			assert.Empty(t, out.String())
			assert.Contains(t, errs.String(), tc.message)
			assert.NotContains(t, errs.String(), "hidden")
		})
	}
}

// The format is an interface: programs read these lines.
func TestAskPrintsOneEventPerLine(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(binary, "ask", "--output=json", "--url", agentThat(t, streaming(started+token+done)), "one", "two").Output()
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat(`{"event":"started","run":"1"}
{"event":"token","text":"hello"}
{"event":"ended","run":"1","outcome":"done","tokens":1,"error":""}
`, 2), string(out))
}

func TestAskStopsAtTheFirstRunThatIsNotDone(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(binary, "ask", "--output=json", "--url", agentThat(t, refusing(429)), "one", "two").Output()
	assert.Equal(t, 4, exitCode(t, err))
	assert.Equal(t, `{"event":"ended","outcome":"refused","tokens":0,"error":"429 Too Many Requests: {\"error\":\"try again\"}"}`+"\n", string(out))
}

// Each event is printed as soon as it arrives. A signal then ends the client, and
// its exit code tells what it had received.
func TestAskStreamsAndEndsOnSIGTERM(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events  string // before the agent falls silent; empty: no answer at all
		lines   []string
		code    int
		outcome output.Outcome
	}{
		"in a run":  {started + token, []string{`{"event":"started","run":"1"}`, `{"event":"token","text":"hello"}`}, 3, output.Interrupted},
		"no answer": {"", nil, 5, output.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, over := make(chan struct{}), make(chan struct{})
			url := agentThat(t, func(w http.ResponseWriter) {
				if tc.events != "" {
					send(w, tc.events)
				}
				close(asked)
				<-over
			})
			t.Cleanup(func() { close(over) })
			cmd := exec.Command(binary, "ask", "--output=json", "--url", url, "a task")
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(stdout)
			<-asked
			for _, line := range tc.lines {
				require.True(t, lines.Scan())
				require.Equal(t, line, lines.Text())
			}
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.True(t, lines.Scan())
			runs, err := output.ReadRuns(lines.Bytes())
			require.NoError(t, err)
			assert.Equal(t, tc.outcome, runs[0].Outcome)
			assert.Contains(t, runs[0].Error, "terminated")
			assert.Equal(t, tc.code, exitCode(t, cmd.Wait()))
		})
	}
}
