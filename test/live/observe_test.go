package live

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
)

func isReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func restarts(pod corev1.Pod) (count int32) {
	for _, status := range pod.Status.ContainerStatuses {
		count += status.RestartCount
	}
	return count
}

func hpaOf(t *testing.T, n *cluster.Namespace) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return n.Client.AutoscalingV2().HorizontalPodAutoscalers(n.Name).Get(t.Context(), "ai-agent-hpa", metav1.GetOptions{})
}

// utilization returns what the autoscaler last read of a resource, in percent
// of the requests, or nil where it has no reading.
func utilization(hpa *autoscalingv2.HorizontalPodAutoscaler, name corev1.ResourceName) *int32 {
	for _, metric := range hpa.Status.CurrentMetrics {
		if metric.Resource != nil && metric.Resource.Name == name {
			return metric.Resource.Current.AverageUtilization
		}
	}
	return nil
}

func missing(reading *int32) error {
	if reading == nil {
		return errors.New("no reading")
	}
	return nil
}

// eventSays reports whether some event with the reason says so.
func eventSays(t *testing.T, n *cluster.Namespace, reason, what string) error {
	t.Helper()
	events, err := n.Client.CoreV1().Events(n.Name).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=" + reason})
	require.NoError(t, err)
	for _, event := range events.Items {
		if strings.Contains(event.Message, what) {
			return nil
		}
	}
	return fmt.Errorf("none of %d events %s says %q", len(events.Items), reason, what)
}

// probeResults returns how often the kubelet saw a probe of the pod end so, from
// its metric prober_probe_total.
func probeResults(t *testing.T, pod corev1.Pod, probe, result string) int {
	t.Helper()
	if pod.Spec.NodeName == "" {
		return 0
	}
	body, err := kind.Client.CoreV1().RESTClient().Get().
		AbsPath(fmt.Sprintf("/api/v1/nodes/%s/proxy/metrics/probes", pod.Spec.NodeName)).DoRaw(t.Context())
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	require.NoError(t, err)
	total := 0
	for _, metric := range families["prober_probe_total"].GetMetric() {
		labels := map[string]string{}
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if labels["pod_uid"] == string(pod.UID) && labels["probe_type"] == probe && labels["result"] == result {
			total += int(metric.GetCounter().GetValue())
		}
	}
	return total
}
