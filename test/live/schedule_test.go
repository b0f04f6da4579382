package live

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/cluster"
)

// schedule is a schedule of a small pod.
func schedule(when, further string) string {
	return fmt.Sprintf(`{"schedule": %q, "task": "say hello", "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}%s}`, when, further)
}

// deadline is when the endless run is to be ended.
const deadline = 121 * time.Second

// scheduled is a release with a schedule of each kind, all of them every minute.
// The long ones, of two minutes and a half, differ in what they let run beside
// them; the endless one has a deadline.
var scheduled = small.And(overBudget).
	With("schedules.short", schedule("* * * * *", `, "args": ["run", "--max-tokens=5", "--task=say hello"], "successfulJobsHistoryLimit": 1`)).
	With("schedules.alone", schedule("* * * * *", `, "args": ["run", "--max-tokens=750", "--task=count"]`)).
	With("schedules.beside", schedule("* * * * *", `, "args": ["run", "--max-tokens=750", "--task=count"], "concurrencyPolicy": "Allow"`)).
	With("schedules.endless", schedule("* * * * *", `, "args": ["run", "--max-tokens=9000", "--task=count"], "activeDeadlineSeconds": `+fmt.Sprint(deadline.Seconds())))

// A schedule runs on time, overlaps only where that is allowed, leaves as many
// Jobs as it is told to, and is ended at its deadline; while its pod runs, neither
// the Service nor the budget nor the autoscaler counts it.
func TestSchedules(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", scheduled)
	most := map[string]int32{} // runs of a schedule at once
	jobs := func(name string) (found []batchv1.Job) {
		list, err := n.Client.BatchV1().Jobs(n.Name).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		active := map[string]int32{}
		for _, job := range list.Items {
			owner := job.OwnerReferences[0].Name
			active[owner] += job.Status.Active
			most[owner] = max(most[owner], active[owner])
			if owner == "ai-agent-"+name {
				found = append(found, job)
			}
		}
		return found
	}

	var pod corev1.Pod
	cluster.Eventually(t, "a long run", 2*time.Minute, func() error {
		for _, job := range jobs("alone") {
			for _, candidate := range podsOf(t, n, job) {
				if candidate.Status.Phase == corev1.PodRunning {
					pod = candidate
					return nil
				}
			}
		}
		return errors.New("none runs")
	})
	require.NoError(t, endpoints(t, n, 2))
	require.NoError(t, budgeted(t, n, 2))
	scale, err := n.Client.AppsV1().Deployments(n.Name).GetScale(t.Context(), "ai-agent", metav1.GetOptions{})
	require.NoError(t, err)
	autoscaled, err := labels.Parse(scale.Status.Selector) // by which the autoscaler finds the pods whose use it reads
	require.NoError(t, err)
	assert.False(t, autoscaled.Matches(labels.Set(pod.Labels)))

	var first batchv1.Job
	cluster.Eventually(t, "a completed short run", 2*time.Minute, func() error {
		for _, first = range jobs("short") {
			if first.Status.Succeeded > 0 {
				return nil
			}
		}
		return errors.New("none completed")
	})
	log, err := n.Client.CoreV1().Pods(n.Name).GetLogs(podsOf(t, n, first)[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	assert.Contains(t, string(log), "You asked: say hello")
	var next batchv1.Job
	cluster.Eventually(t, "the next short run in its place", 3*time.Minute, func() error {
		left := jobs("short")
		if len(left) != 1 || left[0].UID == first.UID {
			return fmt.Errorf("%d Jobs, or still the first one", len(left))
		}
		next = left[0]
		return nil
	})
	for _, job := range []batchv1.Job{first, next} {
		due, err := time.Parse(time.RFC3339, job.Annotations[batchv1.CronJobScheduledTimestampAnnotation])
		require.NoError(t, err)
		assert.Zero(t, due.Second(), "due at a whole minute")
		assert.Less(t, job.CreationTimestamp.Sub(due), 30*time.Second, "and on time")
	}
	n.MustKubectl(t, "patch", "cronjob", "ai-agent-short", "--patch", `{"spec": {"successfulJobsHistoryLimit": 2}}`)

	cluster.Eventually(t, "the end of an endless run", 5*time.Minute, func() error {
		for _, job := range jobs("endless") {
			for _, condition := range job.Status.Conditions {
				if condition.Type == batchv1.JobFailed && condition.Reason == batchv1.JobReasonDeadlineExceeded && len(podsOf(t, n, job)) == 0 {
					return nil
				}
			}
		}
		return errors.New("no Job failed by its deadline and left no pod")
	})
	cluster.Eventually(t, "control: without a deadline a run goes on for longer", time.Minute, func() error {
		job := jobs("alone")[0]
		if since := time.Since(job.Status.StartTime.Time); since <= deadline || job.Status.Failed > 0 {
			return fmt.Errorf("after %s: %+v", since, job.Status)
		}
		return nil
	})
	cluster.Eventually(t, "control: two short runs where as many are to be left", 2*time.Minute, func() error {
		if left := jobs("short"); len(left) < 2 || left[0].Status.Succeeded+left[1].Status.Succeeded < 2 {
			return fmt.Errorf("%d Jobs, or not yet completed", len(left))
		}
		return nil
	})
	assert.EqualValues(t, 1, most["ai-agent-alone"], "runs at once where that is forbidden")
	assert.Greater(t, most["ai-agent-beside"], int32(1), "control: where it is allowed, the same runs overlap")

	// Control: a run's pod that is labelled as an agent is counted.
	cluster.Eventually(t, "a long run to label", time.Minute, func() error {
		for _, job := range jobs("beside") {
			if job.Status.Active > 0 {
				pod = podsOf(t, n, job)[0]
				return nil
			}
		}
		return errors.New("none runs")
	})
	n.MustKubectl(t, "label", "pod", pod.Name, "--overwrite", "app.kubernetes.io/component=server")
	cluster.Eventually(t, "a budget that counts it", time.Minute, func() error { return budgeted(t, n, 3) })
	pod.Labels["app.kubernetes.io/component"] = "server"
	assert.True(t, autoscaled.Matches(labels.Set(pod.Labels)))
}

func podsOf(t *testing.T, n *cluster.Namespace, job batchv1.Job) []corev1.Pod {
	t.Helper()
	pods, err := n.Client.CoreV1().Pods(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name})
	require.NoError(t, err)
	return pods.Items
}

// budgeted reports whether the disruption budget counts so many pods.
func budgeted(t *testing.T, n *cluster.Namespace, want int32) error {
	t.Helper()
	budget, err := n.Client.PolicyV1().PodDisruptionBudgets(n.Name).Get(t.Context(), "ai-agent", metav1.GetOptions{})
	if err == nil && budget.Status.ExpectedPods != want {
		err = fmt.Errorf("the budget counts %d pods, not %d", budget.Status.ExpectedPods, want)
	}
	return err
}
