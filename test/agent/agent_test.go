package main

import (
	"bufio"
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
)

// binary is the agent as it is deployed: signals can only be sent to a process.
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
	cmd *exec.Cmd
	url string
	err chan error // what Wait returned
}

// start runs `agent serve` with the sample model behind it and waits until it listens.
func start(t *testing.T, model llm.Config, env []string, flags ...string) *process {
	t.Helper()
	behind := httptest.NewServer(llm.Handler(model))
	t.Cleanup(behind.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	p := &process{url: "http://" + address, err: make(chan error, 1)}
	p.cmd = exec.Command(binary, append([]string{"serve", "--addr", address, "--drain-delay", "100ms"}, flags...)...)
	p.cmd.Env = append([]string{"OPENAI_BASE_URL=" + behind.URL + "/v1", "OPENAI_API_KEY=none"}, env...)
	p.cmd.Stderr = t.Output()
	require.NoError(t, p.cmd.Start())
	ended := make(chan struct{})
	go func() {
		p.err <- p.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-ended // with its last words, which a test that is over takes no more
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

func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func (p *process) ask(task string, maxTokens int64) (string, error) {
	var answer strings.Builder
	err := ask(context.Background(), p.url, "", runRequest{Task: task, MaxTokens: maxTokens}, &answer)
	return answer.String(), err
}

// metric returns the value of one of the agent's metrics, by name and labels.
func (p *process) metric(t *testing.T, name string) string {
	t.Helper()
	_, metrics := p.get(t, "/metrics")
	for line := range strings.Lines(metrics) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// running waits until the agent has so many runs in flight.
func (p *process) running(t *testing.T, count int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return p.metric(t, "agent_runs_in_flight") == strconv.Itoa(count)
	}, 10*time.Second, 10*time.Millisecond)
}

func TestRunStreamsTheModelsAnswer(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100}, nil)
	answer, err := p.ask("count to five", 5)
	require.NoError(t, err)
	assert.Equal(t, "You asked: count to five", answer)

	assert.Equal(t, "1", p.metric(t, `agent_runs_total{outcome="completed"}`))
	assert.Equal(t, "0", p.metric(t, `agent_runs_total{outcome="failed"}`), "an alert needs the 0 before the 1")
	assert.Equal(t, "0", p.metric(t, "agent_runs_in_flight"))
}

// A proxy of Go's net/http, as Traefik has it, cuts no answer, though it is a little
// late with its look for the end of the request. Control: it cuts one that comes
// before that look.
func TestProxyCutsNoAnswer(t *testing.T) {
	t.Parallel()
	require.NoError(t, askThroughProxy(t, func(<-chan struct{}) { time.Sleep(10 * time.Millisecond) }))
	require.ErrorIs(t, askThroughProxy(t, func(answered <-chan struct{}) {
		<-answered
		time.Sleep(50 * time.Millisecond) // until it is on its way to the client
	}, "--patience=0s"), errCut)
}

// askThroughProxy asks an agent with these flags for a run, through a proxy that
// waits before it looks for the end of the request.
func askThroughProxy(t *testing.T, wait func(answered <-chan struct{}), flags ...string) error {
	t.Helper()
	p := start(t, llm.Config{AnswerTokens: 5, TokensPerSecond: 10}, nil, flags...)
	behind, err := url.Parse(p.url)
	require.NoError(t, err)
	answered := make(chan struct{})
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Body = &lateEnd{ReadCloser: r.Out.Body, wait: func() { wait(answered) }}
		},
		ModifyResponse: func(*http.Response) error { close(answered); return nil },
		ErrorLog:       log.New(io.Discard, "", 0),
	})
	defer proxy.Close()
	return ask(context.Background(), proxy.URL, "", runRequest{Task: "a"}, io.Discard)
}

// lateEnd is a request as a proxy reads it that is short of CPU: some time passes
// between its last byte and the look for its end.
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

func TestMaxTokensOfTheConfiguration(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100}, []string{"MAX_TOKENS=3"})
	answer, err := p.ask("anything", 0)
	require.NoError(t, err)
	assert.Len(t, strings.Fields(answer), 3)
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

func TestRunEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1000, TokensPerSecond: 50}, []string{"MAX_RUN_SECONDS=1"})
	_, err := p.ask("take your time", 1000)
	require.ErrorContains(t, err, "more than MAX_RUN_SECONDS")
	assert.Equal(t, "1", p.metric(t, `agent_runs_total{outcome="over_budget"}`))
}

func TestHeartbeatsBreakTheSilence(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1, TokensPerSecond: 2}, nil, "--heartbeat", "50ms")
	res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(`{"task": "hello"}`))
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), ": heartbeat\n")
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	for body, says := range map[string]string{
		"":                               "must be JSON",
		"hello":                          "must be JSON",
		"{}":                             "task must not be empty",
		`{"task": "a", "max_tokens":-1}`: "max_tokens negative",
	} {
		res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, body)
		assert.Contains(t, string(answer), says)
	}
}

func TestBusyAgentRefusesButStaysReady(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil, "--max-runs", "1")
	first := make(chan error, 1)
	go func() {
		_, err := p.ask("a long one", 100)
		first <- err
	}()
	p.running(t, 1)
	_, err := p.ask("one too many", 1)
	require.ErrorContains(t, err, "429")
	status, _ := p.get(t, "/ready")
	assert.Equal(t, http.StatusOK, status)
	require.NoError(t, <-first)
}

// The contract's heart: SIGTERM in the middle of a run ends neither the run nor
// the exit code.
func TestSIGTERMFinishesTheRun(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	type result struct {
		answer string
		err    error
	}
	run := make(chan result, 1)
	go func() {
		answer, err := p.ask("finish me", 60)
		run <- result{answer, err}
	}()
	p.running(t, 1)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	got := <-run
	require.NoError(t, got.err)
	assert.Len(t, strings.Fields(got.answer), 60)
	require.NoError(t, <-p.err, "the agent's exit code")
	_, err := p.ask("too late", 1)
	require.ErrorContains(t, err, "connection refused")
}

// Control: without the drain the same run is cut, and ask sees it.
func TestSIGKILLCutsTheRun(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 50}, nil)
	run, answer := make(chan error, 1), &firstWrite{seen: make(chan struct{})}
	go func() {
		run <- ask(context.Background(), p.url, "", runRequest{Task: "cut me", MaxTokens: 60}, answer)
	}()
	<-answer.seen
	require.NoError(t, p.cmd.Process.Kill())
	require.ErrorIs(t, <-run, errCut)
}

// firstWrite tells when the first piece of an answer is there.
type firstWrite struct {
	once sync.Once
	seen chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.seen) })
	return len(p), nil
}

func TestReadyNamesWhatIsGone(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, []string{
		"REDIS_URL=redis://127.0.0.1:1", "DATABASE_URL=postgresql://127.0.0.1:1/agents", "DATABASE_PASSWORD=hidden",
	})
	status, body := p.get(t, "/ready")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	var states map[string]string
	require.NoError(t, json.Unmarshal([]byte(body), &states))
	assert.Contains(t, states["redis"], "connection refused")
	assert.Contains(t, states["postgres"], "connection refused")
	assert.NotContains(t, body, "hidden")
	status, _ = p.get(t, "/health")
	assert.Equal(t, http.StatusOK, status, "a gone dependency is no reason for a restart")
}

// A dependency that takes the connection and never answers must not stall the
// probe: the agent says which one it is, in time.
func TestReadyDoesNotWaitForTheSilent(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	address := silent.Addr().String()
	p := start(t, llm.Config{}, []string{"REDIS_URL=redis://" + address, "DATABASE_URL=postgresql://" + address + "/agents"})
	probe := http.Client{Timeout: 5 * time.Second} // as the chart's
	res, err := probe.Get(p.url + "/ready")
	require.NoError(t, err)
	defer res.Body.Close()
	var states map[string]string
	require.NoError(t, json.NewDecoder(res.Body).Decode(&states))
	assert.NotEqual(t, "ok", states["redis"])
	assert.NotEqual(t, "ok", states["postgres"])
}

