// Package llm is a small OpenAI-compatible server. It answers chat completions with
// a fixed text, in the length and at the speed of its Config. It replaces a real
// model, which costs money and cannot be reached from everywhere.
package llm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Config is the length and speed of answers.
type Config struct {
	// AnswerTokens is the length of an answer; each token is a word. max_tokens
	// of a request shortens it.
	AnswerTokens int
	// TokensPerSecond is the speed of an answer; 0 sends it at once.
	TokensPerSecond float64
}

const filler = "This is the sample model of ai-agent: it counts words instead of thinking, so that a run takes as long as you say."

type request struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
	Messages            []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type choice struct {
	Index        int      `json:"index"`
	Message      *message `json:"message,omitempty"`
	Delta        *message `json:"delta,omitempty"`
	FinishReason *string  `json:"finish_reason"`
}

type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// Handler serves POST /v1/chat/completions, streamed or as a whole, GET
// /v1/models and GET /health.
func Handler(config Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []map[string]any{
			{"id": "sample", "object": "model", "owned_by": "ai-agent"},
		}})
	})
	mux.HandleFunc("POST /v1/chat/completions", config.complete)
	return mux
}

func (c Config) complete(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, "the body is not JSON: "+err.Error())
		return
	}
	if len(req.Messages) == 0 {
		refuse(w, "messages is missing or empty")
		return
	}
	prompt := req.Messages[len(req.Messages)-1].Content
	words, finish := c.answer(prompt, max(req.MaxTokens, req.MaxCompletionTokens))
	reply := completion{
		ID:      fmt.Sprintf("chatcmpl-%d", time.Now().UnixNano()),
		Created: time.Now().Unix(),
		Model:   req.Model,
	}
	prompted := len(strings.Fields(prompt))
	used := &usage{prompted, len(words), prompted + len(words)}
	if req.Stream {
		if !req.StreamOptions.IncludeUsage {
			used = nil
		}
		c.stream(w, r, reply, words, finish, used)
		return
	}
	for range words {
		if !c.pause(r) {
			return
		}
	}
	reply.Object = "chat.completion"
	reply.Choices = []choice{{Message: &message{"assistant", strings.Join(words, "")}, FinishReason: &finish}}
	reply.Usage = used
	writeJSON(w, http.StatusOK, reply)
}

// stream sends a chunk for each word, as server-sent events, and then one with the
// usage, if any.
func (c Config) stream(w http.ResponseWriter, r *http.Request, reply completion, words []string, finish string, used *usage) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	reply.Object = "chat.completion.chunk"
	chunk := func() {
		data, _ := json.Marshal(reply)
		fmt.Fprintf(w, "data: %s\n\n", data)
		_ = out.Flush() // fails only if the client has disconnected, which ends the context
	}
	send := func(delta message, finish *string) {
		reply.Choices = []choice{{Delta: &delta, FinishReason: finish}}
		chunk()
	}
	send(message{Role: "assistant"}, nil)
	for _, word := range words {
		if !c.pause(r) {
			return
		}
		send(message{Content: word}, nil)
	}
	send(message{}, &finish)
	if used != nil {
		reply.Choices, reply.Usage = []choice{}, used
		chunk()
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// answer returns the words of the answer and its finish reason.
func (c Config) answer(prompt string, limit int) (words []string, finish string) {
	length, finish := c.AnswerTokens, "stop"
	if limit > 0 && limit < length {
		length, finish = limit, "length"
	}
	source := strings.Fields("You asked: " + prompt + " " + filler)
	for i := range length {
		word := source[i%len(source)]
		if i > 0 {
			word = " " + word
		}
		words = append(words, word)
	}
	return words, finish
}

// pause waits for the duration of one token and reports whether the client is still connected.
func (c Config) pause(r *http.Request) bool {
	if c.TokensPerSecond <= 0 {
		return r.Context().Err() == nil
	}
	select {
	case <-time.After(time.Duration(float64(time.Second) / c.TokensPerSecond)):
		return true
	case <-r.Context().Done():
		return false
	}
}

func refuse(w http.ResponseWriter, why string) {
	writeJSON(w, http.StatusBadRequest, map[string]any{
		"error": map[string]any{"message": why, "type": "invalid_request_error"},
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
