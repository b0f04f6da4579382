package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// sse sends a run as server-sent events.
type sse struct{ w http.ResponseWriter }

func newSSE(w http.ResponseWriter) sse {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no") // nginx buffers other answers
	return sse{w}
}

func (s sse) send(e event) error {
	id, name := e.ID, e.Name
	e.ID, e.Name = 0, "" // they are no data
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", id, name, data))
}

func (s sse) heartbeat() error { return s.write(": heartbeat\n\n") }

func (s sse) write(text string) error {
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// socket sends a run as messages of a WebSocket.
type socket struct {
	ctx  context.Context // of the run
	conn *websocket.Conn
}

func (s socket) send(e event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.conn.Write(s.ctx, websocket.MessageText, text)
}

// heartbeat does not wait for the client's pong.
func (s socket) heartbeat() error {
	go func() { _ = s.conn.Ping(s.ctx) }()
	return nil
}

// runWebSocket answers one task on a WebSocket: the client sends the request as a message,
// the agent sends the events and closes the connection. net/http neither limits nor waits
// for a connection that has become a WebSocket.
func (s *server) runWebSocket(w http.ResponseWriter, r *http.Request) {
	if !s.takeSlot() {
		s.refuse(w)
		return
	}
	free := sync.OnceFunc(s.freeSlot)
	defer free()
	s.sockets.Add(1) // before Accept: until then net/http waits
	defer s.sockets.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow() //nolint:errcheck // it is closed already, or broken
	conn.SetReadLimit(longestRequest)
	req, err := s.receiveMessage(r.Context(), conn)
	if err != nil {
		_ = socket{r.Context(), conn}.send(event{ID: 1, Name: eventError, Error: err.Error()})
		_ = conn.Close(websocket.StatusPolicyViolation, "not a request for a run")
		return
	}
	ctx, cancel := s.limitSocket(conn.CloseRead(r.Context()))
	defer cancel()
	_ = s.track(ctx, func(id string) error { return s.respond(ctx, id, req, socket{ctx, conn}) })
	free()
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// receiveMessage is what receive and limit are for HTTP.
func (s *server) receiveMessage(ctx context.Context, conn *websocket.Conn) (runRequest, error) {
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	_, body, err := conn.Read(ctx)
	if err != nil {
		return runRequest{}, err
	}
	return parseRun(body)
}

// limitSocket is what limitRun is for HTTP.
func (s *server) limitSocket(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout == 0 || s.model.maxRun == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.model.maxRun+lastWords)
}

// messages sends a run as messages of gRPC.
type messages struct{ stream grpc.ServerStream }

func (m messages) send(e event) error {
	message, err := toStruct(e)
	if err != nil {
		return err
	}
	return m.stream.SendMsg(message)
}

func (m messages) heartbeat() error { return m.send(event{Name: eventHeartbeat}) }

// handleGRPC serves runs and the probe of Kubernetes by gRPC. It is net/http that serves
// the connections, so that a run by gRPC is limited and drained as every other.
func (s *server) handleGRPC(mux *http.ServeMux) {
	calls := grpc.NewServer()
	calls.RegisterService(&grpc.ServiceDesc{ServiceName: grpcService, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{grpcRun}}, s)
	grpc_health_v1.RegisterHealthServer(calls, health{})
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, ok := s.receive(w, r)
		if !ok {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.limitRun(w)
		calls.ServeHTTP(w, r)
	}
	for service := range calls.GetServiceInfo() {
		mux.HandleFunc("POST /"+service+"/", handler)
	}
}

// runGRPC answers one task by gRPC.
func (s *server) runGRPC(stream grpc.ServerStream) error {
	message := &structpb.Struct{}
	if err := stream.RecvMsg(message); err != nil {
		return err
	}
	body, err := message.MarshalJSON()
	if err != nil {
		return err
	}
	req, err := parseRun(body)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if !s.takeSlot() {
		s.metrics.runs.WithLabelValues(refused).Inc()
		return status.Error(codes.ResourceExhausted, allBusy)
	}
	defer s.freeSlot()
	ctx := stream.Context()
	err = s.track(ctx, func(id string) error { return s.respond(ctx, id, req, messages{stream}) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errOverBudget):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

// health answers the probe as /health does. It has no Watch, whose calls do not end: the
// agent could not shut down.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (health) Check(_ context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if req.Service != "" && req.Service != grpcService {
		return nil, status.Errorf(codes.NotFound, "unknown service %q: use %s or none", req.Service, grpcService)
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}
