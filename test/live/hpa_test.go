package live

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"ai-agent/test/internal/cluster"
)

// busyFor is how long each agent burns CPU from its start on.
const busyFor = 150 * time.Second

// busy is a release of two to four agents that are busy at first. Their limit is
// twice their request, so that the autoscaler reads 200 %.
var busy = small.With("args", fmt.Sprintf(`["serve", "--fault=burn-cpu=%s"]`, busyFor)).
	With("resources.limits.cpu", `"100m"`).With("autoscaling.maxReplicas", "4")

// jitter leaves a watch's clock its due: what is seen is seen a little later.
const jitter = 5 * time.Second

// The autoscaler follows the seed's policy both ways, with real load and in real
// time: up by at most two pods a minute; down not before five quiet minutes, and
// then one pod in two minutes. It never leaves its bounds.
func TestHPAFollowsTheSeedsPolicy(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", busy)
	replicas := recordReplicas(t, n)
	cluster.Eventually(t, "four pods", 5*time.Minute, func() error { return reached4(replicas()) })
	cluster.Eventually(t, "four Ready pods", 2*time.Minute, func() error { return ready(t, n, 4) })
	quiet := time.Time{} // since when no pod has been busy
	for _, pod := range n.Pods(t, "ai-agent") {
		if ends := pod.Status.ContainerStatuses[0].State.Running.StartedAt.Add(busyFor); ends.After(quiet) {
			quiet = ends
		}
	}
	cluster.Eventually(t, "two pods again", 15*time.Minute, func() error {
		if seen := replicas(); seen[len(seen)-1].count != 2 {
			return fmt.Errorf("%v", seen)
		}
		return nil
	})

	timeline := replicas()
	t.Logf("quiet from %s on; pods asked for: %v", quiet.Format(time.TimeOnly), timeline)
	var up, down []change
	for i, step := range timeline {
		assert.GreaterOrEqual(t, step.count, int32(2), "the minimum")
		assert.LessOrEqual(t, step.count, int32(4), "the maximum")
		if i == 0 {
			continue
		}
		if by := step.count - timeline[i-1].count; by > 0 {
			assert.LessOrEqual(t, by, int32(2))
			up = append(up, step)
		} else {
			assert.Equal(t, int32(-1), by)
			down = append(down, step)
		}
	}
	require.NotEmpty(t, up)
	require.Len(t, down, 2)
	assert.GreaterOrEqual(t, down[0].at.Sub(quiet), 300*time.Second-jitter, "five quiet minutes")
	assert.Less(t, down[0].at.Sub(quiet), 300*time.Second+2*time.Minute, "and not many more")
	assert.GreaterOrEqual(t, down[1].at.Sub(down[0].at), 120*time.Second-jitter, "one pod in two minutes")
}

// Control: without the window and the policy, a lull of a minute takes the pods.
func TestHPAWithoutWindowDropsAtOnce(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", busy)
	out, err := n.Kubectl(t, "patch", "hpa", "ai-agent-hpa", "--patch", // past the chart, whose guards refuse it
		`{"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 15}]}}}}`)
	require.NoError(t, err, out)
	replicas := recordReplicas(t, n)
	cluster.Eventually(t, "four pods", 5*time.Minute, func() error { return reached4(replicas()) })
	full := time.Now()
	cluster.Eventually(t, "two pods again", busyFor+3*time.Minute, func() error {
		if seen := replicas(); seen[len(seen)-1].count != 2 {
			return fmt.Errorf("%v", seen)
		}
		return nil
	})
	assert.Less(t, time.Since(full), busyFor+300*time.Second, "sooner than the window would have it")
}

func reached4(seen []change) error {
	if slices.Max(counts(seen)) != 4 {
		return fmt.Errorf("%v", seen)
	}
	return nil
}

// change is a number of pods that a Deployment asks for, and since when.
type change struct {
	at    time.Time
	count int32
}

func (c change) String() string { return fmt.Sprintf("%s %d", c.at.Format(time.TimeOnly), c.count) }

func counts(changes []change) []int32 {
	var counts []int32
	for _, change := range changes {
		counts = append(counts, change.count)
	}
	return counts
}

// recordReplicas watches how many pods the Deployment asks for; what it returns
// tells every number so far, each change once.
func recordReplicas(t *testing.T, n *cluster.Namespace) func() []change {
	t.Helper()
	changes, err := n.Client.AppsV1().Deployments(n.Name).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=ai-agent"})
	require.NoError(t, err)
	t.Cleanup(changes.Stop)
	var seen []change
	take := func(event watch.Event) {
		deployment, ok := event.Object.(*appsv1.Deployment)
		if ok && (len(seen) == 0 || seen[len(seen)-1].count != *deployment.Spec.Replicas) {
			seen = append(seen, change{time.Now(), *deployment.Spec.Replicas})
		}
	}
	take(<-changes.ResultChan())
	return func() []change {
		for {
			select {
			case event, open := <-changes.ResultChan():
				require.True(t, open, "the watch ended early")
				take(event)
			default:
				return slices.Clone(seen)
			}
		}
	}
}
