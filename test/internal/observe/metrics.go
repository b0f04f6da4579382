package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// Probes returns how many results of a kind the kubelet has counted for a probe of a
// pod, in its metric prober_probe_total.
func (r *Release) Probes(ctx context.Context, pod corev1.Pod, probe, result string) (int, error) {
	if pod.Spec.NodeName == "" {
		return 0, fmt.Errorf("%s has no node yet", pod.Name)
	}
	body, err := r.namespace.Client().CoreV1().RESTClient().Get().
		AbsPath(fmt.Sprintf("/api/v1/nodes/%s/proxy/metrics/probes", pod.Spec.NodeName)).DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	metrics, err := ParseMetrics(bytes.NewReader(body))
	return metrics.sum("prober_probe_total", map[string]string{"pod_uid": string(pod.UID), "probe_type": probe, "result": result}), err
}

// Runs returns how many runs of the pod have ended with an outcome, from the agent's
// metric agent_runs_total.
func (r *Release) Runs(t *testing.T, pod corev1.Pod, outcome string) int {
	t.Helper()
	metrics, err := r.Scrape(t, pod)
	require.NoError(t, err, pod.Name)
	return metrics.Runs(outcome)
}

// Metrics are what the agent of a pod serves.
type Metrics map[string]*dto.MetricFamily

// Scrape reads the metrics of a pod through a tunnel, which no NetworkPolicy blocks.
func (r *Release) Scrape(t *testing.T, pod corev1.Pod) (Metrics, error) {
	t.Helper()
	tunnel := k8s.NewTunnelWithLogger(r.namespace.Options(), k8s.ResourceTypePod, pod.Name, 0, metricsPort(pod), logger.Discard)
	defer tunnel.Close()
	if err := tunnel.ForwardPortE(t); err != nil {
		return nil, err
	}
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tunnel.Endpoint()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(get)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return ParseMetrics(res.Body)
}

// Runs returns how many runs have ended with an outcome.
func (m Metrics) Runs(outcome string) int {
	return m.sum("agent_runs_total", map[string]string{"outcome": outcome})
}

// InFlight returns how many runs are in progress.
func (m Metrics) InFlight() int { return m.sum("agent_runs_in_flight", nil) }

// Goroutines returns how many goroutines the agent has.
func (m Metrics) Goroutines() int { return m.sum("go_goroutines", nil) }

// Memory returns the resident memory of the agent, in bytes.
func (m Metrics) Memory() int { return m.sum("process_resident_memory_bytes", nil) }

// metricsPort returns the port on which the agent of a pod serves metrics: its second
// one, unless it has only one.
func metricsPort(pod corev1.Pod) int {
	ports := pod.Spec.Containers[0].Ports
	return int(ports[len(ports)-1].ContainerPort)
}

// AllRuns is the sum of Runs over all pods of the release.
func (r *Release) AllRuns(t *testing.T, outcome string) (total int) {
	t.Helper()
	for _, pod := range r.Pods(t) {
		total += r.Runs(t, pod, outcome)
	}
	return total
}

// ParseMetrics reads metrics in Prometheus' text format.
func ParseMetrics(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(text)
}

// sum adds up the counters or gauges of a metric that have all of these labels.
func (m Metrics) sum(metric string, labels map[string]string) int {
	total := 0
	for _, sample := range m[metric].GetMetric() {
		matching := true
		for name, value := range labels {
			matching = matching && Label(sample, name) == value
		}
		if matching {
			total += int(sample.GetCounter().GetValue() + sample.GetGauge().GetValue())
		}
	}
	return total
}

// Label returns the value of a label of a metric, or "".
func Label(metric *dto.Metric, name string) string {
	for _, label := range metric.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}
