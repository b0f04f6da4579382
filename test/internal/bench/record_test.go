package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/cluster"
)

// A pod that was Ready before the recorder started counts as Ready, and only the CPU that
// it used since then is part of the cost.
func TestRecorderFollowsEarlierPods(t *testing.T) {
	t.Parallel()
	start := time.Now()
	r := &recorder{namespace: new(cluster.Cluster).Existing("live"), start: start, pods: map[types.UID]*life{}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1", CreationTimestamp: metav1.NewTime(start.Add(-time.Minute))},
		Status: corev1.PodStatus{
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(start.Add(-50 * time.Second))}},
			ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start.Add(-55 * time.Second))}}}},
		},
	}
	r.pod(pod)
	const head = "# TYPE pod_cpu_usage_seconds_total counter\n"
	r.addCPU(head + `pod_cpu_usage_seconds_total{namespace="live",pod="a"} 7` + "\n" + `pod_cpu_usage_seconds_total{namespace="other",pod="a"} 100` + "\n")
	r.addCPU(head + `pod_cpu_usage_seconds_total{namespace="live",pod="a"} 9.5` + "\n")
	pod = pod.DeepCopy()
	pod.DeletionTimestamp = &metav1.Time{Time: start}
	r.podGone(pod)

	var s Scenario
	r.fill(&s)
	assert.InDelta(t, -60, s.Pods[0].Created, 1)
	assert.InDelta(t, -50, s.Pods[0].Ready, 1)
	assert.NotZero(t, s.Pods[0].Deleted)
	assert.InDelta(t, 2.5, s.Cost.CPUSeconds, 0.001)
	ready := []int{s.Scaling[0].Ready, s.Scaling[len(s.Scaling)-1].Ready}
	assert.Equal(t, []int{1, 0}, ready)
}

// A pod that is created now was created after what happened before, although the times in its
// object are whole seconds.
func TestRecorderKnowsWhichPodsAreNew(t *testing.T) {
	t.Parallel()
	start := time.Now().Add(-time.Minute)
	r := &recorder{namespace: new(cluster.Cluster).Existing("live"), start: start, pods: map[types.UID]*life{}}
	disturbed := r.since(time.Now())
	second := metav1.NewTime(time.Now().Truncate(time.Second))
	r.pod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1", CreationTimestamp: second},
		Status: corev1.PodStatus{
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: second}},
			ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: second}}}},
		},
	})
	pod := r.pods["1"].Pod
	assert.GreaterOrEqual(t, pod.Created, disturbed)
	assert.GreaterOrEqual(t, pod.Started, pod.Created)
	assert.GreaterOrEqual(t, pod.Ready, pod.Started)
}

// The runs in flight are those whose start was seen before the disturbance, even if no end
// was seen; a run that was refused has no start.
func TestScenarioCountsRunsByWhatClientsSaw(t *testing.T) {
	t.Parallel()
	s := Scenario{Started: time.Now(), Disturbed: 10}
	at := func(seconds float64) time.Time { return s.Started.Add(time.Duration(seconds * float64(time.Second))) }
	done := &output.End{Outcome: output.Done, Tokens: 5}
	s.fill([]output.Load{
		{Event: output.Started, Kind: output.Stream, At: at(1), Pod: "a"},
		{Event: output.Ended, Kind: output.Stream, At: at(8), End: done},
		{Event: output.Started, Kind: output.Stream, Number: 1, At: at(9), Pod: "b"},
		{Event: output.Started, Kind: output.GRPC, At: at(2), Pod: "a"}, // whose end is missing
		{Event: output.Ended, Kind: output.Stream, Number: 1, At: at(20), End: done},
		{Event: output.Ended, Kind: output.Poll, At: at(12), End: &output.End{Outcome: output.Refused}},
		{Event: output.Started, Kind: output.Poll, Number: 1, At: at(13)}, // whose pod its answer names
		{Event: output.Ended, Kind: output.Poll, Number: 1, At: at(20), Pod: "c", End: done},
		{Event: output.Requested, Kind: output.Request, At: at(11), Sent: &output.Sent{Sent: 3, Failed: 1, Why: "refused"}},
	})
	assert.Equal(t, 2, s.InFlight)
	assert.Len(t, s.Runs, 4)
	assert.Equal(t, "c", s.Runs[3].Pod)
	assert.Equal(t, []bool{true, false, false}, []bool{s.Before(s.Runs[0]), s.Before(s.Runs[1]), s.Before(s.Runs[2])})
	assert.Equal(t, "b", s.Runs[1].Pod)
	assert.InDelta(t, 9, s.Runs[1].Start, 0.001)
	assert.Equal(t, []Requests{{output.Request, 11, 3, 1, "refused"}}, s.Requests)
	assert.Equal(t, []string{"clients recorded no end of 1 runs"}, s.Verdict().Invalid)
}
