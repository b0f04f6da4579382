package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/ai-agent/test/agent/output"
)

// load is the clients of a benchmark. None of them retries, and none uses a proxy from the
// environment variables: what they report is what happened.
type load struct {
	client
	runners   map[output.Kind]*int // number of clients that ask for runs
	loops     map[output.Kind]*int // number of loops of short requests
	interval  time.Duration        // pause between the requests of a loop, and after a run that did not finish
	spread    time.Duration        // in which the clients start
	silence   time.Duration        // of a stream, after which its run is interrupted
	maxTokens int64

	mu       sync.Mutex // of what follows
	lines    *json.Encoder
	outcomes map[output.Outcome]int
	seconds  map[output.Kind]*output.Sent // of the current second
	total    output.Sent
}

// short is the timeout of a short request.
const short = 5 * time.Second

func newLoad(out io.Writer) *load {
	return &load{
		runners: map[output.Kind]*int{output.Stream: new(int), output.WebSocket: new(int), output.GRPC: new(int), output.Poll: new(int)},
		loops:   map[output.Kind]*int{output.Request: new(int), output.KeepAlive: new(int)},
		silence: time.Minute,
		lines:   json.NewEncoder(out), outcomes: map[output.Outcome]int{}, seconds: map[output.Kind]*output.Sent{},
	}
}

// run asks for runs until ctx ends, and sends short requests until the last run has ended.
func (l *load) run(ctx context.Context) {
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var runs, requests sync.WaitGroup
	for kind, count := range l.runners {
		for i := range *count {
			runs.Go(func() {
				if pause(ctx, l.spread*time.Duration(i)/time.Duration(*count)) {
					l.askForRuns(ctx, kind, i)
				}
			})
		}
	}
	for kind, count := range l.loops {
		for i := range *count {
			requests.Go(func() {
				if pause(over, l.interval*time.Duration(i)/time.Duration(*count)) {
					l.sendRequests(over, kind)
				}
			})
		}
	}
	requests.Go(func() {
		for pause(over, time.Until(time.Now().Truncate(time.Second).Add(time.Second))) {
			l.printSeconds()
		}
	})
	<-ctx.Done()
	runs.Wait()
	end()
	requests.Wait()
	l.printSeconds()
}

// pause waits, and reports whether ctx is still active.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// askForRuns asks for one run after another until ctx ends.
func (l *load) askForRuns(ctx context.Context, kind output.Kind, i int) {
	for number := 0; ctx.Err() == nil; number++ {
		ended := l.ask(context.WithoutCancel(ctx), output.Load{Kind: kind, Client: i, Number: number})
		if ended.Outcome != output.Done {
			pause(ctx, l.interval)
		}
	}
}

// ask asks for the run that line identifies and prints its events.
func (l *load) ask(ctx context.Context, line output.Load) *output.End {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &attempt{alive: func() {}}
	if line.Kind != output.Poll {
		silence := time.AfterFunc(l.silence, func() { cancel(fmt.Errorf("nothing arrived for %v", l.silence)) })
		defer silence.Stop()
		a.alive = func() { silence.Reset(l.silence) }
	}
	asked := time.Now()
	var begun sync.Once
	a.begun = func() {
		begun.Do(func() {
			started := line
			started.Event, started.At = output.Started, asked
			if line.Kind != output.Poll { // whose pod is not known yet
				started.Pod = a.pod
			}
			l.print(started)
		})
	}
	err := protocols[line.Kind](l, ctx, runRequest{Task: "Count.", MaxTokens: l.maxTokens}, a)
	if err != nil && ctx.Err() != nil {
		err = withCause(err, context.Cause(ctx))
	}
	begun.Do(func() {}) // the start of a poll is noticed in another goroutine: it must not be printed after the end
	line.Event, line.At, line.Pod, line.End = output.Ended, time.Now(), a.pod, a.end(err, l.maxTokens)
	l.print(line)
	return line.End
}

// withCause replaces the reason of an error, and keeps the outcome that it says.
func withCause(err, cause error) error {
	var known *ending
	if errors.As(err, &known) {
		return &ending{known.outcome, cause.Error()}
	}
	return cause
}

func (l *load) print(line output.Load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.End != nil {
		l.outcomes[line.Outcome]++
	}
	_ = l.lines.Encode(line) // one write
}

