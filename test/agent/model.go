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

// model is the OpenAI-compatible model that the agent asks. Its address and key
// are OPENAI_BASE_URL and OPENAI_API_KEY, which the client library reads itself.
type model struct {
	client      openai.Client
	name        string
	temperature float64
	maxTokens   int64
	maxRun      time.Duration // 0 means no limit
	stream      bool
}

// errOverBudget says that a run took longer than the chart protects it.
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

// run asks the model for the answer to one task and hands on each piece as it
// comes. maxTokens 0 means the configured number. It fails with errOverBudget
// where the answer takes longer than a run may.
func (m *model) run(ctx context.Context, task string, maxTokens int64, emit func(text string) error) error {
	if m.maxRun > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.maxRun, errOverBudget)
		defer cancel()
	}
	err := m.ask(ctx, task, maxTokens, emit)
	if err != nil && errors.Is(context.Cause(ctx), errOverBudget) {
		return errOverBudget
	}
	return err
}

func (m *model) ask(ctx context.Context, task string, maxTokens int64, emit func(text string) error) error {
	if maxTokens == 0 {
		maxTokens = m.maxTokens
	}
	params := openai.ChatCompletionNewParams{
		Model:       m.name,
		Temperature: openai.Float(m.temperature),
		MaxTokens:   openai.Int(maxTokens),
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.UserMessage(task)},
	}
	if !m.stream {
		return m.askWhole(ctx, params, emit)
	}
	answer := m.client.Chat.Completions.NewStreaming(ctx, params)
	defer answer.Close()
	finished := false
	for answer.Next() {
		for _, choice := range answer.Current().Choices {
			finished = finished || choice.FinishReason != ""
			if choice.Delta.Content == "" {
				continue
			}
			if err := emit(choice.Delta.Content); err != nil {
				return err
			}
		}
	}
	if err := answer.Err(); err != nil {
		return fmt.Errorf("asking the model: %w", err)
	}
	if !finished {
		return fmt.Errorf("the model's answer broke off before its end")
	}
	return nil
}

func (m *model) askWhole(ctx context.Context, params openai.ChatCompletionNewParams, emit func(string) error) error {
	answer, err := m.client.Chat.Completions.New(ctx, params)
	if err != nil {
		return fmt.Errorf("asking the model: %w", err)
	}
	if len(answer.Choices) == 0 {
		return fmt.Errorf("the model answered without a choice")
	}
	return emit(answer.Choices[0].Message.Content)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
