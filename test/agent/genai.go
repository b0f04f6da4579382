package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/openai/openai-go/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// genAI are the metrics of OpenTelemetry's semantic conventions for generative AI that
// an agent can measure. Their names and labels are those that Prometheus gives to
// gen_ai.client.operation.duration and so on: dots become underscores, and the unit,
// unless it is in braces, becomes a suffix.
type genAI struct {
	operations  *prometheus.HistogramVec
	firstChunks *prometheus.HistogramVec
	tokens      *prometheus.HistogramVec
	invocations *prometheus.HistogramVec
}

// The operation and the provider of every request to the model.
const (
	operation = "chat"
	provider  = "openai" // the format of the requests, not necessarily who answers them
)

func newGenAI(factory promauto.Factory, maxRun float64) genAI {
	labels := prometheus.Labels{"gen_ai_operation_name": operation, "gen_ai_provider_name": provider}
	const model, kind, failure = "gen_ai_request_model", "gen_ai_token_type", "error_type"
	return genAI{
		operations: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gen_ai_client_operation_duration_seconds", Help: "Duration of requests to the model.",
			ConstLabels: labels, Buckets: doubling(0.01, max(81.92, maxRun)),
		}, []string{model, failure}),
		firstChunks: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gen_ai_client_operation_time_to_first_chunk_seconds", Help: "Time from a request to the model to the first chunk of its stream.",
			ConstLabels: labels, Buckets: doubling(0.01, 81.92),
		}, []string{model}),
		tokens: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gen_ai_client_token_usage", Help: "Tokens of a request to the model.",
			ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(1, 4, 14),
		}, []string{model, kind}),
		invocations: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gen_ai_invoke_agent_duration_seconds", Help: "Duration of runs in seconds, as agent_run_duration_seconds.",
			Buckets: doubling(0.1, max(409.6, maxRun)),
		}, []string{model, failure}),
	}
}

// doubling returns buckets from the first to one that is not below the last.
func doubling(first, last float64) []float64 {
	buckets := []float64{first}
	for buckets[len(buckets)-1] < last {
		buckets = append(buckets, 2*buckets[len(buckets)-1])
	}
	return buckets
}

// observe records a request to the model.
func (m *metrics) observe(c call) {
	m.genAI.operations.WithLabelValues(c.model, errorType(c.err)).Observe(c.took.Seconds())
	if c.firstChunk > 0 {
		m.genAI.firstChunks.WithLabelValues(c.model).Observe(c.firstChunk.Seconds())
	}
	if c.tokens.TotalTokens > 0 {
		m.genAI.tokens.WithLabelValues(c.model, "input").Observe(float64(c.tokens.PromptTokens))
		m.genAI.tokens.WithLabelValues(c.model, "output").Observe(float64(c.tokens.CompletionTokens))
	}
}

// errorType returns the class of an error: the status with which the model answered,
// timeout, canceled, or else what the conventions prescribe.
func errorType(err error) string {
	var answered *openai.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errOverBudget):
		return "timeout"
	case errors.As(err, &answered):
		return strconv.Itoa(answered.StatusCode)
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "_OTHER"
}