// attempt is what a client has seen of its run.
type attempt struct {
	pod    string
	last   event
	count  int    // of the events
	tokens int    // that arrived
	flaw   string // the first event that is not the expected one
	alive  func() // is called when anything arrives
	begun  func() // is called when the run has begun
}

// take notes an event.
func (a *attempt) take(e event) {
	a.alive()
	if e.Name == eventHeartbeat {
		return
	}
	switch {
	case a.flaw != "":
	case a.last.final():
		a.flaw = fmt.Sprintf("event %d (%s) arrived after the event %s", e.ID, e.Name, a.last.Name)
	case e.ID != a.count+1:
		a.flaw = fmt.Sprintf("event %d (%s) arrived where event %d was expected", e.ID, e.Name, a.count+1)
	}
	a.last = e
	a.count++
	if e.Name == eventToken {
		a.tokens++
	}
	a.begun()
}

func (e event) final() bool { return e.Name == eventDone || e.Name == eventError }

// ending is the error of a run that ended without events to judge it by.
type ending struct {
	outcome output.Outcome
	reason  string
}

func (e *ending) Error() string { return e.reason }

// end returns how the run ended. err is how its stream ended; wanted is the expected number of
// tokens, 0 if the agent chooses it.
func (a *attempt) end(err error, wanted int64) *output.End {
	ended := func(outcome output.Outcome, reason string) *output.End {
		return &output.End{Outcome: outcome, Tokens: a.tokens, Error: reason}
	}
	var known *ending
	switch {
	case errors.As(err, &known):
		return ended(known.outcome, known.reason)
	case a.flaw != "":
		return ended(output.Interrupted, a.flaw)
	case a.last.Name == eventError:
		return ended(output.Failed, a.last.Error)
	case a.last.Name != eventDone && err != nil:
		return ended(output.Interrupted, fmt.Sprintf("the stream ended after event %d: %v", a.count, err))
	case a.last.Name != eventDone:
		return ended(output.Interrupted, fmt.Sprintf("the stream ended after event %d, without the event done", a.count))
	case wanted > 0 && int64(a.tokens) != wanted:
		return ended(output.Interrupted, fmt.Sprintf("%d tokens arrived instead of %d", a.tokens, wanted))
	}
	return ended(output.Done, "")
}

// protocols are how to ask for a run. The error is an ending if no event arrived.
var protocols = map[output.Kind]func(*load, context.Context, runRequest, *attempt) error{
	output.Stream:    (*load).stream,
	output.Poll:      (*load).poll,
	output.WebSocket: (*load).webSocket,
	output.GRPC:      (*load).grpc,
}

// alone is a transport with a new connection for each request, without a proxy.
func alone() *http.Transport { return &http.Transport{DisableKeepAlives: true} }

// direct returns a client that does not follow redirects.
func direct(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post asks for a run by HTTP.
func (l *load) post(ctx context.Context, req runRequest, a *attempt) (io.ReadCloser, error) {
	post, err := l.request(ctx, req)
	if err != nil {
		return nil, err
	}
	res, err := direct(alone()).Do(post)
	if err != nil {
		return nil, &ending{output.Unreachable, err.Error()}
	}
	a.pod = res.Header.Get(podHeader)
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, &ending{output.Refused, refusal(res)}
	}
	return res.Body, nil
}

// heard calls alive whenever something arrives.
type heard struct {
	io.Reader
	alive func()
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.alive()
	}
	return n, err
}

func (l *load) stream(ctx context.Context, req runRequest, a *attempt) error {
	yes := true
	req.Stream = &yes
	body, err := l.post(ctx, req, a)
	if err != nil {
		return err
	}
	defer body.Close()
	return readEvents(heard{body, a.alive}, a.take)
}

// poll waits for the whole answer. Each of the sample model's tokens is a word.
func (l *load) poll(ctx context.Context, req runRequest, a *attempt) error {
	no := false
	req.Stream = &no
	var asked atomic.Bool
	body, err := l.post(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(wrote httptrace.WroteRequestInfo) {
		if wrote.Err == nil {
			asked.Store(true)
			a.begun()
		}
	}}), req, a)
	var known *ending
	if errors.As(err, &known) && known.outcome == output.Unreachable && asked.Load() {
		return &ending{output.Interrupted, "no answer arrived: " + known.reason}
	}
	if err != nil {
		return err
	}
	defer body.Close()
	a.begun()
	whole, err := decodeWhole(body)
	if err != nil {
		return &ending{output.Interrupted, err.Error()}
	}
	a.tokens, a.last.Name = len(strings.Fields(whole.Answer)), eventDone
	return nil
}

