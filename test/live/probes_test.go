package live

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// An agent that starts slowly, but within the startup probe's budget, is let be.
func TestSlowStartIsLetBe(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(chart.Values{"args": `["serve", "--fault=slow-start=40s"]`}))
	pod := n.Pods(t, "ai-agent")[0]
	assert.True(t, isReady(pod))
	assert.Zero(t, restarts(pod))
	took := readySince(pod).Sub(pod.Status.ContainerStatuses[0].State.Running.StartedAt.Time)
	t.Logf("from the container's start to Ready: %s, of which 40 s are the agent's", took)
	assert.GreaterOrEqual(t, took, 40*time.Second)
}

// Control: beyond the budget it is restarted, and never Ready.
func TestTooSlowStartIsRestarted(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.InstallNoWait(t, "ai-agent", alone(chart.Values{"args": `["serve", "--fault=slow-start=40s"]`, "startupProbe.failureThreshold": "10"}))
	cluster.Eventually(t, "a restart", 90*time.Second, func() error {
		for _, pod := range n.Pods(t, "ai-agent") {
			require.False(t, isReady(pod))
			if restarts(pod) > 0 {
				return nil
			}
		}
		return errors.New("no restart")
	})
}

// hanging is how a hung agent is told from a busy one here: 2 x 5 s, and 5 s for
// the last answer to stay out.
var hanging = chart.Values{
	"args": `["serve", "--fault=http"]`, "networkPolicy.enabled": "false", // the fault comes from outside
	"livenessProbe.initialDelaySeconds": "0", "livenessProbe.periodSeconds": "5", "livenessProbe.failureThreshold": "2",
}

const hungFor = 2*5*time.Second + 5*time.Second

// A hung agent is restarted once liveness has failed, and does not wait the
// pod's long grace for it: only the probe's own 10 s.
func TestHungAgentIsRestarted(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(hanging))
	hung := hang(t, n)
	cluster.Eventually(t, "a restart", time.Minute, func() error {
		if restarts(n.Pods(t, "ai-agent")[0]) == 0 {
			return errors.New("no restart")
		}
		return nil
	})
	ended := n.Pods(t, "ai-agent")[0].Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt.Time
	took := ended.Sub(hung)
	t.Logf("from the hang to the container's end: %s", took)
	const ownGrace, kubelet = 10 * time.Second, 10 * time.Second // the kubelet's, to notice and to act
	assert.Less(t, took, hungFor+ownGrace+kubelet)
	cluster.Eventually(t, "a Ready pod again", time.Minute, func() error { return ready(t, n, 1) })
}

// Control: without the probe's own grace it waits for the pod's.
func TestHungAgentWaitsWithoutTheProbesGrace(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(hanging).With("livenessProbe.terminationGracePeriodSeconds", "null"))
	hang(t, n)
	cluster.Eventually(t, "a container that is told to end", time.Minute, func() error { return eventSays(t, n, "Killing", "") })
	time.Sleep(hungFor + 20*time.Second) // in which the other one was restarted
	assert.Zero(t, restarts(n.Pods(t, "ai-agent")[0]))
}

// Control: without a liveness probe it hangs on.
func TestHungAgentHangsOnWithoutLiveness(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(chart.Values{"args": hanging["args"], "networkPolicy.enabled": "false", "livenessProbe": "null"}))
	hang(t, n)
	cluster.Eventually(t, "a pod that is not ready", time.Minute, func() error { return ready(t, n, 0) })
	time.Sleep(hungFor + 20*time.Second) // in which the other one was restarted
	assert.Zero(t, restarts(n.Pods(t, "ai-agent")[0]))
}

// hang makes the only pod answer nothing any more, and returns since when.
func hang(t *testing.T, n *cluster.Namespace) time.Time {
	t.Helper()
	pod := n.Pods(t, "ai-agent")[0].Name
	err := n.Client.CoreV1().RESTClient().Post().
		AbsPath(fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8000/proxy/faults", n.Name, pod)).
		Param("fault", "hang").Do(t.Context()).Error()
	require.NoError(t, err)
	return time.Now()
}

// A lost dependency takes a pod out of the Service within 40 s and does not restart
// it; when it is back, so is the pod.
func TestLostDependencyTakesPodsOut(t *testing.T) {
	t.Parallel()
	for _, server := range []string{cluster.Redis, cluster.Postgres} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			n := kind.Namespace(t, server)
			n.Install(t, "ai-agent", connected.And(one))
			lost := lose(t, n, server)
			cluster.Eventually(t, "no endpoint", 40*time.Second, func() error { return endpoints(t, n, 0) })
			t.Logf("from the loss of %s to no endpoint: %s", server, time.Since(lost))
			n.MustKubectl(t, "scale", "deployment", server, "--replicas=1")
			cluster.Eventually(t, "an endpoint again", 90*time.Second, func() error { return endpoints(t, n, 1) })
			for _, pod := range n.Pods(t, "ai-agent") {
				assert.Zero(t, restarts(pod))
			}
		})
	}
}

// Control: readiness that asks only the process sends traffic to a pod that
// cannot answer.
func TestLostDependencyGoesUnseenWithoutReadiness(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Redis)
	n.Install(t, "ai-agent", connected.And(one).With("readinessProbe.httpGet.path", `"/health"`))
	lose(t, n, cluster.Redis)
	time.Sleep(45 * time.Second) // longer than the others were given
	require.NoError(t, endpoints(t, n, 1))
}

// lose takes a server away and returns when it was gone: until then it may serve on.
func lose(t *testing.T, n *cluster.Namespace, server string) time.Time {
	t.Helper()
	n.MustKubectl(t, "scale", "deployment", server, "--replicas=0")
	n.MustKubectl(t, "delete", "pods", "--selector=app="+server, "--grace-period=1")
	return time.Now()
}

// endpoints reports whether the agent's Service has so many ready endpoints.
func endpoints(t *testing.T, n *cluster.Namespace, want int) error {
	t.Helper()
	return endpointsOf(t, n, "ai-agent-service", want)
}

func endpointsOf(t *testing.T, n *cluster.Namespace, service string, want int) error {
	t.Helper()
	slices, err := n.Client.DiscoveryV1().EndpointSlices(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	require.NoError(t, err)
	have := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
				have++
			}
		}
	}
	if have != want {
		return fmt.Errorf("%d ready endpoints, not %d", have, want)
	}
	return nil
}

// ready reports whether so many pods are Ready.
func ready(t *testing.T, n *cluster.Namespace, want int) error {
	t.Helper()
	have := 0
	for _, pod := range n.Pods(t, "ai-agent") {
		if isReady(pod) {
			have++
		}
	}
	if have != want {
		return fmt.Errorf("%d Ready pods, not %d", have, want)
	}
	return nil
}

// readySince returns when a pod's condition Ready last changed.
func readySince(pod corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}
