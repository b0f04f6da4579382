package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/openai/openai-go/v3"
)

// model is the OpenAI-compatible model that the agent asks. The client library
// itself reads its address and key from OPENAI_BASE_URL and OPENAI_API_KEY.
type model struct {
	client      openai.Client
	name        string
	temperature float64
	maxTokens   int64
	maxRun      time.Duration // 0 means no limit
	stream      bool
	observe     func(call) // called after each request to the model, if set
}

// errOverBudget ends a run that takes longer than the chart protects it.
var errOverBudget = errors.New("the run took more than MAX_RUN_SECONDS")

// modelFromEnv reads MODEL_NAME, TEMPERATURE, MAX_TOKENS, MAX_RUN_SECONDS and
// ENABLE_STREAMING.
func modelFromEnv() (*model, error) {
	temperature, err := strconv.ParseFloat(env("TEMPERATURE", "0.7"), 64)
	if err != nil {
		return nil, fmt.Errorf("TEMPERATURE is not a number: %w", err)
	}
	maxTokens, err := strconv.ParseInt(env("MAX_TOKENS", "4096"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("MAX_TOKENS is not a whole number: %w", err)
	}
	maxRun, err := strconv.ParseUint(env("MAX_RUN_SECONDS", "0"), 10, 31)
	if err != nil {
		return nil, fmt.Errorf("MAX_RUN_SECONDS is not a whole number: %w", err)
	}
	stream, err := strconv.ParseBool(env("ENABLE_STREAMING", "true"))
	if err != nil {
		return nil, fmt.Errorf("ENABLE_STREAMING is neither true nor false: %w", err)
	}
	return &model{
		client:      openai.NewClient(),
		name:        env("MODEL_NAME", "gpt-4o-mini"),
		temperature: temperature,
		maxTokens:   maxTokens,
		maxRun:      time.Duration(maxRun) * time.Second,
		stream:      stream,
	}, nil
}

// call is a finished request to the model.
type call struct {
	model      string
	took       time.Duration
	firstChunk time.Duration // after which the first chunk of a stream arrived; 0 if none did
	tokens     openai.CompletionUsage
	err        error
}

// run asks the model for the answer to one task and passes each piece to emit as
// it arrives. maxTokens 0 means MAX_TOKENS. The error is errOverBudget when the
// answer takes longer than MAX_RUN_SECONDS.
func (m *model) run(ctx context.Context, task string, maxTokens int64, emit func(text string) error) error {
	if m.maxRun > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.maxRun, errOverBudget)
		defer cancel()
	}
	start := time.Now()
	asked := m.ask(ctx, task, maxTokens, emit)
	if asked.err != nil && errors.Is(context.Cause(ctx), errOverBudget) {
		asked.err = errOverBudget
	}
	if m.observe != nil {
		asked.model, asked.took = m.name, time.Since(start)
		m.observe(asked)
	}
	return asked.err
}

func (m *model) ask(ctx context.Context, task string, maxTokens int64, emit func(text string) error) call {
	if maxTokens == 0 {
		maxTokens = m.maxTokens
	}
	params := openai.ChatCompletionNewParams{
		Model:       m.name,
		Temperature: openai.Float(m.temperature),
		MaxTokens:   openai.Int(maxTokens),
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.UserMessage(task)},
	}
	if m.stream {
		return m.askStreaming(ctx, params, emit)
	}
	return m.askWhole(ctx, params, emit)
}

func (m *model) askStreaming(ctx context.Context, params openai.ChatCompletionNewParams, emit func(string) error) (asked call) {
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	start := time.Now()
	answer := m.client.Chat.Completions.NewStreaming(ctx, params)
	defer answer.Close()
	finished := false
	for answer.Next() {
		chunk := answer.Current()
		if asked.firstChunk == 0 {
			asked.firstChunk = time.Since(start)
		}
		if chunk.Usage.TotalTokens > 0 { // of the last chunk
			asked.tokens = chunk.Usage
		}
		for _, choice := range chunk.Choices {
			finished = finished || choice.FinishReason != ""
			if choice.Delta.Content == "" {
				continue
			}
			if asked.err = emit(choice.Delta.Content); asked.err != nil {
				return asked
			}
		}
	}
	if err := answer.Err(); err != nil {
		asked.err = fmt.Errorf("asking the model: %w", err)
	} else if !finished {
		asked.err = errors.New("the model's stream ended before its answer did")
	}
	return asked
}

func (m *model) askWhole(ctx context.Context, params openai.ChatCompletionNewParams, emit func(string) error) call {
	answer, err := m.client.Chat.Completions.New(ctx, params)
	if err != nil {
		return call{err: fmt.Errorf("asking the model: %w", err)}
	}
	if len(answer.Choices) == 0 {
		return call{err: errors.New("the model's answer contains no choice")}
	}
	return call{tokens: answer.Usage, err: emit(answer.Choices[0].Message.Content)}
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
