package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/llm"
	"example.com/ai-agent/test/agent/output"
)

// binary is the agent as it is deployed: only a process has signals and exit codes.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "agent")
	if err == nil {
		binary = filepath.Join(folder, "agent")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// process is a running agent.
type process struct {
	cmd     *exec.Cmd
	url     string
	metrics string     // the URL of the second listener
	log     buffer     // its standard error
	err     chan error // the result of Wait
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.err:
		return false
	default:
		return true
	}
}

// buffer is one that a process writes to while a test reads it.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs `agent serve` with a sample model and waits until it listens.
func start(t *testing.T, model llm.Config, env []string, flags ...string) *process {
	t.Helper()
	behind := httptest.NewServer(llm.Handler(model))
	t.Cleanup(behind.Close)
	address, observed := freeAddress(t), freeAddress(t)
	p := &process{url: "http://" + address, metrics: "http://" + observed, err: make(chan error, 1)}
	p.cmd = exec.Command(binary, append([]string{"serve", "--addr", address, "--metrics-addr", observed, "--drain-delay", "100ms"}, flags...)...)
	p.cmd.Env = append([]string{"OPENAI_BASE_URL=" + behind.URL + "/v1", "OPENAI_API_KEY=none"}, env...)
	p.cmd.Stderr = io.MultiWriter(t.Output(), &p.log)
	require.NoError(t, p.cmd.Start())
	ended := make(chan struct{})
	go func() {
		p.err <- p.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-ended // its log is complete: a test that is over accepts no more output
	})
	require.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "the agent does not listen")
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	return get(t, p.url+path)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func (p *process) ask(task string, maxTokens int64) output.Run {
	return ask(p.url, runRequest{Task: task, MaxTokens: maxTokens})
}

// ask asks the agent at url for a run and returns it as its JSON events describe it.
func ask(url string, req runRequest) output.Run {
	var events bytes.Buffer
	client{url: url}.ask(context.Background(), req, asJSON.events(&events))
	runs, err := output.ReadRuns(events.Bytes())
	if err != nil || len(runs) != 1 {
		panic(fmt.Sprintf("%v: %s", err, &events))
	}
	return runs[0]
}

// metric returns the value of a metric of the agent, by its name and labels.
func (p *process) metric(t *testing.T, name string) string {
	t.Helper()
	_, metrics := get(t, p.metrics+"/metrics")
	return valueOf(metrics, name)
}

func valueOf(metrics, name string) string {
	for line := range strings.Lines(metrics) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// running waits until this number of runs is in flight.
func (p *process) running(t *testing.T, count int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return p.metric(t, "agent_runs_in_flight") == strconv.Itoa(count)
	}, 10*time.Second, 10*time.Millisecond)
}

func TestRunStreamsTheModelsAnswer(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100}, nil)
	run := p.ask("count to five", 5)
	assert.Equal(t, output.End{Outcome: output.Done, Tokens: 5}, run.End)
	assert.Equal(t, "You asked: count to five", run.Text)
	assert.NotEmpty(t, run.ID)

	assert.Equal(t, "1", p.metric(t, `agent_runs_total{outcome="completed"}`))
	assert.Equal(t, "0", p.metric(t, `agent_runs_total{outcome="failed"}`), "an alert on an increase needs the 0 before the 1")
	assert.Equal(t, "0", p.metric(t, "agent_runs_in_flight"))
}

// A proxy built on Go's net/http, such as Traefik, does not interrupt an answer even
// if it reads the end of the request a little late. Control: it interrupts an answer
// that arrives before it has read the end.
func TestGoProxyDoesNotInterruptTheAnswer(t *testing.T) {
	t.Parallel()
	late := askThroughProxy(t, func(<-chan struct{}) { time.Sleep(10 * time.Millisecond) })
	assert.Equal(t, output.Done, late.Outcome, late.Error)
	tooLate := askThroughProxy(t, func(answered <-chan struct{}) {
		<-answered
		time.Sleep(50 * time.Millisecond) // until the answer is being forwarded to the client
	}, "--patience=0s")
	assert.Equal(t, output.Interrupted, tooLate.Outcome, tooLate.Error)
}