func (l *load) webSocket(ctx context.Context, req runRequest, a *attempt) error {
	conn, res, err := websocket.Dial(ctx, l.address("/v1/runs"), &websocket.DialOptions{
		HTTPClient: direct(alone()), Host: l.host,
		OnPingReceived: func(context.Context, []byte) bool { a.alive(); return true },
	})
	if res != nil {
		a.pod = res.Header.Get(podHeader)
	}
	if err != nil && res != nil && res.Body != nil {
		return &ending{output.Refused, refusal(res)}
	}
	if err != nil {
		return &ending{output.Unreachable, err.Error()}
	}
	defer conn.CloseNow() //nolint:errcheck // it is closed already, or broken
	conn.SetReadLimit(longestLine)
	text, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
		return err
	}
	for {
		_, text, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return nil
		}
		if err != nil {
			return err
		}
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			return err
		}
		a.take(e)
	}
}

func (l *load) grpc(ctx context.Context, req runRequest, a *attempt) error {
	target, err := url.Parse(l.url)
	if err != nil {
		return err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
	}
	if l.host != "" {
		options = append(options, grpc.WithAuthority(l.host))
	}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), "80")), options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	message, err := toStruct(req)
	if err != nil {
		return err
	}
	stream, err := conn.NewStream(ctx, &grpcRun, "/"+grpcService+"/"+grpcMethod)
	if err != nil {
		return &ending{output.Unreachable, err.Error()}
	}
	if err := errors.Join(stream.SendMsg(message), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) { // on io.EOF, RecvMsg returns the reason
		return grpcEnding(err, stream)
	}
	for {
		message := &structpb.Struct{}
		err := stream.RecvMsg(message)
		if a.pod == "" {
			header, _ := stream.Header()
			a.pod = strings.Join(header.Get(podHeader), "")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && a.count == 0 {
			return grpcEnding(err, stream)
		}
		if err != nil {
			return err
		}
		var e event
		if err := fromStruct(message, &e); err != nil {
			return err
		}
		a.take(e)
	}
}

// grpcEnding tells how a call failed before its first message: the agent or a proxy has
// refused it, or no server answered. If the answer had begun, it returns err itself.
func grpcEnding(err error, stream grpc.ClientStream) error {
	says := status.Convert(err)
	header, _ := stream.Header()
	const kind = "content-type" // every answer has one, among the trailers if it consists of nothing else
	switch {
	case len(stream.Trailer().Get(kind)) > 0, strings.Contains(says.Message(), "HTTP status code"), // the library's words for an answer that is not gRPC
		says.Code() == codes.ResourceExhausted, says.Code() == codes.InvalidArgument:
		return &ending{output.Refused, err.Error()}
	case len(header.Get(kind)) > 0:
		return err
	}
	return &ending{output.Unreachable, err.Error()}
}

// sendRequests sends one short request after another until ctx ends.
func (l *load) sendRequests(ctx context.Context, kind output.Kind) {
	transport := alone()
	transport.DisableKeepAlives = kind == output.Request
	defer transport.CloseIdleConnections()
	client := direct(transport)
	client.Timeout = short
	for {
		l.count(kind, l.get(context.WithoutCancel(ctx), client))
		if !pause(ctx, l.interval) {
			return
		}
	}
}

var errRetried = errors.New("the kept connection ended before the answer arrived")

// get sends a short request. net/http sends it again if a kept connection ends before it
// is answered; that is a failure here.
func (l *load) get(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) {
		if attempts++; attempts > 1 {
			cancel(errRetried)
		}
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.address("/health"), nil)
	if err != nil {
		return err
	}
	req.Host = l.host
	res, err := client.Do(req)
	if attempts > 1 {
		err = errRetried
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(refusal(res))
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// count adds a short request, which ended now, to those of this second.
func (l *load) count(kind output.Kind, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seconds[kind] == nil {
		l.seconds[kind] = &output.Sent{}
	}
	for _, sent := range []*output.Sent{l.seconds[kind], &l.total} {
		sent.Sent++
		if err == nil {
			continue
		}
		if sent.Failed++; sent.Why == "" {
			sent.Why = err.Error()
		}
	}
}

// printSeconds prints the short requests since its last call.
func (l *load) printSeconds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range []output.Kind{output.Request, output.KeepAlive} {
		if sent := l.seconds[kind]; sent != nil {
			_ = l.lines.Encode(output.Load{Event: output.Requested, Kind: kind, At: time.Now(), Sent: sent})
		}
	}
	clear(l.seconds)
}

