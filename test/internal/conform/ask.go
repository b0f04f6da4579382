package conform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Outcome is how a run ended for its client.
type Outcome string

// The outcomes of a run.
const (
	Done        Outcome = "done"        // its answer is complete
	Interrupted Outcome = "interrupted" // the answer began, and the connection ended before it did
	Failed      Outcome = "failed"      // the agent said that the run failed, or answered with another status of an error
	Refused     Outcome = "refused"     // the agent answered 429 or 503
	Unreachable Outcome = "unreachable" // no answer
	Abandoned   Outcome = "abandoned"   // the client gave up
)

// Run is what a client saw of a run.
type Run struct {
	Outcome Outcome
	Status  int           // of HTTP; 0 without an answer
	Retry   string        // Retry-After of a refusal
	Chunks  int           // that carried part of the answer
	First   time.Duration // from the request to the first line of the answer; 0 if there was none
	Took    time.Duration // from the request to the end
	Why     string        // how it ended, unless it is done
	Late    time.Duration // for which the agent was ready, but turned the client away; 0 if it did not
	LateWhy string        // how it did so at last
}

// tokensPerSecond is the speed of the model that the agents ask, and of $(TOKENS).
const tokensPerSecond = 5

// lineLimit is the longest line of an answer, in bytes.
const lineLimit = 4 << 20

// errorText limits what is quoted of an answer, in bytes.
const errorText = 200

// Ask asks the agent at a URL for a run of a length, and returns when it has ended. If
// began is not nil, each chunk of the answer is announced to it by its number, and before
// these 0, when the agent has accepted the run.
func (p *Protocol) Ask(ctx context.Context, url string, length time.Duration, began func(chunk int)) Run {
	if began == nil {
		began = func(int) {}
	}
	a := asked{Protocol: p, began: began, start: time.Now(), variables: maps.Clone(p.Variables)}
	a.variables["RUN_SECONDS"] = strconv.Itoa(int(length.Seconds()))
	a.variables["TOKENS"] = strconv.Itoa(int(length.Seconds() * tokensPerSecond))
	for name, value := range a.variables {
		a.variables[name] = expand(value, a.variables)
	}
	err := a.ask(ctx, strings.TrimSuffix(url, "/"))
	a.run.Took = time.Since(a.start)
	if err != nil {
		a.run.Why = err.Error()
		a.run.Outcome = a.outcome(ctx, err)
	} else {
		a.run.Outcome = Done
	}
	return a.run
}

var (
	errRefused = errors.New("refused")
	errFailed  = errors.New("the run failed")
)

// asked is a run while it lasts.
type asked struct {
	*Protocol
	began     func(chunk int)
	start     time.Time
	variables map[string]string
	run       Run
	answered  bool
}

func (a *asked) outcome(ctx context.Context, err error) Outcome {
	switch {
	case ctx.Err() != nil:
		return Abandoned
	case errors.Is(err, errRefused):
		return Refused
	case errors.Is(err, errFailed):
		return Failed
	case a.answered:
		return Interrupted
	default:
		return Unreachable
	}
}

func (a *asked) ask(ctx context.Context, url string) error {
	// A connection of its own for each run: clients of an agent rarely share one.
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, request := range a.Requests[:len(a.Requests)-1] {
		if err := a.prepare(ctx, client, url, request); err != nil {
			return fmt.Errorf("%s %s: %w", request.Method, request.Path, err)
		}
	}
	last := a.Requests[len(a.Requests)-1]
	if last.WebSocket {
		return a.converse(ctx, url, last)
	}
	response, err := a.send(ctx, client, url, last)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := a.checkStatus(response); err != nil {
		return err
	}
	a.accepted()
	return a.read(response.Body)
}

func (a *asked) accepted() {
	a.answered = true
	a.began(0)
}

// prepare sends a request whose answer is needed by the next one.
func (a *asked) prepare(ctx context.Context, client *http.Client, url string, request Request) error {
	response, err := a.send(ctx, client, url, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := a.checkStatus(response); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, lineLimit))
	if err != nil {
		return err
	}
	for name, capture := range request.Capture {
		value := response.Header.Get(capture.Header)
		if capture.Body != "" {
			value = firstGroup(capture.Body, string(body))
		}
		a.variables[name] = value
	}
	return nil
}

func (a *asked) send(ctx context.Context, client *http.Client, url string, r Request) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, url+expand(r.Path, a.variables), strings.NewReader(expand(r.Body, a.variables)))
	if err != nil {
		return nil, err
	}
	request.Header = a.headers(r)
	return client.Do(request)
}

// headers leaves out those that are empty, such as that of a session that there is not.
func (a *asked) headers(r Request) http.Header {
	headers := http.Header{}
	for name, value := range r.Headers {
		if value = expand(value, a.variables); value != "" {
			headers.Set(name, value)
		}
	}
	return headers
}

func (a *asked) checkStatus(response *http.Response) error {
	a.run.Status, a.run.Retry = response.StatusCode, response.Header.Get("Retry-After")
	if response.StatusCode < http.StatusBadRequest {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, errorText)) // the status says enough
	kind := errFailed
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
		kind = errRefused
	}
	return fmt.Errorf("%w with %s: %s", kind, response.Status, strings.TrimSpace(string(text)))
}

// read reads an answer line by line, until it is complete.
func (a *asked) read(body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, lineLimit)
	for lines.Scan() {
		if ended, err := a.see(lines.Text()); ended || err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return a.atEnd()
}

// atEnd judges an answer that the server has ended properly.
func (a *asked) atEnd() error {
	if a.end != nil {
		return fmt.Errorf("the answer ended without a line that matches %s", a.End)
	}
	if a.run.Chunks == 0 {
		return fmt.Errorf("the answer has no line that matches %s", a.Chunk)
	}
	return nil
}

// see reports whether a line completes the answer.
func (a *asked) see(line string) (bool, error) {
	if a.run.First == 0 {
		a.run.First = time.Since(a.start)
	}
	if a.failure != nil && a.failure.MatchString(line) {
		return false, fmt.Errorf("%w: %.*s", errFailed, errorText, line)
	}
	if a.chunk.MatchString(line) {
		a.run.Chunks++
		a.began(a.run.Chunks)
	}
	return a.end != nil && a.end.MatchString(line), nil
}

// converse has the run of a WebSocket: each message is a line of the answer.
func (a *asked) converse(ctx context.Context, url string, r Request) error {
	socket, response, err := websocket.Dial(ctx, url+expand(r.Path, a.variables), &websocket.DialOptions{HTTPHeader: a.headers(r)})
	if err != nil && response != nil && response.StatusCode >= http.StatusBadRequest {
		return a.checkStatus(response)
	}
	if err != nil {
		return err
	}
	defer socket.CloseNow()
	socket.SetReadLimit(lineLimit)
	a.accepted()
	if err := socket.Write(ctx, websocket.MessageText, []byte(expand(r.Body, a.variables))); err != nil {
		return err
	}
	for {
		_, message, err := socket.Read(ctx)
		switch websocket.CloseStatus(err) {
		case websocket.StatusNormalClosure, websocket.StatusNoStatusRcvd:
			return a.atEnd()
		}
		if err != nil {
			return err
		}
		if ended, err := a.see(string(message)); ended || err != nil {
			return err
		}
	}
}

func firstGroup(pattern, text string) string {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return ""
	}
	if found := compiled.FindStringSubmatch(text); len(found) > 1 {
		return found[1]
	}
	return ""
}