// askThroughProxy asks an agent with these flags for a run, through a proxy that
// waits before it reads the end of the request.
func askThroughProxy(t *testing.T, wait func(answered <-chan struct{}), flags ...string) output.Run {
	t.Helper()
	p := start(t, llm.Config{AnswerTokens: 5, TokensPerSecond: 10}, nil, flags...)
	agent, err := url.Parse(p.url)
	require.NoError(t, err)
	answered := make(chan struct{})
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(agent)
			r.Out.Body = &lateEnd{ReadCloser: r.Out.Body, wait: func() { wait(answered) }}
		},
		ModifyResponse: func(*http.Response) error { close(answered); return nil },
		ErrorLog:       log.New(io.Discard, "", 0),
	})
	defer proxy.Close()
	return ask(proxy.URL, runRequest{Task: "a"})
}

// lateEnd is a request body as a proxy without enough CPU reads it: time passes
// between reading its last byte and reading its end.
type lateEnd struct {
	io.ReadCloser
	wait  func()
	begun bool
}

func (b *lateEnd) Read(p []byte) (int, error) {
	if b.begun {
		b.wait()
	}
	b.begun = true
	return b.ReadCloser.Read(p)
}

func TestMaxTokensDefaultsToTheConfiguration(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100}, []string{"MAX_TOKENS=3"})
	run := p.ask("anything", 0)
	assert.Equal(t, output.End{Outcome: output.Done, Tokens: 3}, run.End)
	assert.Len(t, strings.Fields(run.Text), 3)
}

func TestRunWithoutStreaming(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 4}, []string{"ENABLE_STREAMING=false"})
	res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(`{"task": "hello"}`))
	require.NoError(t, err)
	defer res.Body.Close()
	var body map[string]string
	require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
	assert.Equal(t, "You asked: hello This", body["answer"])
}

func TestRunEndsWhenItsBudgetIsSpent(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1000, TokensPerSecond: 50}, []string{"MAX_RUN_SECONDS=1"})
	run := p.ask("take your time", 1000)
	assert.Equal(t, output.Failed, run.Outcome)
	assert.Contains(t, run.Error, "more than MAX_RUN_SECONDS")
	assert.Equal(t, "1", p.metric(t, `agent_runs_total{outcome="over_budget"}`))
}

func TestSilentStreamCarriesHeartbeats(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1, TokensPerSecond: 2}, nil, "--heartbeat", "50ms")
	res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(`{"task": "hello"}`))
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), ": heartbeat\n")
}

func TestInvalidRequestIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	for body, message := range map[string]string{
		"":                               "must be JSON",
		"hello":                          "must be JSON",
		"{}":                             "task must not be empty",
		`{"task": "a", "max_tokens":-1}`: "max_tokens must not be negative",
	} {
		res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, body)
		assert.Contains(t, string(answer), message)
	}
}

func TestBusyAgentRefusesARunAndStaysReady(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil, "--max-runs", "1")
	first := make(chan output.Run, 1)
	go func() { first <- p.ask("a long one", 100) }()
	p.running(t, 1)
	second := p.ask("one too many", 1)
	assert.Equal(t, output.Refused, second.Outcome)
	assert.Contains(t, second.Error, "429")
	status, _ := p.get(t, "/ready")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, output.Done, (<-first).Outcome)
	assert.Equal(t, "1", p.metric(t, `agent_runs_total{outcome="refused"}`))
}

