package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/llm"
	"example.com/ai-agent/test/agent/output"
)

// kinds are the ways to ask for a run.
var kinds = []output.Kind{output.Stream, output.WebSocket, output.GRPC, output.Poll}

// eachKind runs a test for each way to ask for a run.
func eachKind(t *testing.T, test func(t *testing.T, kind output.Kind)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// loading is a load in progress.
type loading struct {
	lines chan output.Load
	stop  context.CancelFunc // as SIGTERM does
}

// begin starts a load with one client of this kind.
func begin(t *testing.T, url string, kind output.Kind, configure func(*load)) *loading {
	t.Helper()
	out, in := io.Pipe()
	l := newLoad(in)
	l.url, l.interval, l.maxTokens = url, 20*time.Millisecond, 5
	if count, asksForRuns := l.runners[kind]; asksForRuns {
		*count = 1
	} else {
		*l.loops[kind] = 1
	}
	if configure != nil {
		configure(l)
	}
	ctx, stop := context.WithCancel(context.Background())
	running := &loading{make(chan output.Load, 10_000), stop}
	over := make(chan struct{})
	go func() {
		l.run(ctx)
		_ = in.Close()
	}()
	go func() {
		defer close(over)
		defer close(running.lines)
		for lines := json.NewDecoder(out); ; {
			var line output.Load
			if lines.Decode(&line) != nil {
				return
			}
			running.lines <- line
		}
	}()
	t.Cleanup(func() {
		stop()
		<-over
	})
	return running
}

// next returns the next line about this event.
func (l *loading) next(t *testing.T, event string) output.Load {
	t.Helper()
	for line := range l.lines {
		if line.Event == event {
			return line
		}
	}
	require.Fail(t, "the load ended without the event "+event)
	return output.Load{}
}

// rest stops the load and returns the lines that have not been read.
func (l *loading) rest() (lines []output.Load) {
	l.stop()
	for line := range l.lines {
		lines = append(lines, line)
	}
	return lines
}

func TestEachProtocolDeliversItsTokensInOrder(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100}, nil)
	pod, err := os.Hostname()
	require.NoError(t, err)
	eachKind(t, func(t *testing.T, kind output.Kind) {
		l := begin(t, p.url, kind, nil)
		for number := range 3 {
			started, ended := l.next(t, output.Started), l.next(t, output.Ended)
			assert.Equal(t, output.End{Outcome: output.Done, Tokens: 5}, *ended.End)
			assert.Equal(t, pod, ended.Pod)
			assert.Equal(t, [2]int{number, number}, [2]int{started.Number, ended.Number}, "one run after another")
			assert.Equal(t, [2]output.Kind{kind, kind}, [2]output.Kind{started.Kind, ended.Kind})
			assert.False(t, ended.At.Before(started.At))
			if kind != output.Poll {
				assert.Equal(t, pod, started.Pod)
			}
		}
	})
}

// A pod that is shut down finishes a run of each protocol. Its clients' signal ends no run
// either. Control: of an agent that ends at once the load reports that the run was
// interrupted.
func TestEachProtocolsRunIsFinishedAfterSIGTERM(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind output.Kind) {
		for name, tc := range map[string]struct {
			flags   []string
			outcome output.Outcome
		}{
			"drained": {nil, output.Done},
			"dropped": {[]string{"--fault", "drop-runs"}, output.Interrupted},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := start(t, llm.Config{AnswerTokens: 200, TokensPerSecond: 50}, nil, tc.flags...)
				l := begin(t, p.url, kind, func(l *load) { l.maxTokens = 200 })
				p.running(t, 1)
				l.next(t, output.Started)
				l.stop()
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
				lines := l.rest()
				require.Len(t, lines, 1, "no run begins after the signal")
				assert.Equal(t, tc.outcome, lines[0].Outcome, lines[0].Error)
				if tc.outcome == output.Done {
					assert.Equal(t, 200, lines[0].Tokens)
				} else {
					assert.NotEmpty(t, lines[0].Error)
				}
				require.NoError(t, <-p.err, "the agent's exit code")
			})
		}
	})
}

