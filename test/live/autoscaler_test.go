package live

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// busyFor is how long each agent burns CPU from its start on.
const busyFor = 120 * time.Second

// busy is a release of two to five agents that are busy at first. Their limit is
// more than twice their request, so that the autoscaler reads much even where the
// machine has little to give; and it is small, for two cores have all tests, but
// not so small that what an idle agent takes would count.
var busy = small.And(chart.Values{
	"args": fmt.Sprintf(`["serve", "--fault=burn-cpu=%s"]`, busyFor), "autoscaling.maxReplicas": "5",
	"resources.requests.cpu": `"15m"`, "resources.limits.cpu": `"40m"`,
})

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
	cluster.Eventually(t, "five pods", 6*time.Minute, func() error { return grownTo(5, replicas()) })
	cluster.Eventually(t, "five Ready pods", 2*time.Minute, func() error { return ready(t, n, 5) })
	quiet := time.Time{} // since when no pod has been busy
	for _, pod := range n.Pods(t, "ai-agent") {
		if ends := pod.Status.ContainerStatuses[0].State.Running.StartedAt.Add(busyFor); ends.After(quiet) {
			quiet = ends
		}
	}
	cluster.Eventually(t, "two pods fewer", 15*time.Minute, func() error {
		if seen := replicas(); seen[len(seen)-1].count > 3 {
			return fmt.Errorf("%v", seen)
		}
		return nil
	})

	timeline := replicas()
	t.Logf("quiet from %s on; pods asked for: %v", quiet.Format(time.TimeOnly), timeline)
	var up, down []change // by how much
	for i, step := range timeline {
		assert.GreaterOrEqual(t, step.count, int32(2), "the minimum")
		assert.LessOrEqual(t, step.count, int32(5), "the maximum")
		if i == 0 {
			continue
		}
		if by := step.count - timeline[i-1].count; by > 0 {
			up = append(up, change{step.at, by})
		} else {
			down = append(down, change{step.at, by})
		}
	}
	for _, step := range up {
		grown := int32(0)
		for _, other := range up {
			if before := step.at.Sub(other.at); before >= 0 && before < 60*time.Second-jitter {
				grown += other.count
			}
		}
		assert.LessOrEqual(t, grown, int32(2), "in the minute up to %s", step)
	}
	require.Equal(t, []int32{-1, -1}, counts(down))
	// Until quiet, the busy ones may already be too few to ask for as many.
	assert.GreaterOrEqual(t, down[0].at.Sub(up[len(up)-1].at), 300*time.Second-jitter, "five minutes since so many were asked for")
	assert.Less(t, down[0].at.Sub(quiet), 300*time.Second+2*time.Minute, "and not many more, all of them quiet")
	assert.GreaterOrEqual(t, down[1].at.Sub(down[0].at), 120*time.Second-jitter, "one pod in two minutes")
	assert.Less(t, down[1].at.Sub(down[0].at), 120*time.Second+time.Minute, "and not much later")
}

// Control: with Kubernetes' own behaviour up and no window down, all pods come at
// once and go with the first lull.
func TestHPAWithoutBehaviorJumpsAndDrops(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", busy)
	out, err := n.Kubectl(t, "patch", "hpa", "ai-agent-hpa", "--patch", // past the chart, whose guards refuse it
		`{"spec": {"behavior": {"scaleUp": null, "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 15}]}}}}`)
	require.NoError(t, err, out)
	replicas := recordReplicas(t, n)
	cluster.Eventually(t, "five pods", 5*time.Minute, func() error { return grownTo(5, replicas()) })
	full, grown := time.Now(), replicas()
	assert.Less(t, grown[len(grown)-1].at.Sub(grown[1].at), 60*time.Second-jitter, "sooner than the policy would have it")
	cluster.Eventually(t, "two pods again", 15*time.Minute, func() error {
		if seen := replicas(); seen[len(seen)-1].count != 2 {
			return fmt.Errorf("%v", seen)
		}
		return nil
	})
	assert.Less(t, time.Since(full), busyFor+300*time.Second, "sooner than the window would have it")
	time.Sleep(time.Minute) // in which four times one would do
	assert.EqualValues(t, 2, slices.Min(counts(replicas())), "the minimum holds")
	assert.EqualValues(t, 5, slices.Max(counts(replicas())), "the maximum held")
}

// full is a release of two or three agents that take and keep more memory than
// their target, and that no CPU scales. They may use four times the CPU they request.
var full = small.And(chart.Values{
	"args": `["serve", "--fault=grow-memory=8s"]`, "autoscaling.maxReplicas": "3", "autoscaling.targetCPUUtilizationPercentage": "null",
	"resources.limits.cpu": `"200m"`,
})

// Memory alone brings pods.
func TestHPAScalesByMemory(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", full)
	replicas := recordReplicas(t, n)
	cluster.Eventually(t, "three pods", 5*time.Minute, func() error { return grownTo(3, replicas()) })
}

// Control: the same agents where CPU is all that is looked at stay as many as
// they are, for longer than the others took. To take memory costs CPU, on some
// machines much, so the target is more than their limit lets them use.
func TestHPAIgnoresMemoryWithoutItsTarget(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", full.And(chart.Values{
		"autoscaling.targetCPUUtilizationPercentage": "500", "autoscaling.targetMemoryUtilizationPercentage": "null",
	}))
	replicas := recordReplicas(t, n)
	cluster.Eventually(t, "agents that hold memory", 2*time.Minute, func() error {
		readings, err := n.Metrics.MetricsV1beta1().PodMetricses(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "app=ai-agent"})
		if err == nil && (len(readings.Items) < 2 || readings.Items[0].Containers[0].Usage.Memory().Value() < 100<<20) {
			err = fmt.Errorf("%v", readings.Items)
		}
		return err
	})
	time.Sleep(2 * time.Minute)
	assert.Equal(t, []int32{2}, counts(replicas()))
}

func grownTo(count int32, seen []change) error {
	if slices.Max(counts(seen)) != count {
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
// tells every number so far, each change once and when it was seen.
func recordReplicas(t *testing.T, n *cluster.Namespace) func() []change {
	t.Helper()
	deployments := n.Client.AppsV1().Deployments(n.Name)
	changes, err := deployments.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=ai-agent"})
	require.NoError(t, err)
	t.Cleanup(changes.Stop)
	var (
		lock sync.Mutex
		seen []change
		last string // resource version
	)
	go func() {
		for event := range changes.ResultChan() {
			deployment, ok := event.Object.(*appsv1.Deployment)
			if !ok {
				continue
			}
			lock.Lock()
			if count := *deployment.Spec.Replicas; len(seen) == 0 || seen[len(seen)-1].count != count {
				seen = append(seen, change{time.Now(), count})
			}
			last = deployment.ResourceVersion
			lock.Unlock()
		}
	}()
	return func() []change {
		now, err := deployments.Get(t.Context(), "ai-agent", metav1.GetOptions{})
		require.NoError(t, err)
		var copied []change
		cluster.Eventually(t, "the watch to have come as far", time.Minute, func() error {
			lock.Lock()
			defer lock.Unlock()
			have, err := resourceversion.CompareResourceVersion(cmp.Or(last, "1"), now.ResourceVersion)
			if err == nil && have < 0 {
				err = fmt.Errorf("at %s, not yet at %s", last, now.ResourceVersion)
			}
			copied = slices.Clone(seen)
			return err
		})
		return copied
	}
}
