package conform

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// answer is what a server of a protocol sends: lines of a run, its last line, and the line
// of a run that failed.
type answer struct{ chunk, end, failure string }

var answersOf = map[string]answer{
	"sse":         {"event: token\ndata: {}\n", "event: done\ndata: {}\n", "event: error\ndata: {}\n"},
	"openai-chat": {`data: {"choices": []}` + "\n", "data: [DONE]\n", `data: {"error": {}}` + "\n"},
	"ndjson":      {`{"text": "a"}`, `{"text": "b"}`, `{"error": "x"}`},
	"websocket":   {`{"text": "a"}`, `{"text": "b"}`, `{"error": "x"}`},
	"a2a":         {`data: {"result": {"kind": "status-update", "final": false}}`, `data: {"result": {"kind": "status-update", "final": true}}`, `data: {"error": {"code": 1}}`},
	"mcp":         {`data: {"method": "notifications/progress"}`, `data: {"id":1,"result":{}}`, `data: {"id":1,"result":{"isError":true}}`},
	"langgraph":   {"event: messages\ndata: []\n", "event: messages\ndata: []\n", "event: error\ndata: {}\n"},
}

func TestEachProtocolTellsHowARunEnded(t *testing.T) {
	t.Parallel()
	for _, name := range Protocols() {
		require.Contains(t, answersOf, name)
		a := answersOf[name]
		protocol, err := LoadProtocol(name, nil)
		require.NoError(t, err)
		for outcome, lines := range map[Outcome][]string{Done: {a.chunk, a.end}, Failed: {a.chunk, a.failure}, Interrupted: {a.chunk}, Refused: nil} {
			t.Run(name+" "+string(outcome), func(t *testing.T) {
				t.Parallel()
				url := serveAnswer(t, lines, outcome == Interrupted)
				began := 0
				run := protocol.Ask(t.Context(), url, time.Second, func(chunk int) { began = chunk })
				require.Equal(t, outcome, run.Outcome, run.Why)
				require.Equal(t, run.Chunks, began)
				if outcome == Refused {
					require.Equal(t, http.StatusTooManyRequests, run.Status)
				} else {
					require.Positive(t, run.Chunks)
				}
			})
		}
	}
}

// serveAnswer serves lines, and breaks the connection after them or ends it properly.
// Without lines, it refuses.
func serveAnswer(t *testing.T, lines []string, broken bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch body := read(r); {
		case strings.Contains(body, "initialize"): // of MCP
			w.Header().Set("Mcp-Session-Id", "1")
			return
		case lines == nil:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		case strings.Contains(body, "tools/call") && r.Header.Get("Mcp-Session-Id") != "1":
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.Header.Get("Upgrade") != "" {
			converse(t, w, r, lines, broken)
			return
		}
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		if broken {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func read(r *http.Request) string {
	body, _ := io.ReadAll(r.Body) // an incomplete one is seen below
	return string(body)
}

func converse(t *testing.T, w http.ResponseWriter, r *http.Request, lines []string, broken bool) {
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer socket.CloseNow()
	if _, _, err := socket.Read(r.Context()); err != nil {
		t.Error(err)
	}
	for _, line := range lines {
		_ = socket.Write(r.Context(), websocket.MessageText, []byte(line)) // the client sees what is missing
	}
	if !broken {
		_ = socket.Close(websocket.StatusNormalClosure, "")
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	protocol, err := LoadProtocol("sse", nil)
	require.NoError(t, err)
	port, err := FreePort()
	require.NoError(t, err)
	run := protocol.Ask(t.Context(), fmt.Sprint("http://127.0.0.1:", port), time.Second, nil)
	require.Equal(t, Unreachable, run.Outcome)
	require.Contains(t, run.Why, "connection refused")
}

func TestProtocolsThatAreNotValid(t *testing.T) {
	t.Parallel()
	_, err := LoadProtocol("carrier-pigeon", nil)
	require.ErrorContains(t, err, "use a file, or one of a2a, langgraph, mcp")
	_, err = LoadProtocol("sse", map[string]string{"MODEL": "x"})
	require.ErrorContains(t, err, "has no variable MODEL")
	file := t.TempDir() + "/protocol.yaml"
	for text, problem := range map[string]string{
		"chunk: '('\nend: '['":  "chunk: error parsing regexp",
		"chunk: x":              "requests is empty",
		"requests: [{path: /}]": "chunk is empty",
		"requset: []":           "unknown field",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err = LoadProtocol(file, nil)
		require.ErrorContains(t, err, problem)
	}
}

func TestWrappersOfServers(t *testing.T) {
	t.Parallel()
	for line, expected := range map[string][2]string{
		"/usr/bin/python3 /usr/bin/gunicorn app:app -k uvicorn.workers.UvicornWorker": {"", "gunicorn"},
		"uvicorn app:app":             {"", "uvicorn"},
		"node server.js":              {"", "node"},
		"npm start":                   {"a package manager", ""},
		"node /usr/bin/npm start":     {"a package manager", "node"},
		"sh -c uvicorn app:app; true": {"a shell", "uvicorn"},
		"/agent serve":                {"", ""},
		"":                            {"", ""},
	} {
		require.Equal(t, expected, [2]string{Wrapper(line), Preset(line)}, line)
	}
}

// A value may have commas and further equals signs, as JSON and options do.
func TestPairs(t *testing.T) {
	t.Parallel()
	values, err := Pairs("--var", []string{`ARGUMENTS={"a": 1, "b": "c=d"}`, "PATH"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"ARGUMENTS": `{"a": 1, "b": "c=d"}`, "PATH": os.Getenv("PATH")}, values)
	_, err = Pairs("--var", []string{"NOT_SET_HERE"})
	require.ErrorContains(t, err, "--var NOT_SET_HERE: it is not set")
}