// A server that does not send the event done leaves a run incomplete, although its
// connection ends as it should.
func TestLoadDetectsTheMissingEnd(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 5}, nil, "--fault", "break-run")
	for _, kind := range []output.Kind{output.Stream, output.WebSocket, output.GRPC} {
		ended := begin(t, p.url, kind, nil).next(t, output.Ended)
		assert.Equal(t, output.End{Outcome: output.Interrupted, Tokens: 5, Error: "the stream ended after event 6, without the event done"}, *ended.End, kind)
	}
}

func TestLoadTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	numbered := func(id int, event string) string { return fmt.Sprintf("id: %d\n%s", id, event) }
	complete := numbered(1, started) + numbered(2, token) + numbered(3, token) + numbered(4, done)
	for name, tc := range map[string]struct {
		answer  func(http.ResponseWriter)
		kind    output.Kind
		outcome output.Outcome
		tokens  int
		message string
	}{
		"complete":                   {streaming(complete), output.Stream, output.Done, 2, ""},
		"a comment":                  {streaming(numbered(1, started) + ": heartbeat\n\n" + numbered(2, token) + numbered(3, token) + numbered(4, done)), output.Stream, output.Done, 2, ""},
		"a missing event":            {streaming(numbered(1, started) + numbered(3, token) + numbered(4, token) + numbered(5, done)), output.Stream, output.Interrupted, 2, "event 3 (token) arrived where event 2 was expected"},
		"a duplicate":                {streaming(numbered(1, started) + numbered(2, token) + numbered(2, token) + numbered(3, done)), output.Stream, output.Interrupted, 2, "event 2 (token) arrived where event 3 was expected"},
		"another order":              {streaming(numbered(2, token) + numbered(1, started) + numbered(3, token) + numbered(4, done)), output.Stream, output.Interrupted, 2, "event 2 (token) arrived where event 1 was expected"},
		"no numbers":                 {streaming(started + token + token + done), output.Stream, output.Interrupted, 2, "event 0 (started) arrived where event 1 was expected"},
		"more after the end":         {streaming(complete + numbered(5, token)), output.Stream, output.Interrupted, 3, "event 5 (token) arrived after the event done"},
		"too few tokens":             {streaming(numbered(1, started) + numbered(2, token) + numbered(3, done)), output.Stream, output.Interrupted, 1, "1 tokens arrived instead of 2"},
		"no end":                     {streaming(numbered(1, started) + numbered(2, token)), output.Stream, output.Interrupted, 1, "the stream ended after event 2, without the event done"},
		"broken off":                 {breakingOff(numbered(1, started) + numbered(2, token)), output.Stream, output.Interrupted, 1, "the stream ended after event 2: unexpected EOF"},
		"broken off within a line":   {breakingOff(numbered(1, started) + "id: 2\nevent: token\ndata: {\"te"), output.Stream, output.Interrupted, 0, "the stream ended after event 1: the stream ended within an event token"},
		"a failed run":               {streaming(numbered(1, started) + numbered(2, failure)), output.Stream, output.Failed, 0, "out of budget"},
		"refused":                    {refusing(429), output.Stream, output.Refused, 0, "429 Too Many Requests"},
		"no answer":                  {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, output.Stream, output.Unreachable, 0, "EOF"},
		"a redirection":              {refusing(307), output.Stream, output.Refused, 0, "307"},
		"poll":                       {whole(`{"run": "1", "answer": "hello world"}`), output.Poll, output.Done, 2, ""},
		"poll: too few tokens":       {whole(`{"run": "1", "answer": "hello"}`), output.Poll, output.Interrupted, 1, "1 tokens arrived instead of 2"},
		"poll: broken off":           {whole(`{"run": "1", "ans`), output.Poll, output.Interrupted, 0, "the answer ended before its JSON was complete: unexpected EOF"},
		"poll: no answer":            {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, output.Poll, output.Interrupted, 0, "no answer arrived"},
		"poll: refused":              {refusing(503), output.Poll, output.Refused, 0, "503 Service Unavailable"},
		"no WebSocket":               {whole("{}"), output.WebSocket, output.Refused, 0, "200 OK"},
		"no WebSocket, but an error": {refusing(502), output.WebSocket, output.Refused, 0, "502 Bad Gateway"},
		"no gRPC":                    {refusing(502), output.GRPC, output.Unreachable, 0, "Unavailable"}, // nor HTTP/2
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := begin(t, agentThat(t, tc.answer), tc.kind, func(l *load) { l.maxTokens = 2 }).next(t, output.Ended)
			assert.Equal(t, tc.outcome, ended.Outcome)
			assert.Equal(t, tc.tokens, ended.Tokens)
			assert.Contains(t, ended.Error, tc.message)
			assert.Equal(t, tc.outcome == output.Done, ended.Error == "", ended.Error)
		})
	}
}