// The core of the contract: after SIGTERM the agent finishes the run and exits with 0.
func TestRunIsFinishedAfterSIGTERM(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	run := make(chan output.Run, 1)
	go func() { run <- p.ask("finish me", 60) }()
	p.running(t, 1)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	got := <-run
	assert.Equal(t, output.End{Outcome: output.Done, Tokens: 60}, got.End)
	assert.Len(t, strings.Fields(got.Text), 60)
	require.NoError(t, <-p.err, "the agent's exit code")
	late := p.ask("too late", 1)
	assert.Equal(t, output.Unreachable, late.Outcome)
	assert.Contains(t, late.Error, "connection refused")
}

// Control: without the drain the same run is interrupted, and ask reports it.
func TestRunIsInterruptedBySIGKILL(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	events := make(chan output.Event, 100)
	go client{url: p.url}.ask(context.Background(), runRequest{Task: "interrupt me", MaxTokens: 60}, func(e output.Event) { events <- e })
	require.Equal(t, output.Started, (<-events).Event)
	require.Equal(t, output.Token, (<-events).Event)
	require.NoError(t, p.cmd.Process.Kill())
	for event := range events {
		if event.Event == output.Ended {
			assert.Equal(t, output.Interrupted, event.Outcome)
			return
		}
	}
}

// After SIGTERM the API closes, and the metrics do not: they show the run in flight, and
// then how it ended, even to someone who collects them only now and then. Control: on
// the API's own listener they end with it, and nobody learns how the run ended.
func TestMetricsShowHowTheLastRunEnded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flags         []string
		last, outcome string // the last values that were collected
	}{
		"a listener of their own": {nil, "0", "1"},
		"the API's listener":      {[]string{"--metrics-addr", ""}, "1", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil, tc.flags...)
			if tc.flags != nil {
				p.metrics = p.url
			}
			go p.ask("finish me", 100)
			p.running(t, 1)
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			var last, outcome string
			for {
				res, err := http.Get(p.metrics + "/metrics")
				if err != nil {
					break
				}
				text, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				last, outcome = valueOf(string(text), "agent_runs_in_flight"), valueOf(string(text), `agent_runs_total{outcome="completed"}`)
				time.Sleep(300 * time.Millisecond) // between two scrapes
			}
			assert.Equal(t, tc.last, last)
			assert.Equal(t, tc.outcome, outcome)
			require.NoError(t, <-p.err, "the agent's exit code")
		})
	}
}

// The API does not show metrics, and the second listener starts no runs.
func TestListenersAreSeparate(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	for url, expected := range map[string]int{
		p.url + "/metrics": http.StatusNotFound, p.url + "/health": http.StatusOK, p.url + "/ready": http.StatusOK,
		p.metrics + "/metrics": http.StatusOK, p.metrics + "/health": http.StatusOK, p.metrics + "/ready": http.StatusOK,
	} {
		status, _ := get(t, url)
		assert.Equal(t, expected, status, url)
	}
	res, err := http.Post(p.metrics+"/v1/runs", "application/json", strings.NewReader(`{"task": "hello"}`))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

// Clients that send half of a request do not keep an agent from shutting down: not those
// that send half of a body, nor half of its chunks, nor a path that reads no body. Control:
// without a limit they do.
func TestHalfSentRequestsDoNotDelayTheShutdown(t *testing.T) {
	t.Parallel()
	guarded := start(t, llm.Config{}, nil, "--client-timeout", "1s")
	control := start(t, llm.Config{}, nil, "--client-timeout", "0s")
	var held []net.Conn
	for _, p := range []*process{guarded, control} {
		for i := range 200 {
			held = append(held, p.send(t, []string{
				"POST /v1/runs HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"task\": ",
				"POST /v1/runs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"task\": \"hello\"}\r\n",
				"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
			}[i%3]))
		}
		status, _ := p.get(t, "/ready") // the requests before it have been accepted
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	}
	require.NoError(t, <-guarded.err, "the agent's exit code")
	assert.True(t, control.alive(), "without a limit the agent has shut down too")
	answer, err := bufio.NewReader(held[0]).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, answer, "408")
	for _, connection := range held {
		require.NoError(t, connection.Close())
	}
	require.NoError(t, <-control.err, "the agent's exit code")
}

