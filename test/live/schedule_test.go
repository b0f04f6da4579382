package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// each is a schedule of every minute.
func each(further string) string {
	return `{"schedule": "* * * * *", "task": "say hello", "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}` + further + `}`
}

// A schedule runs on time and leaves as many Jobs as it is told to.
func TestScheduleRuns(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Model)
	n.Install(t, "ai-agent", small.With("schedules.hello", each(`, "successfulJobsHistoryLimit": 1`)))
	first := completed(t, n, 1)
	pods, err := n.Client.CoreV1().Pods(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + first.Name})
	require.NoError(t, err)
	require.Len(t, pods.Items, 1)
	log, err := n.Client.CoreV1().Pods(n.Name).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	assert.Contains(t, string(log), "You asked: say hello")

	cluster.Eventually(t, "the next one in its place", 3*time.Minute, func() error {
		jobs := jobsOf(t, n)
		if len(jobs) != 1 || jobs[0].UID == first.UID {
			return fmt.Errorf("%d Jobs, the first of them %s", len(jobs), jobs[0].Name)
		}
		return nil
	})
}

// While a schedule's pod runs, neither the Service nor the budget nor the
// autoscaler counts it. Control: labelled as an agent, it is counted.
func TestSchedulesPodIsNobodys(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Model)
	longAnswers(t, n)
	n.Install(t, "ai-agent", small.And(chart.Values{"schedules.long": each(""), "config.MAX_TOKENS": "4800"})) // four minutes
	var pod corev1.Pod
	cluster.Eventually(t, "a schedule's pod", 2*time.Minute, func() error {
		pods, err := n.Client.CoreV1().Pods(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=schedule"})
		if err == nil && (len(pods.Items) == 0 || pods.Items[0].Status.Phase != corev1.PodRunning) {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		if err == nil {
			pod = pods.Items[0]
		}
		return err
	})
	require.NoError(t, endpoints(t, n, 2))
	require.NoError(t, budgeted(t, n, 2))
	scale, err := n.Client.AppsV1().Deployments(n.Name).GetScale(t.Context(), "ai-agent", metav1.GetOptions{})
	require.NoError(t, err)
	autoscaled, err := labels.Parse(scale.Status.Selector) // by which the autoscaler finds the pods whose use it reads
	require.NoError(t, err)
	assert.False(t, autoscaled.Matches(labels.Set(pod.Labels)))

	out, err := n.Kubectl(t, "label", "pod", pod.Name, "--overwrite", "app.kubernetes.io/component=server")
	require.NoError(t, err, out)
	cluster.Eventually(t, "a budget that counts it", time.Minute, func() error { return budgeted(t, n, 3) })
	pod.Labels["app.kubernetes.io/component"] = "server"
	assert.True(t, autoscaled.Matches(labels.Set(pod.Labels)))
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

// Runs longer than the time between them never overlap.
func TestScheduleForbidsOverlap(t *testing.T) {
	t.Parallel()
	most := overlap(t, each(""))
	assert.Equal(t, 1, most)
}

// Control: allowed to, they do.
func TestScheduleOverlapsWhereAllowed(t *testing.T) {
	t.Parallel()
	most := overlap(t, each(`, "concurrencyPolicy": "Allow"`))
	assert.Greater(t, most, 1)
}

// overlap watches a schedule whose runs take more than two minutes, and returns
// the largest number of them at once.
func overlap(t *testing.T, schedule string) int {
	t.Helper()
	n := kind.Namespace(t, cluster.Model)
	longAnswers(t, n)
	n.Install(t, "ai-agent", alone(chart.Values{"schedules.long": schedule, "config.MAX_TOKENS": "3000"}))
	most := 0
	for end := time.Now().Add(150 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		active := 0
		for _, job := range jobsOf(t, n) {
			active += int(job.Status.Active)
		}
		most = max(most, active)
	}
	return most
}

// A run that does not end is ended at the Job's deadline, and the Job says why.
func TestScheduleEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Model)
	longAnswers(t, n)
	n.Install(t, "ai-agent", alone(overBudget).And(chart.Values{
		"schedules.long": each(`, "activeDeadlineSeconds": 121, "concurrencyPolicy": "Forbid"`), "config.MAX_TOKENS": "100000",
	}))
	cluster.Eventually(t, "a failed Job", 5*time.Minute, func() error {
		for _, job := range jobsOf(t, n) {
			for _, condition := range job.Status.Conditions {
				if condition.Type == batchv1.JobFailed && condition.Reason == batchv1.JobReasonDeadlineExceeded {
					return nil
				}
			}
		}
		return fmt.Errorf("%d Jobs, none failed by its deadline", len(jobsOf(t, n)))
	})
}

func jobsOf(t *testing.T, n *cluster.Namespace) []batchv1.Job {
	t.Helper()
	jobs, err := n.Client.BatchV1().Jobs(n.Name).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return jobs.Items
}

// completed waits for so many completed Jobs and returns one of them.
func completed(t *testing.T, n *cluster.Namespace, want int) batchv1.Job {
	t.Helper()
	var done []batchv1.Job
	cluster.Eventually(t, "a completed Job", 2*time.Minute, func() error {
		done = nil
		for _, job := range jobsOf(t, n) {
			if job.Status.Succeeded > 0 {
				done = append(done, job)
			}
		}
		if len(done) < want {
			return fmt.Errorf("%d completed", len(done))
		}
		return nil
	})
	return done[0]
}