func TestFaults(t *testing.T) {
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
	}, 10*time.Second, 20*time.Millisecond, "not-ready ends")

	require.Equal(t, http.StatusNoContent, inject("grow-memory=100ms"))
	require.Equal(t, http.StatusNoContent, inject("burn-cpu=100ms"))
	require.Equal(t, http.StatusNoContent, inject("hang"))
	impatient := http.Client{Timeout: 200 * time.Millisecond}
	_, err := impatient.Get(p.url + "/health")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestFaultExit(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil, "--fault", "exit=300ms")
	var exit *exec.ExitError
	require.ErrorAs(t, <-p.err, &exit)
	assert.Equal(t, 1, exit.ExitCode())
}

func TestFaultSlowStart(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	start(t, llm.Config{}, nil, "--fault", "slow-start=300ms")
	assert.GreaterOrEqual(t, time.Since(begin), 300*time.Millisecond)
}

func TestFaultsAreOffByDefault(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	res, err := http.Post(p.url+"/faults?fault=exit", "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

// The one-off mode of a CronJob, on one real process each.
func TestOneOff(t *testing.T) {
	t.Parallel()
	behind := httptest.NewServer(llm.Handler(llm.Config{AnswerTokens: 5}))
	t.Cleanup(behind.Close)
	for name, tc := range map[string]struct {
		args, env []string
		out, says string
	}{
		"answers":         {[]string{"run", "--task", "say hi"}, nil, "You asked: say hi This\n", ""},
		"needs a task":    {[]string{"run"}, nil, "", `required flag(s) "task" not set`},
		"bad temperature": {[]string{"run", "--task", "a"}, []string{"TEMPERATURE=warm"}, "", "TEMPERATURE is not a number"},
		"bad log level":   {[]string{"run", "--task", "a"}, []string{"LOG_LEVEL=loud"}, "", "LOG_LEVEL"},
		"bad budget":      {[]string{"run", "--task", "a"}, []string{"MAX_RUN_SECONDS=5m"}, "", "MAX_RUN_SECONDS is not a whole number"},
		"no such model":   {[]string{"run", "--task", "a"}, []string{"OPENAI_BASE_URL=" + behind.URL + "/nowhere"}, "\n", "404"},
		"unknown fault":   {[]string{"serve", "--fault", "boredom"}, nil, "", `unknown fault "boredom"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, tc.args...)
			cmd.Env = append([]string{"OPENAI_BASE_URL=" + behind.URL + "/v1", "OPENAI_API_KEY=none"}, tc.env...)
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			assert.Equal(t, tc.out, out.String())
			if tc.says == "" {
				require.NoError(t, err, errs.String())
				return
			}
			require.Error(t, err)
			assert.Contains(t, errs.String(), tc.says)
		})
	}
}

// What `helm test` asks, with an answer for each way to be wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	unready := start(t, llm.Config{}, []string{"REDIS_URL=redis://127.0.0.1:1"})
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"all well":         {[]string{"--url", p.url, "--env", "HERE", "--unreachable", "127.0.0.1:1", "--writable", t.TempDir()}, ""},
		"not ready":        {[]string{"--url", unready.url}, "/ready: 503"},
		"nobody there":     {[]string{"--url", "http://127.0.0.1:1"}, "connection refused"},
		"missing variable": {[]string{"--env", "HERE,GONE"}, "the environment has no GONE"},
		"unknown name":     {[]string{"--unreachable", "nowhere.invalid:1"}, "nowhere.invalid:1 cannot be looked up"},
		"nowhere to write": {[]string{"--writable", "/nowhere"}, "/nowhere takes no file"},
		"root is writable": {[]string{"--read-only", t.TempDir()}, "is not read-only"},
		"policy open":      {[]string{"--unreachable", strings.TrimPrefix(p.url, "http://")}, "no NetworkPolicy is enforced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, append([]string{"check", "--settle", "1s"}, tc.args...)...)
			cmd.Env = []string{"HERE=yes"}
			out, err := cmd.CombinedOutput()
			if tc.says == "" {
				require.NoError(t, err, string(out))
				return
			}
			require.Error(t, err)
			assert.Contains(t, string(out), tc.says)
		})
	}
}

func TestModelIsOpenAICompatible(t *testing.T) {
	t.Parallel()
	behind := httptest.NewServer(llm.Handler(llm.Config{AnswerTokens: 3}))
	t.Cleanup(behind.Close)
	post := func(body string) *http.Response {
		res, err := http.Post(behind.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
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