// A client that does not read its answer loses its run when the budget is spent, and the
// next client gets the slot. Control: without a limit it keeps both.
func TestClientThatDoesNotReadLosesItsRun(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{"streaming": "true", "whole": "false"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := []string{"MAX_RUN_SECONDS=10", "ENABLE_STREAMING=" + stream} // time for a slow machine to make the answer
			fast := llm.Config{AnswerTokens: 2000}
			guarded := start(t, fast, env, "--max-runs=1", "--client-timeout=1s")
			control := start(t, fast, env, "--max-runs=1", "--client-timeout=0s")
			for _, p := range []*process{guarded, control} {
				// The answer repeats the task until it exceeds what the connection buffers.
				body := `{"task": "` + strings.Repeat("a", 500_000) + `"}`
				p.send(t, fmt.Sprintf("POST /v1/runs HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
				p.running(t, 1)
			}
			require.Eventually(t, func() bool {
				return guarded.metric(t, `agent_runs_total{outcome="abandoned"}`) == "1"
			}, time.Minute, 10*time.Millisecond)
			assert.Equal(t, output.Done, guarded.ask("a", 1).Outcome, "the slot is free")
			assert.Equal(t, "1", control.metric(t, "agent_runs_in_flight"))
			assert.Equal(t, output.Refused, control.ask("a", 1).Outcome)
		})
	}
}

// send sends the beginning of a request and keeps the connection open.
func (p *process) send(t *testing.T, text string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	_, err = io.WriteString(connection, text)
	require.NoError(t, err)
	return connection
}

// The names are those of the conventions, as Prometheus spells them: dashboards for
// OpenTelemetry find them.
func TestGenAIMetrics(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env      []string
		expected map[string]string
	}{
		"streaming": {nil, map[string]string{
			`gen_ai_client_operation_duration_seconds_count{error_type="",gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample"}`: "1",
			`gen_ai_client_operation_time_to_first_chunk_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample"}`:    "1",
			`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample",gen_ai_token_type="input"}`:      "3",
			`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample",gen_ai_token_type="output"}`:     "5",
			`gen_ai_invoke_agent_duration_seconds_count{error_type="",gen_ai_request_model="sample"}`:                                                                "1",
			`gen_ai_invoke_agent_duration_seconds_bucket{error_type="",gen_ai_request_model="sample",le="819.2"}`:                                                    "1",
		}},
		"whole": {[]string{"ENABLE_STREAMING=false"}, map[string]string{
			`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample",gen_ai_token_type="output"}`:  "5",
			`gen_ai_client_operation_time_to_first_chunk_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample"}`: "",
		}},
		"over budget": {[]string{"MAX_RUN_SECONDS=1"}, map[string]string{
			`gen_ai_client_operation_duration_seconds_count{error_type="timeout",gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample"}`: "1",
			`gen_ai_invoke_agent_duration_seconds_count{error_type="timeout",gen_ai_request_model="sample"}`:                                                                "1",
		}},
		"no such model": {[]string{"OPENAI_BASE_URL=http://127.0.0.1:1/v1"}, map[string]string{
			`gen_ai_client_operation_duration_seconds_count{error_type="_OTHER",gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="sample"}`: "1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			speed := llm.Config{AnswerTokens: 5}
			if name == "over budget" {
				speed.TokensPerSecond = 1
			}
			p := start(t, speed, append([]string{"MODEL_NAME=sample", "MAX_RUN_SECONDS=600"}, tc.env...))
			res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(`{"task": "one two three"}`))
			require.NoError(t, err)
			_, err = io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			for metric, value := range tc.expected {
				assert.Equal(t, value, p.metric(t, metric), metric)
			}
		})
	}
}

