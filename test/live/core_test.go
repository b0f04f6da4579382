package live

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

const serviceURL = "http://ai-agent-service"

// The chart with no value set, in a namespace that enforces "restricted".
func TestDefaults(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.EveryServer...)
	n.Install(t, "ai-agent", nil)

	t.Run("pods are Running and Ready with no restart", func(t *testing.T) {
		cluster.Eventually(t, "two Ready pods, the autoscaler's minimum", 2*time.Minute, func() error {
			pods := n.Pods(t, "ai-agent")
			if len(pods) != 2 || !isReady(pods[0]) || !isReady(pods[1]) {
				return fmt.Errorf("%d pods", len(pods))
			}
			return nil
		})
		for _, pod := range n.Pods(t, "ai-agent") {
			assert.Equal(t, corev1.PodRunning, pod.Status.Phase, pod.Name)
			assert.Zero(t, restarts(pod), pod.Name)
			t.Logf("%s: Ready %s after its container started", pod.Name, readySince(pod).Sub(pod.Status.ContainerStatuses[0].State.Running.StartedAt.Time))
		}
	})

	t.Run("the autoscaler brings two pods and reads their CPU and memory", func(t *testing.T) {
		cluster.Eventually(t, "an HPA with numbers", 2*time.Minute, func() error {
			hpa, err := hpaOf(t, n)
			if err != nil {
				return err
			}
			if hpa.Status.CurrentReplicas != 2 {
				return fmt.Errorf("%d replicas", hpa.Status.CurrentReplicas)
			}
			return errors.Join(missing(utilization(hpa, "cpu")), missing(utilization(hpa, "memory")))
		})
		readings, err := n.Metrics.MetricsV1beta1().PodMetricses(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "app=ai-agent"})
		require.NoError(t, err)
		assert.NotEmpty(t, readings.Items)
		for _, pod := range readings.Items {
			assert.Positive(t, pod.Containers[0].Usage.Memory().Value(), pod.Name)
		}
	})

	t.Run("the kubelet saw each probe pass and none fail", func(t *testing.T) {
		for _, pod := range n.Pods(t, "ai-agent") {
			for _, probe := range []string{"Startup", "Readiness", "Liveness"} {
				cluster.Eventually(t, probe+" probe of "+pod.Name, time.Minute, func() error {
					if probeResults(t, pod, probe, "successful") == 0 {
						return errors.New("it has not passed yet")
					}
					return nil
				})
			}
			assert.Zero(t, probeResults(t, pod, "Liveness", "failed"), pod.Name)
		}
	})

	t.Run("the Service answers a pod on another node", func(t *testing.T) {
		answer, err := prober.Ask(t, n, prober.Run{Node: nodeWithout(t, n.Pods(t, "ai-agent")), URL: serviceURL, Task: "say hello"})
		require.NoError(t, err)
		assert.Contains(t, answer, "You asked: say hello")
	})
}

// Control: an agent that is not ready gets no traffic, is seen by the kubelet
// to fail, and is not restarted for it.
func TestNotReadyGetsNoTraffic(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.InstallNoWait(t, "ai-agent", alone(chart.Values{
		"args":                  `["serve", "--fault=not-ready"]`,
		"networkPolicy.enabled": "false", // a refusal must be the Service's, not the policy's
	}))
	cluster.Eventually(t, "a failed readiness probe", time.Minute, func() error {
		pods := n.Pods(t, "ai-agent")
		if len(pods) == 0 || probeResults(t, pods[0], "Readiness", "failed") == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	_, err := prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "say hello", Settled: true})
	require.ErrorContains(t, err, "connection refused")
	for _, pod := range n.Pods(t, "ai-agent") {
		assert.False(t, isReady(pod), pod.Name)
		assert.Zero(t, restarts(pod), pod.Name)
	}
}

// Control: the numbers that the autoscaler reads are the pods' own, so a busy
// one reads high where an idle one reads next to nothing.
func TestHPASeesABusyAgent(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", small.And(chart.Values{
		"args":                        `["serve", "--fault=burn-cpu"]`,
		"resources.requests.cpu":      `"20m"`,
		"resources.limits.cpu":        `"60m"`,
		"autoscaling.minReplicas":     "1",
		"autoscaling.maxReplicas":     "1",
		"podDisruptionBudget.enabled": "false",
	}))
	cluster.Eventually(t, "CPU over the target", 2*time.Minute, func() error {
		hpa, err := hpaOf(t, n)
		if err != nil {
			return err
		}
		used := utilization(hpa, "cpu")
		if used == nil || *used <= 100 {
			return fmt.Errorf("CPU reads %v", hpa.Status.CurrentMetrics)
		}
		return nil
	})
}

// Control: the namespace really enforces "restricted". Without the chart's
// security context no pod comes to be.
func TestRestrictedIsEnforced(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.InstallNoWait(t, "ai-agent", alone(chart.Values{"securityContext": "null"}))
	cluster.Eventually(t, "an event that says so", time.Minute, func() error {
		return eventSays(t, n, "FailedCreate", `violates PodSecurity "restricted`)
	})
	assert.Empty(t, n.Pods(t, "ai-agent"))
}

// nodeWithout returns a worker on which none of the pods runs.
func nodeWithout(t *testing.T, pods []corev1.Pod) string {
	t.Helper()
	for _, worker := range workers(t) {
		if !slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return pod.Spec.NodeName == worker }) {
			return worker
		}
	}
	t.Fatalf("every worker has one of %d pods", len(pods))
	return ""
}
