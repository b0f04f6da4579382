package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// An agent that starts slowly, but within the startup probe's budget, is tolerated.
func TestSlowStartIsTolerated(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{"args": chart.List{"serve", "--fault=slow-start=40s"}}))
	pod := observe.Of(n, "ai-agent").Pod(t)
	assert.True(t, observe.IsReady(pod))
	assert.Zero(t, observe.Restarts(pod))
	took := observe.ReadySince(pod).Sub(observe.Started(pod))
	t.Logf("from the container's start to Ready: %s, of which the agent itself takes 40 s", took)
	assert.GreaterOrEqual(t, took, 40*time.Second)
}

// Control: beyond the budget it is restarted, and never Ready.
func TestTooSlowStartIsRestarted(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.InstallNoWait(t, "ai-agent", profile.Single(chart.Values{"args": chart.List{"serve", "--fault=slow-start=40s"}, "startupProbe.failureThreshold": 10}))
	agents := observe.Of(n, "ai-agent")
	cluster.Eventually(t, "a restart", 90*time.Second, func(ctx context.Context) error {
		if err := agents.Ready(0)(ctx); err != nil {
			return cluster.Permanent(err)
		}
		return agents.Restarted(ctx)
	})
}

// hanging makes liveness detect a hung agent soon: after 6 x 5 s, and 5 s in which the
// last probe waits for its answer. The fault is injected from outside of the cluster.
var hanging = chart.Values{
	"args": chart.List{"serve", "--fault=http"}, "networkPolicy.enabled": false,
	"livenessProbe.initialDelaySeconds": 0, "livenessProbe.periodSeconds": 5, "livenessProbe.failureThreshold": 6,
}

const hungFor = 6*5*time.Second + 5*time.Second

// A hung agent is restarted once liveness has failed. It does not get the pod's long
// grace period, only the probe's own 10 s.
func TestHungAgentIsRestarted(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(hanging))
	agents := observe.Of(n, "ai-agent")
	hung := hang(t, n, agents.Pod(t))
	cluster.Eventually(t, "a restart", 90*time.Second, agents.Restarted)
	ended := agents.Pod(t).Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt.Time
	took := ended.Sub(hung)
	t.Logf("from the hang to the container's end: %s", took)
	const ownGrace, kubelet = 10 * time.Second, 10 * time.Second // the kubelet's, to detect and to act
	assert.Less(t, took, hungFor+ownGrace+kubelet)
	cluster.Eventually(t, "a Ready pod again", time.Minute, agents.Ready(1))
}

// restartBy is when a hung agent has been restarted, if it is: see TestHungAgentIsRestarted.
const restartBy = hungFor + 20*time.Second

// Control: without the probe's own grace period, the pod's applies.
func TestHungAgentWaitsWithoutTheProbesGrace(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(hanging).With("livenessProbe.terminationGracePeriodSeconds", nil))
	agents := observe.Of(n, "ai-agent")
	hang(t, n, agents.Pod(t))
	cluster.Eventually(t, "a container that is being killed", 90*time.Second, observe.Event(n, "Killing", ""))
	cluster.Consistently(t, "no restart", restartBy, agents.NotRestarted)
}

// Control: without a liveness probe it stays hung.
func TestHungAgentStaysWithoutLiveness(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{"args": hanging["args"], "networkPolicy.enabled": false, "livenessProbe": nil}))
	agents := observe.Of(n, "ai-agent")
	hang(t, n, agents.Pod(t))
	cluster.Eventually(t, "a pod that is not ready", time.Minute, agents.Ready(0))
	cluster.Consistently(t, "no restart", restartBy, agents.NotRestarted)
}

// hang makes a pod answer nothing any more, and returns since when.
func hang(t *testing.T, n *cluster.Namespace, pod corev1.Pod) time.Time {
	t.Helper()
	inject(t, n, pod, "hang")
	return time.Now()
}

// inject starts a fault in a pod that accepts them.
func inject(t *testing.T, n *cluster.Namespace, pod corev1.Pod, fault string) {
	t.Helper()
	err := n.Client().CoreV1().RESTClient().Post().
		AbsPath(fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8000/proxy/faults", n.Name, pod.Name)).
		Param("fault", fault).Do(t.Context()).Error()
	require.NoError(t, err)
}

// A lost dependency removes a pod from the Service within 40 s and does not restart it;
// when the dependency is back, so is the pod.
func TestLostDependencyRemovesPodsFromTheService(t *testing.T) {
	t.Parallel()
	for _, server := range []string{cluster.Redis, cluster.Postgres} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t, server)
			n.Install(t, "ai-agent", profile.Modest().And(profile.OnePod()))
			agents := observe.Of(n, "ai-agent")
			lost := lose(t, n, server)
			cluster.Eventually(t, "no endpoint", 40*time.Second, agents.Endpoints(0))
			t.Logf("from the loss of %s to no endpoint: %s", server, time.Since(lost))
			n.MustKubectl(t, "scale", "deployment", server, "--replicas=1")
			cluster.Eventually(t, "an endpoint again", 90*time.Second, agents.Endpoints(1))
			require.NoError(t, agents.NotRestarted(t.Context()))
		})
	}
}

// Control: with readiness that checks the process only, a pod that cannot work keeps
// getting traffic, for longer than the others were given.
func TestLostDependencyIsIgnoredWithoutReadiness(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, cluster.Redis)
	n.Install(t, "ai-agent", profile.Modest().And(profile.OnePod()).With("readinessProbe.httpGet.path", "/health"))
	agents := observe.Of(n, "ai-agent")
	lose(t, n, cluster.Redis)
	cluster.Consistently(t, "an endpoint", 45*time.Second, agents.Endpoints(1))
}

// lose removes a server, and returns when it was gone: until then it may still answer.
func lose(t *testing.T, n *cluster.Namespace, server string) time.Time {
	t.Helper()
	n.MustKubectl(t, "scale", "deployment", server, "--replicas=0")
	n.MustKubectl(t, "delete", "pods", "--selector=app="+server, "--grace-period=1")
	return time.Now()
}
