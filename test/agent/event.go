package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// event is a part of a run's answer, the same in each protocol. As a server-sent event
// its ID and name are fields of the stream, and the rest is its data.
type event struct {
	ID    int    `json:"id,omitempty"` // 1, 2, 3… without gaps
	Name  string `json:"event,omitempty"`
	Run   string `json:"run,omitempty"`
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// The names of events. The last event of a run is done or error.
const (
	eventStarted   = "started"
	eventToken     = "token"
	eventDone      = "done"
	eventError     = "error"
	eventHeartbeat = "heartbeat" // only of gRPC, where a proxy counts messages; it has no ID
)

// longestLine bounds a line of a stream: a token may be a whole answer.
const longestLine = 16 << 20

// readEvents passes each server-sent event to take, to the end of the stream. The error
// is nil if the stream ended as HTTP says that it does.
func readEvents(stream io.Reader, take func(event)) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, longestLine)
	var current event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			current.ID, _ = strconv.Atoi(value) // 0 if it is no number, which no event has
		case "event":
			current.Name = value
		case "data": // the last field of the agent's events
			if err := json.Unmarshal([]byte(value), &current); err != nil { // an incomplete line
				return fmt.Errorf("the stream ended within an event %s: %w", current.Name, err)
			}
			take(current)
			current = event{}
		}
	}
	return lines.Err()
}

// The gRPC service. Its messages are google.protobuf.Struct: a runRequest, and events.
const (
	grpcService = "agent.v1.Runs"
	grpcMethod  = "Run"
)

var grpcRun = grpc.StreamDesc{StreamName: grpcMethod, ServerStreams: true, Handler: func(srv any, stream grpc.ServerStream) error {
	return srv.(*server).runGRPC(stream)
}}

// toStruct returns the message with the JSON fields of value.
func toStruct(value any) (*structpb.Struct, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	message := &structpb.Struct{}
	return message, message.UnmarshalJSON(text)
}

// fromStruct sets the JSON fields of value to those of the message.
func fromStruct(message *structpb.Struct, value any) error {
	text, err := message.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}
