package live

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// busyFor is how long each agent uses CPU after its start. The autoscaler adds the first
// pods after 40 to 70 s.
const busyFor = 100 * time.Second

// jitter allows for watch latency.
const jitter = 5 * time.Second

// The autoscaler follows the specified policy in both directions, with real load and in
// real time: it adds at most two pods a minute; it removes none before five quiet
// minutes, and then one pod in two minutes. It stays within its bounds.
func TestHPAFollowsTheSpecifiedPolicy(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Busy(busyFor))
	agents := observe.Of(n, "ai-agent")
	replicas := agents.RecordReplicas(t)
	cluster.Eventually(t, "five replicas", 6*time.Minute, replicas.Reached(5))
	cluster.Eventually(t, "five Ready pods", 2*time.Minute, agents.Ready(5))
	quiet := time.Time{} // since when no pod has been busy
	for _, pod := range agents.Pods(t) {
		if ends := observe.Started(pod).Add(busyFor); ends.After(quiet) {
			quiet = ends
		}
	}
	cluster.Eventually(t, "three replicas again", 15*time.Minute, replicas.AtMost(3))

	history := replicas.History(t)
	t.Logf("quiet since %s; replicas: %v", quiet.Format(time.TimeOnly), history)
	for _, step := range history {
		assert.GreaterOrEqual(t, step.Count, int32(2), "the minimum")
		assert.LessOrEqual(t, step.Count, int32(5), "the maximum")
	}
	up, down := changes(history)
	for _, step := range up {
		added := int32(0)
		for _, other := range up {
			if before := step.At.Sub(other.At); before >= 0 && before < 60*time.Second-jitter {
				added += other.Count
			}
		}
		assert.LessOrEqual(t, added, int32(2), "in the minute up to %s", step)
	}
	require.Equal(t, []int32{-1, -1}, observe.Counts(down))
	// The window starts when five replicas were last needed, which can be before quiet.
	assert.GreaterOrEqual(t, down[0].At.Sub(up[len(up)-1].At), 300*time.Second-jitter, "five minutes after five replicas were needed")
	assert.Less(t, down[0].At.Sub(quiet), 300*time.Second+2*time.Minute, "and not much later, as all are quiet")
	assert.GreaterOrEqual(t, down[1].At.Sub(down[0].At), 120*time.Second-jitter, "one pod in two minutes")
	assert.Less(t, down[1].At.Sub(down[0].At), 120*time.Second+time.Minute, "and not much later")
}

// changes returns how many replicas were added and removed, and when.
func changes(history []observe.Step) (up, down []observe.Step) {
	for i, step := range history[1:] {
		change := observe.Step{At: step.At, Count: step.Count - history[i].Count}
		if change.Count > 0 {
			up = append(up, change)
		} else {
			down = append(down, change)
		}
	}
	return up, down
}

// Control: with Kubernetes' default behavior for scale-up and no window for scale-down,
// all pods are added at once and removed at the first lull.
func TestHPAWithoutBehaviorJumpsAndDrops(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Busy(busyFor))
	n.MustKubectl(t, "patch", "hpa", "ai-agent-hpa", "--patch", // past the chart's rules, which refuse it
		`{"spec": {"behavior": {"scaleUp": null, "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 15}]}}}}`)
	replicas := observe.Of(n, "ai-agent").RecordReplicas(t)
	cluster.Eventually(t, "five replicas", 5*time.Minute, replicas.Reached(5))
	full, grown := time.Now(), replicas.History(t)
	assert.Less(t, grown[len(grown)-1].At.Sub(grown[1].At), 60*time.Second-jitter, "sooner than the policy allows")
	cluster.Eventually(t, "two replicas again", 15*time.Minute, replicas.AtMost(2))
	assert.Less(t, time.Since(full), busyFor+300*time.Second, "sooner than the window allows")
	// In a minute, four more could be removed, were it not for the bounds.
	cluster.Consistently(t, "replicas within the bounds", time.Minute, func(ctx context.Context) error {
		steps, err := replicas.Steps(ctx)
		if counts := observe.Counts(steps); err == nil && (slices.Min(counts) < 2 || slices.Max(counts) > 5) {
			err = fmt.Errorf("replicas: %v", steps)
		}
		return err
	})
}

// Memory alone adds pods.
func TestHPAScalesByMemory(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.MemoryHungry())
	replicas := observe.Of(n, "ai-agent").RecordReplicas(t)
	cluster.Eventually(t, "three replicas", 5*time.Minute, replicas.Reached(3))
}

// Control: the same agents keep their number where CPU is the only target, for longer
// than the others took. Allocating memory costs CPU, on some machines much, so the
// target is more than their limit allows.
func TestHPAIgnoresMemoryWithoutItsTarget(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.MemoryHungry().And(chart.Values{
		"autoscaling.targetCPUUtilizationPercentage": 500, "autoscaling.targetMemoryUtilizationPercentage": nil,
	}))
	agents := observe.Of(n, "ai-agent")
	replicas := agents.RecordReplicas(t)
	cluster.Eventually(t, "agents that use memory", 2*time.Minute, func(ctx context.Context) error {
		usage, err := agents.Usage(ctx)
		if err == nil && (len(usage) < 2 || usage[0].Containers[0].Usage.Memory().Value() < 100<<20) {
			err = fmt.Errorf("usage: %v", usage)
		}
		return err
	})
	cluster.Consistently(t, "two replicas", 2*time.Minute, replicas.Only(2))
}

// Control: the autoscaler reads the pods' own usage: a busy pod's is high, where an idle
// one's is almost nothing.
func TestHPAReadsABusyAgent(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Small().And(chart.Values{
		"args":                        chart.List{"serve", "--fault=burn-cpu"},
		"resources.requests.cpu":      "20m",
		"resources.limits.cpu":        "60m",
		"autoscaling.minReplicas":     1,
		"autoscaling.maxReplicas":     1,
		"podDisruptionBudget.enabled": false,
	}))
	agents := observe.Of(n, "ai-agent")
	cluster.Eventually(t, "CPU over the requests", 2*time.Minute, func(ctx context.Context) error {
		hpa, err := agents.HPA(ctx)
		if err != nil {
			return err
		}
		used, err := observe.Utilization(hpa, "cpu")
		if err == nil && used <= 100 {
			err = fmt.Errorf("the autoscaler reads %d %% CPU", used)
		}
		return err
	})
}