// A proxy refuses a gRPC call by an HTTP status, or by trailers alone.
func TestLoadDetectsARefusalByAProxyOfGRPC(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusServiceUnavailable, "no pod") },
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "14")
			w.Header().Set("Grpc-Message", "no pod")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := httptest.NewUnstartedServer(answer)
			proxy.Config.Protocols = &http.Protocols{}
			proxy.Config.Protocols.SetUnencryptedHTTP2(true)
			proxy.Start()
			t.Cleanup(proxy.Close)
			ended := begin(t, proxy.URL, output.GRPC, nil).next(t, output.Ended)
			assert.Equal(t, output.Refused, ended.Outcome, ended.Error)
			assert.Contains(t, ended.Error, "Unavailable")
		})
	}
}

func TestLoadDetectsAnUnreachableAgent(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind output.Kind) {
		l := begin(t, "http://"+freeAddress(t), kind, nil)
		for range 2 {
			ended := l.next(t, output.Ended)
			assert.Equal(t, output.Unreachable, ended.Outcome)
			assert.Contains(t, ended.Error, "connection refused")
		}
	})
}

// A stream on which nothing arrives is interrupted, as is one whose other end is gone
// without saying so. Heartbeats count: they are what keeps a silent stream.
func TestLoadDetectsASilentStream(t *testing.T) {
	t.Parallel()
	for _, kind := range []output.Kind{output.Stream, output.WebSocket, output.GRPC} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			slow := llm.Config{AnswerTokens: 1, TokensPerSecond: 0.2} // its token takes 5 s
			impatient := func(l *load) { l.silence, l.maxTokens = 2*time.Second, 1 }
			silent := begin(t, start(t, slow, nil, "--heartbeat", "1h").url, kind, impatient)
			alive := begin(t, start(t, slow, nil, "--heartbeat", "50ms").url, kind, impatient)
			ended := silent.next(t, output.Ended)
			assert.Equal(t, output.End{Outcome: output.Interrupted, Error: "the stream ended after event 1: nothing arrived for 2s"}, *ended.End)
			assert.Equal(t, output.End{Outcome: output.Done, Tokens: 1}, *alive.next(t, output.Ended).End)
		})
	}
}

