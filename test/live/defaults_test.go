package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// The chart with its default values, in a namespace that enforces "restricted".
func TestDefaults(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, cluster.EveryServer...)
	n.Install(t, "ai-agent", nil)
	agents := observe.Of(n, "ai-agent")

	t.Run("two pods are Ready without a restart", func(t *testing.T) {
		cluster.Eventually(t, "two Ready pods, the autoscaler's minimum", 2*time.Minute, agents.Ready(2))
		require.NoError(t, agents.NotRestarted(t.Context()))
		for _, pod := range agents.Pods(t) {
			t.Logf("%s was Ready %s after its container started", pod.Name, observe.ReadySince(pod).Sub(observe.Started(pod)))
		}
	})

	t.Run("the autoscaler counts two pods and reads their CPU and memory", func(t *testing.T) {
		cluster.Eventually(t, "an autoscaler that has read both", 2*time.Minute, func(ctx context.Context) error {
			hpa, err := agents.HPA(ctx)
			if err != nil {
				return err
			}
			if hpa.Status.CurrentReplicas != 2 {
				return fmt.Errorf("%d replicas", hpa.Status.CurrentReplicas)
			}
			_, cpu := observe.Utilization(hpa, "cpu")
			_, memory := observe.Utilization(hpa, "memory")
			return errors.Join(cpu, memory)
		})
		usage, err := agents.Usage(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, usage)
		for _, pod := range usage {
			assert.Positive(t, pod.Containers[0].Usage.Memory().Value(), pod.Name)
		}
	})

	t.Run("the kubelet has seen each probe succeed and no liveness probe fail", func(t *testing.T) {
		for _, pod := range agents.Pods(t) {
			for _, probe := range []string{"Startup", "Readiness", "Liveness"} {
				cluster.Eventually(t, "a successful probe", time.Minute, probed(agents, pod, probe, "successful"))
			}
			failed, err := agents.Probes(t.Context(), pod, "Liveness", "failed")
			require.NoError(t, err)
			assert.Zero(t, failed, pod.Name)
		}
	})

	t.Run("the Service routes a client on another node to a pod", func(t *testing.T) {
		const tokens = 7
		runs := prober.Ask(t, n, prober.Run{Node: nodeWithout(t, agents.Nodes(t)), URL: serviceURL, Task: "say hello", MaxTokens: tokens})
		requireDone(t, runs, tokens)
		assert.Equal(t, 1, agents.AllRuns(t, "completed"))
	})
}

// Control: a pod that is not ready gets no traffic; the kubelet sees its readiness
// probe fail and does not restart it.
func TestUnreadyPodGetsNoTraffic(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.InstallNoWait(t, "ai-agent", profile.Single(chart.Values{
		"args":                  chart.List{"serve", "--fault=not-ready"},
		"networkPolicy.enabled": false, // or the policy could be what blocks the client
	}))
	agents := observe.Of(n, "ai-agent")
	cluster.Eventually(t, "a failed readiness probe", time.Minute, func(ctx context.Context) error {
		return agents.Each(func(pod corev1.Pod) error { return probed(agents, pod, "Readiness", "failed")(ctx) })(ctx)
	})
	run := prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "say hello", Settled: true})[0]
	assert.Equal(t, output.Unreachable, run.Outcome, run.Error)
	require.NoError(t, agents.Ready(0)(t.Context()))
	require.NoError(t, agents.NotRestarted(t.Context()))
}

// probed holds once the kubelet has counted a result of a probe.
func probed(agents *observe.Release, pod corev1.Pod, probe, result string) cluster.Condition {
	return func(ctx context.Context) error {
		count, err := agents.Probes(ctx, pod, probe, result)
		if err == nil && count == 0 {
			err = fmt.Errorf("no %s probe of %s is %s yet", probe, pod.Name, result)
		}
		return err
	}
}

// nodeWithout returns a worker that is none of these nodes.
func nodeWithout(t *testing.T, nodes []string) string {
	t.Helper()
	free := slices.DeleteFunc(workers(t), func(worker string) bool { return slices.Contains(nodes, worker) })
	require.NotEmpty(t, free, "every worker has a pod")
	return free[0]
}