// summary is for people who watch.
func (l *load) summary() string {
	var runs []string
	for outcome, count := range l.outcomes {
		runs = append(runs, fmt.Sprintf("%d %s", count, outcome))
	}
	slices.Sort(runs)
	if runs == nil {
		runs = []string{"none"}
	}
	return fmt.Sprintf("runs: %s; short requests: %d, %d failed", strings.Join(runs, ", "), l.total.Sent, l.total.Failed)
}

// check refuses a load without clients, and negative numbers.
func (l *load) check() error {
	clients := 0
	for _, counts := range []map[output.Kind]*int{l.runners, l.loops} {
		for kind, count := range counts {
			if *count < 0 {
				return fmt.Errorf("the number of clients of the kind %s is %d: use 0 or more", kind, *count)
			}
			clients += *count
		}
	}
	if clients == 0 {
		return errors.New("there are no clients: use --streams, --websockets, --grpc, --polls, --requests or --keep-alive")
	}
	return nil
}

func loadCommand() *cobra.Command {
	l := newLoad(os.Stdout)
	var longest time.Duration
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Ask an agent for runs and send short requests, and print how each ended",
		Long: `Ask an agent for runs and send short requests until SIGTERM, and print one JSON object per line: the events started and
ended of each run, and the event requested for each second of short requests. After SIGTERM the runs are finished, and the short
requests continue until the last one has ended. No client retries. Each run has a connection of its own. The exit code is 0
regardless of the outcomes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkURL(l.url); err != nil {
				return err
			}
			if err := l.check(); err != nil {
				return err
			}
			if *l.runners[output.GRPC] > 0 && !strings.HasPrefix(l.url, "http://") {
				return errors.New("--grpc needs an --url with http://: the clients send HTTP/2 without TLS")
			}
			ctx := cmd.Context()
			if longest > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, longest)
				defer cancel()
			}
			l.run(ctx)
			fmt.Fprintln(os.Stderr, "agent load:", l.summary())
			return nil
		},
	}
	cmd.Flags().StringVar(&l.url, "url", "http://127.0.0.1:8000", "address of the agent")
	cmd.Flags().StringVar(&l.host, "host", "", "host name to send to a proxy at --url, for gRPC the authority (default: the URL's)")
	cmd.Flags().IntVar(l.runners[output.Stream], "streams", 0, "clients of server-sent events")
	cmd.Flags().IntVar(l.runners[output.WebSocket], "websockets", 0, "clients of WebSockets")
	cmd.Flags().IntVar(l.runners[output.GRPC], "grpc", 0, "clients of gRPC, without TLS")
	cmd.Flags().IntVar(l.runners[output.Poll], "polls", 0, "clients that wait for the whole answer")
	cmd.Flags().IntVar(l.loops[output.Request], "requests", 0, "loops of short requests, each with a new connection")
	cmd.Flags().IntVar(l.loops[output.KeepAlive], "keep-alive", 0, "loops of short requests on one connection")
	cmd.Flags().DurationVar(&l.interval, "interval", 200*time.Millisecond, "pause between the short requests of a loop, and after a run that did not finish")
	cmd.Flags().Int64Var(&l.maxTokens, "max-tokens", 0, maxTokensHelp)
	cmd.Flags().DurationVar(&l.spread, "spread", 5*time.Second, "period over which the starts of the clients that ask for runs are spread")
	cmd.Flags().DurationVar(&longest, "for", 0, "stop after this time, as on SIGTERM; 0 means no limit")
	return cmd
}

// stopCommand ends the container's process: the image has no shell and no kill.
func stopCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "stop",
		Short:  "Send SIGTERM to process 1, from a second process in its container",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			first, err := os.FindProcess(1)
			if err != nil {
				return err
			}
			return first.Signal(syscall.SIGTERM)
		},
	}
}