func TestShortRequestsAreCounted(t *testing.T) {
	t.Parallel()
	for _, kind := range []output.Kind{output.Request, output.KeepAlive} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var requests, connections atomic.Int64
			agent := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/health", r.URL.Path)
				if requests.Add(1)%4 == 2 {
					writeError(w, http.StatusServiceUnavailable, "a failure")
				}
			}))
			agent.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			agent.Start()
			t.Cleanup(agent.Close)
			l := begin(t, agent.URL, kind, nil)
			first := l.next(t, output.Requested)
			for requests.Load() < 40 {
				time.Sleep(10 * time.Millisecond)
			}
			sum := *first.Sent
			for _, line := range l.rest() {
				assert.Equal(t, output.Requested, line.Event)
				assert.Equal(t, kind, line.Kind)
				assert.Positive(t, line.Sent.Sent, "a second without requests is omitted")
				sum.Sent += line.Sent.Sent
				sum.Failed += line.Failed
				if line.Failed > 0 {
					assert.Contains(t, line.Why, "503")
				}
			}
			assert.EqualValues(t, requests.Load(), sum.Sent)
			assert.EqualValues(t, (requests.Load()+2)/4, sum.Failed)
			if kind == output.KeepAlive {
				assert.EqualValues(t, 1, connections.Load())
			} else {
				assert.EqualValues(t, requests.Load(), connections.Load())
			}
		})
	}
}

// net/http would send a request again whose kept connection ends: no server would see the
// failure of its client.
func TestRequestOnAConnectionThatEndsHasFailed(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	url := agentThat(t, func(http.ResponseWriter) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	})
	l := begin(t, url, output.KeepAlive, nil)
	for requests.Load() < 4 {
		time.Sleep(10 * time.Millisecond)
	}
	sum := output.Sent{}
	for _, line := range l.rest() {
		sum.Sent += line.Sent.Sent
		sum.Failed += line.Failed
		sum.Why += line.Why
	}
	assert.Equal(t, output.Sent{Sent: int(requests.Load()), Failed: 1, Why: errRetried.Error()}, sum)
}

// The short requests measure the agent for as long as runs are in progress.
func TestShortRequestsContinueUntilTheLastRunHasEnded(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	l := begin(t, p.url, output.Stream, func(l *load) { *l.loops[output.Request], l.maxTokens = 2, 100 })
	l.next(t, output.Started)
	lines := l.rest()
	var ended time.Time
	sent := 0
	for _, line := range lines {
		switch line.Event {
		case output.Started:
			assert.Fail(t, "a run began after the signal")
		case output.Ended:
			ended = line.At
			assert.Equal(t, output.Done, line.Outcome, line.Error)
		case output.Requested:
			sent += line.Sent.Sent
			assert.Zero(t, line.Failed, line.Why)
		}
	}
	last := lines[len(lines)-1]
	assert.Equal(t, output.Requested, last.Event)
	assert.True(t, last.At.After(ended))
	assert.Greater(t, sent, 2, "each loop sends more than its first request")
}

// The command ends on SIGTERM and after --for. Its exit code says nothing about the runs.
func TestLoadCommandEnds(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	flags := []string{"load", "--url", p.url, "--spread=0s", "--max-tokens=20", "--streams=1", "--websockets=1", "--grpc=1", "--polls=1", "--requests=1", "--keep-alive=1"}
	for name, tc := range map[string]struct {
		flags  []string
		signal bool
		says   string
	}{
		"SIGTERM":     {flags, true, " done; short requests: "},
		"--for":       {append(flags[:len(flags):len(flags)], "--for=1ms"), false, "; short requests: "},
		"unreachable": {[]string{"load", "--url=http://127.0.0.1:1", "--streams=1", "--spread=0s", "--interval=1h", "--for=1s"}, false, "runs: 1 unreachable; short requests: 0, 0 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errs strings.Builder
			cmd := exec.Command(binary, tc.flags...)
			cmd.Stderr = &errs
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines, begun, over := json.NewDecoder(out), 0, 0
			for {
				var line output.Load
				if err := lines.Decode(&line); err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
				switch line.Event {
				case output.Started:
					if begun++; begun == len(kinds) && tc.signal {
						require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
					}
				case output.Ended:
					over++
				}
			}
			require.NoError(t, cmd.Wait())
			assert.Contains(t, errs.String(), tc.says)
			if name != "unreachable" {
				assert.Equal(t, begun, over)
			}
		})
	}
}
