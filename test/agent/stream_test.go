package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/ai-agent/test/agent/llm"
	"example.com/ai-agent/test/agent/output"
)

// dialGRPC returns a connection to the agent.
func (p *process) dialGRPC(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(p.url, "http://"), options...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// callGRPC begins a run and does not read its events.
func callGRPC(t *testing.T, conn *grpc.ClientConn, req any) grpc.ClientStream {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpcRun, "/agent.v1.Runs/Run")
	require.NoError(t, err)
	message, err := toStruct(req)
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(message))
	require.NoError(t, stream.CloseSend())
	return stream
}

// dialWebSocket returns a WebSocket of the agent.
func (p *process) dialWebSocket(t *testing.T, options *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), p.url+"/v1/runs", options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// The request decides whether its answer is streamed, whatever the configuration says.
func TestRequestChoosesToStream(t *testing.T) {
	t.Parallel()
	for configured, body := range map[string]string{
		"true":  `{"task": "a", "stream": false}`,
		"false": `{"task": "a", "stream": true}`,
	} {
		p := start(t, llm.Config{AnswerTokens: 2}, []string{"ENABLE_STREAMING=" + configured})
		for body, kind := range map[string]string{
			body:            map[string]string{"true": "application/json", "false": "text/event-stream"}[configured],
			`{"task": "a"}`: map[string]string{"true": "text/event-stream", "false": "application/json"}[configured],
		} {
			res, err := http.Post(p.url+"/v1/runs", "application/json", strings.NewReader(body))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, kind, res.Header.Get("Content-Type"), body)
		}
	}
}

// Each answer says which pod it is from, even a refusal, and those of the second port.
func TestEachAnswerNamesThePod(t *testing.T) {
	t.Parallel()
	pod, err := os.Hostname()
	require.NoError(t, err)
	p := start(t, llm.Config{}, nil)
	for _, url := range []string{p.url + "/health", p.url + "/ready", p.url + "/nowhere", p.metrics + "/metrics"} {
		res, err := http.Get(url)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, pod, res.Header.Get("X-Pod"), url)
	}
}

// The messages of a WebSocket, and how it is closed, are an interface.
func TestWebSocketMessages(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 2}, nil)
	for request, expected := range map[string]struct {
		messages []string
		status   websocket.StatusCode
	}{
		`{"task": "hello"}`: {[]string{`{"id":1,"event":"started","run":"ID"}`, `{"id":2,"event":"token","text":"You"}`, `{"id":3,"event":"token","text":" asked:"}`, `{"id":4,"event":"done","run":"ID"}`}, websocket.StatusNormalClosure},
		`{}`:                {[]string{`{"id":1,"event":"error","error":"task must not be empty, max_tokens must not be negative"}`}, websocket.StatusPolicyViolation},
	} {
		conn := p.dialWebSocket(t, nil)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(request)))
		var messages []string
		for {
			_, text, err := conn.Read(t.Context())
			if err != nil {
				assert.Equal(t, expected.status, websocket.CloseStatus(err), err)
				break
			}
			var e event
			require.NoError(t, json.Unmarshal(text, &e))
			if e.Run == "" {
				e.Run = "none"
			}
			messages = append(messages, strings.ReplaceAll(string(text), e.Run, "ID"))
		}
		assert.Equal(t, expected.messages, messages)
	}
	status, _ := p.get(t, "/v1/runs")
	assert.Equal(t, http.StatusUpgradeRequired, status)
}

func TestGRPCRefusesAnInvalidRequest(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	err := callGRPC(t, p.dialGRPC(t), map[string]any{"max_tokens": 5}).RecvMsg(&structpb.Struct{})
	assert.Equal(t, codes.InvalidArgument, status.Code(err), err)
	assert.ErrorContains(t, err, "task must not be empty")
}

// The probe of Kubernetes: with the service's name or without one.
func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil)
	probe := grpc_health_v1.NewHealthClient(p.dialGRPC(t))
	for _, service := range []string{"", "agent.v1.Runs"} {
		answer, err := probe.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status)
	}
	_, err := probe.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "another"})
	assert.Equal(t, codes.NotFound, status.Code(err), err)
}

// All protocols share the slots.
func TestBusyAgentRefusesARunOfEachProtocol(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1000, TokensPerSecond: 10}, nil, "--max-runs", "1")
	callGRPC(t, p.dialGRPC(t), runRequest{Task: "a long one"})
	p.running(t, 1)
	for kind, message := range map[output.Kind]string{output.Stream: "429", output.WebSocket: "429", output.Poll: "429", output.GRPC: "ResourceExhausted"} {
		ended := begin(t, p.url, kind, func(l *load) { l.interval = time.Hour }).next(t, output.Ended)
		assert.Equal(t, output.Refused, ended.Outcome)
		assert.Contains(t, ended.Error, message)
		assert.Contains(t, ended.Error, "all slots for runs are busy")
	}
	assert.Equal(t, "4", p.metric(t, `agent_runs_total{outcome="refused"}`))
}