// The last bucket of the duration of runs ends with their budget.
func TestRunBucketsReachTheBudget(t *testing.T) {
	t.Parallel()
	for budget, expected := range map[float64][]float64{
		1:      {1},
		20:     {1, 5, 15, 20},
		300:    {1, 5, 15, 30, 60, 120, 300},
		900:    {1, 5, 15, 30, 60, 120, 300, 600, 900},
		86400:  {1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400},
		100000: {1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 100000},
		0:      {1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400},
	} {
		assert.Equal(t, expected, runBuckets(budget))
	}
}

// An agent without Prometheus does not wait for it, nor one whose Prometheus has gone.
func TestAgentWaitsOnlyForAScrapeThatIsDue(t *testing.T) {
	t.Parallel()
	const interval = 30 * time.Second
	now := time.Now()
	for name, tc := range map[string]struct {
		scrapes []time.Time
		due     time.Time
	}{
		"never scraped":    {nil, time.Time{}},
		"scraped once":     {[]time.Time{now}, now},
		"scraped twice":    {[]time.Time{now.Add(-interval), now}, now.Add(2 * interval)},
		"no longer":        {[]time.Time{now.Add(-11 * interval), now.Add(-10 * interval)}, now.Add(-8 * interval)},
		"twice at once":    {[]time.Time{now.Add(-time.Millisecond), now}, now.Add(5 * time.Second)},
		"a gap in between": {[]time.Time{now.Add(-9 * interval), now.Add(-interval), now}, now.Add(2 * interval)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetrics(0)
			for _, at := range tc.scrapes {
				m.scrape(at)
			}
			assert.Equal(t, tc.due, m.due())
		})
	}
}

func TestUnreadyAgentNamesTheMissingServers(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, []string{
		"REDIS_URL=redis://127.0.0.1:1", "DATABASE_URL=postgresql://someone@127.0.0.1:1/agents", "DATABASE_PASSWORD=hidden",
	})
	status, body := p.get(t, "/ready")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	var states map[string]string
	require.NoError(t, json.Unmarshal([]byte(body), &states))
	assert.Equal(t, map[string]string{"redis": unavailable, "postgres": unavailable}, states)
	for _, secret := range []string{"hidden", "someone", "agents", "127.0.0.1", "refused"} {
		assert.NotContains(t, body, secret, "everyone who reaches the agent can read it")
		assert.Equal(t, secret != "hidden", strings.Contains(p.log.String(), secret), "the log has what its operator needs: %s", secret)
	}
	status, _ = p.get(t, "/health")
	assert.Equal(t, http.StatusOK, status, "a missing dependency must not restart the agent")
}

// A dependency that accepts the connection and never answers does not stall the
// readiness probe: the agent names it before the probe's timeout.
func TestReadinessDoesNotWaitForASilentServer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	address := silent.Addr().String()
	p := start(t, llm.Config{}, []string{"REDIS_URL=redis://" + address, "DATABASE_URL=postgresql://" + address + "/agents"})
	probe := http.Client{Timeout: 5 * time.Second} // as in the chart
	res, err := probe.Get(p.url + "/ready")
	require.NoError(t, err)
	defer res.Body.Close()
	var states map[string]string
	require.NoError(t, json.NewDecoder(res.Body).Decode(&states))
	assert.Equal(t, map[string]string{"redis": unavailable, "postgres": unavailable}, states)
}

func TestFaultsAtRunTime(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil, "--fault", "http")
	inject := func(spec string) int {
		res, err := http.Post(p.url+"/faults?fault="+spec, "", nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	assert.Equal(t, http.StatusBadRequest, inject("boredom"))
	assert.Equal(t, http.StatusBadRequest, inject("hang=soon"))

	require.Equal(t, http.StatusNoContent, inject("not-ready=2s"))
	status, _ := p.get(t, "/ready")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	require.Eventually(t, func() bool {
		status, _ := p.get(t, "/ready")
		return status == http.StatusOK
	}, 10*time.Second, 20*time.Millisecond, "the fault not-ready ends")

	require.Equal(t, http.StatusNoContent, inject("grow-memory=100ms"))
	require.Equal(t, http.StatusNoContent, inject("burn-cpu=100ms"))
	require.Equal(t, http.StatusNoContent, inject("hang"))
	impatient := http.Client{Timeout: 200 * time.Millisecond}
	_, err := impatient.Get(p.url + "/health")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestFaultExitEndsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil, "--fault", "exit=300ms")
	var exit *exec.ExitError
	require.ErrorAs(t, <-p.err, &exit)
	assert.Equal(t, 1, exit.ExitCode())
}