// Each protocol gives its slot back before the client learns that its run has ended.
func TestEachProtocolFreesItsSlot(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind output.Kind) {
		p := start(t, llm.Config{AnswerTokens: 5}, nil, "--max-runs", "1")
		l := begin(t, p.url, kind, nil)
		for range 5 {
			ended := l.next(t, output.Ended)
			assert.Equal(t, output.Done, ended.Outcome, ended.Error)
		}
	})
}

func TestStreamsOfEachProtocolEndWhenTheBudgetIsSpent(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1000, TokensPerSecond: 10}, []string{"MAX_RUN_SECONDS=1"})
	for _, kind := range []output.Kind{output.Stream, output.WebSocket, output.GRPC} {
		ended := begin(t, p.url, kind, func(l *load) { l.maxTokens, l.interval = 1000, time.Hour }).next(t, output.Ended)
		assert.Equal(t, output.Failed, ended.Outcome, kind)
		assert.Contains(t, ended.Error, "more than MAX_RUN_SECONDS")
	}
	assert.Equal(t, "3", p.metric(t, `agent_runs_total{outcome="over_budget"}`))
}

// The limit of a client's request does not limit the answer, though an HTTP/2 stream, unlike
// a connection of HTTP/1, is reset at its deadline even if nobody is late.
func TestRunMayTakeLongerThanItsRequest(t *testing.T) {
	t.Parallel()
	for _, budget := range []string{"0", "60"} {
		p := start(t, llm.Config{AnswerTokens: 100, TokensPerSecond: 10}, []string{"MAX_RUN_SECONDS=" + budget}, "--client-timeout=1s")
		t.Run(budget, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind output.Kind) {
				ended := begin(t, p.url, kind, func(l *load) { l.maxTokens = 30 }).next(t, output.Ended)
				assert.Equal(t, output.End{Outcome: output.Done, Tokens: 30}, *ended.End)
			})
		})
	}
}

// Clients that connect and ask for nothing do not keep an agent from shutting down. Control:
// without a limit each of them does.
func TestClientsThatSendNothingDoNotDelayTheShutdown(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T, p *process){
		"websocket": func(t *testing.T, p *process) { p.dialWebSocket(t, nil).CloseRead(context.Background()) },
		"grpc": func(t *testing.T, p *process) {
			_, err := p.dialGRPC(t).NewStream(t.Context(), &grpcRun, "/agent.v1.Runs/Run")
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guarded := start(t, llm.Config{}, nil, "--client-timeout", "1s")
			control := start(t, llm.Config{}, nil, "--client-timeout", "0s")
			for _, p := range []*process{guarded, control} {
				connect(t, p)
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			}
			require.NoError(t, <-guarded.err, "the agent's exit code")
			assert.True(t, control.alive(), "without a limit the agent has shut down too")
		})
	}
}

// An idle connection of HTTP/2 does not keep the agent from shutting down either.
func TestIdleGRPCConnectionDoesNotDelayTheShutdown(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{}, nil, "--client-timeout", "0s")
	_, err := grpc_health_v1.NewHealthClient(p.dialGRPC(t)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-p.err, "the agent's exit code")
}

// A run by gRPC that began before SIGTERM ends on its connection, and one that begins on the
// same connection while the agent still accepts requests is not lost.
func TestGRPCConnectionServesRunsUntilTheListenerCloses(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 20, TokensPerSecond: 10}, nil, "--drain-delay=2s")
	conn := p.dialGRPC(t)
	tokens := func(stream grpc.ClientStream) (count int) {
		for {
			message := &structpb.Struct{}
			err := stream.RecvMsg(message)
			if err == io.EOF {
				return count
			}
			require.NoError(t, err)
			if message.Fields["event"].GetStringValue() == "token" {
				count++
			}
		}
	}
	first := callGRPC(t, conn, runRequest{Task: "a"})
	p.running(t, 1)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), `"draining"`) }, 10*time.Second, 10*time.Millisecond)
	second := callGRPC(t, conn, runRequest{Task: "a"})
	assert.Equal(t, 20, tokens(second))
	assert.Equal(t, 20, tokens(first))
	require.NoError(t, <-p.err, "the agent's exit code")
}

// deaf is a connection that stops reading.
type deaf struct {
	net.Conn
	reads atomic.Int32  // that are left
	over  chan struct{} // is closed at the end of the test
}

func (d *deaf) Read(p []byte) (int, error) {
	if d.reads.Add(-1) < 0 {
		<-d.over
		return 0, io.EOF
	}
	return d.Conn.Read(p)
}