func TestFaultSlowStartDelaysListening(t *testing.T) {
	t.Parallel()
	before := time.Now()
	start(t, llm.Config{}, nil, "--fault", "slow-start=300ms")
	assert.GreaterOrEqual(t, time.Since(before), 300*time.Millisecond)
}

func TestFaultFillTmpKeepsWhatItWrites(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	start(t, llm.Config{}, []string{"TMPDIR=" + tmp}, "--fault", "fill-tmp=100ms")
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(tmp, "fill-*"))
		require.NoError(t, err)
		if len(files) == 0 {
			return false
		}
		info, err := os.Stat(files[0])
		require.NoError(t, err)
		return info.Size() == 16<<20
	}, 10*time.Second, 20*time.Millisecond)
}

func TestFaultsAreOffByDefault(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	res, err := http.Post(p.url+"/faults?fault=exit", "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

// `agent run`, which the chart's CronJobs use, and mistakes in the configuration.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(llm.Handler(llm.Config{AnswerTokens: 5}))
	t.Cleanup(model.Close)
	for name, tc := range map[string]struct {
		args, env    []string
		out, message string
	}{
		"answers its task": {[]string{"run", "--task", "say hi"}, nil, "You asked: say hi This\n", ""},
		"needs a task":     {[]string{"run"}, nil, "", `required flag(s) "task" not set`},
		"bad temperature":  {[]string{"run", "--task", "a"}, []string{"TEMPERATURE=warm"}, "", "TEMPERATURE is not a number"},
		"bad log level":    {[]string{"run", "--task", "a"}, []string{"LOG_LEVEL=loud"}, "", "LOG_LEVEL"},
		"bad budget":       {[]string{"run", "--task", "a"}, []string{"MAX_RUN_SECONDS=5m"}, "", "MAX_RUN_SECONDS is not a whole number"},
		"no such model":    {[]string{"run", "--task", "a"}, []string{"OPENAI_BASE_URL=" + model.URL + "/nowhere"}, "\n", "404"},
		"unknown fault":    {[]string{"serve", "--fault", "boredom"}, nil, "", `unknown fault "boredom"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, tc.args...)
			cmd.Env = append([]string{"OPENAI_BASE_URL=" + model.URL + "/v1", "OPENAI_API_KEY=none"}, tc.env...)
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			assert.Equal(t, tc.out, out.String())
			if tc.message == "" {
				require.NoError(t, err, errs.String())
				return
			}
			assert.Equal(t, output.ExitUsage, exitCode(t, err))
			assert.Contains(t, errs.String(), tc.message)
		})
	}
}

func TestModelIsOpenAICompatible(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(llm.Handler(llm.Config{AnswerTokens: 3}))
	t.Cleanup(model.Close)
	post := func(body string) *http.Response {
		res, err := http.Post(model.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	assert.Equal(t, http.StatusBadRequest, post("{}").StatusCode)

	var whole struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			CompletionTokens int `json:"completion_tokens"`
		}
	}
	require.NoError(t, json.NewDecoder(post(`{"messages": [{"content": "hi"}], "max_tokens": 2}`).Body).Decode(&whole))
	assert.Equal(t, "length", whole.Choices[0].FinishReason)
	assert.Equal(t, 2, whole.Usage.CompletionTokens)

	var last string
	lines := bufio.NewScanner(post(`{"messages": [{"content": "hi"}], "stream": true}`).Body)
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	require.NoError(t, lines.Err())
	assert.Equal(t, "data: [DONE]", last)
}