// As TestClientThatDoesNotReadLosesItsRun: a WebSocket whose client does not read, a gRPC
// stream for which there is no room, and a connection of HTTP/2 that is not read at all.
func TestStreamThatIsNotReadLosesItsRun(t *testing.T) {
	t.Parallel()
	// The answer repeats the task until it exceeds what the connection buffers.
	req := runRequest{Task: strings.Repeat("a", 500_000)}
	for name, ask := range map[string]func(t *testing.T, p *process){
		"websocket": func(t *testing.T, p *process) {
			text, err := json.Marshal(req)
			require.NoError(t, err)
			require.NoError(t, p.dialWebSocket(t, nil).Write(t.Context(), websocket.MessageText, text))
		},
		"grpc": func(t *testing.T, p *process) { callGRPC(t, p.dialGRPC(t), req) },
		"grpc connection": func(t *testing.T, p *process) {
			const window = 1 << 30 // nothing but the connection limits what is sent
			over := make(chan struct{})
			conn := p.dialGRPC(t, grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
				grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
					conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
					if err != nil {
						return nil, err
					}
					_ = conn.(*net.TCPConn).SetReadBuffer(1 << 16) // fails only on a closed connection
					silent := &deaf{Conn: conn, over: over}
					silent.reads.Store(20) // the frames that open the connection, and some of the answer
					return silent, nil
				}))
			t.Cleanup(func() { close(over) }) // before the connection is closed, which waits for Read
			callGRPC(t, conn, req)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := []string{"MAX_RUN_SECONDS=10"} // time for a slow machine to make the answer
			fast := llm.Config{AnswerTokens: 2000}
			guarded := start(t, fast, env, "--max-runs=1", "--client-timeout=1s")
			control := start(t, fast, env, "--max-runs=1", "--client-timeout=0s")
			for _, p := range []*process{guarded, control} {
				ask(t, p)
				p.running(t, 1)
			}
			require.Eventually(t, func() bool { return guarded.metric(t, "agent_runs_in_flight") == "0" }, time.Minute, 10*time.Millisecond)
			assert.Equal(t, "0", guarded.metric(t, `agent_runs_total{outcome="completed"}`))
			assert.Equal(t, output.Done, guarded.ask("a", 1).Outcome, "the slot is free")
			if name != "grpc connection" { // which ends without that limit too
				assert.Equal(t, "1", control.metric(t, "agent_runs_in_flight"))
				assert.Equal(t, output.Refused, control.ask("a", 1).Outcome)
			}
			require.NoError(t, guarded.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, <-guarded.err, "the agent's exit code")
		})
	}
}

// A silent stream carries pings, or messages that no client counts.
func TestSilentStreamsOfOtherProtocolsCarryHeartbeats(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 1, TokensPerSecond: 2}, nil, "--heartbeat", "50ms")
	pings := 0
	conn := p.dialWebSocket(t, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { pings++; return true }})
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"task": "a"}`)))
	for {
		if _, _, err := conn.Read(t.Context()); err != nil {
			assert.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), err)
			break
		}
	}
	assert.Positive(t, pings)

	stream := callGRPC(t, p.dialGRPC(t), runRequest{Task: "a"})
	names := map[string]int{}
	for {
		message := &structpb.Struct{}
		if err := stream.RecvMsg(message); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		name := message.Fields["event"].GetStringValue()
		names[name]++
		assert.Equal(t, name == "heartbeat", message.Fields["id"] == nil)
	}
	assert.Positive(t, names["heartbeat"])
}

// The fault buffer, which conform must detect, holds back the events of each protocol.
func TestFaultBufferHoldsEventsBack(t *testing.T) {
	t.Parallel()
	p := start(t, llm.Config{AnswerTokens: 10, TokensPerSecond: 10}, nil, "--fault", "buffer")
	for _, kind := range []output.Kind{output.Stream, output.WebSocket, output.GRPC} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := begin(t, p.url, kind, func(l *load) { l.maxTokens = 10 })
			started := l.next(t, output.Started)
			printed := time.Now()
			assert.GreaterOrEqual(t, printed.Sub(started.At), time.Second, "the first event arrives after all tokens were made")
			assert.Equal(t, output.Done, l.next(t, output.Ended).Outcome)
		})
	}
}

// A proxy at --url routes by the host name; for gRPC this is the authority.
func TestLoadSendsTheHost(t *testing.T) {
	t.Parallel()
	for _, kind := range append(kinds, output.Request, output.KeepAlive) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			hosts := make(chan string, 1000)
			proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }))
			proxy.Config.Protocols = &http.Protocols{}
			proxy.Config.Protocols.SetHTTP1(true)
			proxy.Config.Protocols.SetUnencryptedHTTP2(true)
			proxy.Start()
			t.Cleanup(proxy.Close)
			begin(t, proxy.URL, kind, func(l *load) { l.host = "agent.example.com" })
			assert.Equal(t, "agent.example.com", <-hosts)
		})
	}
}
