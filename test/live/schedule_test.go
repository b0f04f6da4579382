package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// schedule is a schedule with a small pod.
func schedule(when string, further chart.Map) chart.Map {
	all := chart.Map{"schedule": when, "task": "say hello", "resources": chart.Map{"requests": chart.Map{"cpu": "10m", "memory": "32Mi"}}}
	maps.Copy(all, further)
	return all
}

// deadline is after how long the endless run is to be ended.
const deadline = 121 * time.Second

// scheduled is a release with schedules of four kinds, each due every minute. Two have
// runs of two and a half minutes, one forbids that they overlap and one allows it; the
// endless one has a deadline.
func scheduled() chart.Values {
	values := profile.Small().And(overBudget)
	for name, further := range map[string]chart.Map{
		"short":       {"args": chart.List{"run", "--max-tokens=5", "--task=say hello"}, "successfulJobsHistoryLimit": 1},
		"alone":       {"args": chart.List{"run", "--max-tokens=750", "--task=count"}},
		"overlapping": {"args": chart.List{"run", "--max-tokens=750", "--task=count"}, "concurrencyPolicy": "Allow"},
		"endless":     {"args": chart.List{"run", "--max-tokens=9000", "--task=count"}, "activeDeadlineSeconds": deadline.Seconds()},
	} {
		values = values.With("schedules."+name, schedule("* * * * *", further))
	}
	return values
}

// A schedule runs on time, overlaps only where that is allowed, keeps the configured
// number of Jobs, and is ended at its deadline; the Service, the disruption budget and
// the autoscaler do not count its pods.
func TestSchedules(t *testing.T) {
	t.Parallel()
	n := newNamespace(t).Chart(patient(t))
	n.Install(t, "ai-agent", scheduled())
	agents := observe.Of(n, "ai-agent")
	most := map[string]int32{} // runs of a schedule at the same time
	jobs := func(ctx context.Context) (map[string][]batchv1.Job, error) {
		all, err := agents.Jobs(ctx)
		for schedule, jobs := range all {
			active := int32(0)
			for _, job := range jobs {
				active += job.Status.Active
			}
			most[schedule] = max(most[schedule], active)
		}
		return all, err
	}

	var pod corev1.Pod
	runningPod := func(schedule string) cluster.Condition {
		return func(ctx context.Context) error {
			all, err := jobs(ctx)
			if err == nil {
				pod, err = agents.RunningPod(ctx, all[schedule])
			}
			return err
		}
	}
	cluster.Eventually(t, "a long run", 2*time.Minute, runningPod("alone"))
	require.NoError(t, agents.Endpoints(2)(t.Context()))
	require.NoError(t, agents.Budgeted(2)(t.Context()))
	scale, err := n.Client().AppsV1().Deployments(n.Name).GetScale(t.Context(), "ai-agent", metav1.GetOptions{})
	require.NoError(t, err)
	autoscaled, err := labels.Parse(scale.Status.Selector) // with it the autoscaler selects the pods whose usage it reads
	require.NoError(t, err)
	assert.False(t, autoscaled.Matches(labels.Set(pod.Labels)))

	var first, next batchv1.Job
	cluster.Eventually(t, "a completed short run", 2*time.Minute, func(ctx context.Context) error {
		all, err := jobs(ctx)
		for _, first = range all["short"] {
			if first.Status.Succeeded > 0 {
				return nil
			}
		}
		return errors.Join(err, errors.New("no short run has completed"))
	})
	pods, err := agents.PodsOf(t.Context(), first)
	require.NoError(t, err)
	log, err := n.Client().CoreV1().Pods(n.Name).GetLogs(pods[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	assert.Contains(t, string(log), "say hello", "the sample model repeats its task")
	cluster.Eventually(t, "the next short run, which replaces the first Job", 3*time.Minute, func(ctx context.Context) error {
		all, err := jobs(ctx)
		if left := all["short"]; err == nil && (len(left) != 1 || left[0].UID == first.UID) {
			return fmt.Errorf("%d Jobs, or still the first one", len(left))
		}
		if err == nil {
			next = all["short"][0]
		}
		return err
	})
	for _, job := range []batchv1.Job{first, next} {
		due, err := time.Parse(time.RFC3339, job.Annotations[batchv1.CronJobScheduledTimestampAnnotation])
		require.NoError(t, err)
		assert.Zero(t, due.Second(), "due at a full minute")
		assert.Less(t, job.CreationTimestamp.Sub(due), 30*time.Second, "and on time")
	}
	n.MustKubectl(t, "patch", "cronjob", "ai-agent-short", "--patch", `{"spec": {"successfulJobsHistoryLimit": 2}}`)

	cluster.Eventually(t, "the end of an endless run", 5*time.Minute, func(ctx context.Context) error {
		all, err := jobs(ctx)
		if err != nil {
			return err
		}
		for _, job := range all["endless"] {
			if !endedByDeadline(job) {
				continue
			}
			if pods, err := agents.PodsOf(ctx, job); err != nil || len(pods) == 0 {
				return err
			}
		}
		return errors.New("no Job was ended by its deadline and has no pod")
	})
	cluster.Eventually(t, "control: a run without a deadline that takes longer", time.Minute, func(ctx context.Context) error {
		all, err := jobs(ctx)
		for _, job := range all["alone"] {
			if since := time.Since(job.Status.StartTime.Time); since > deadline && job.Status.Failed == 0 {
				return nil
			}
		}
		return errors.Join(err, errors.New("no Job has run for that long"))
	})
	cluster.Eventually(t, "control: two short runs where two are to be kept", 2*time.Minute, func(ctx context.Context) error {
		all, err := jobs(ctx)
		if left := all["short"]; err == nil && (len(left) < 2 || left[0].Status.Succeeded+left[1].Status.Succeeded < 2) {
			err = fmt.Errorf("%d Jobs, or not yet completed", len(left))
		}
		return err
	})
	assert.EqualValues(t, 1, most["alone"], "runs at the same time where that is forbidden")
	assert.Greater(t, most["overlapping"], int32(1), "control: where it is allowed, the same runs overlap")

	// Control: a run's pod with an agent's label is counted.
	cluster.Eventually(t, "a long run to label", time.Minute, runningPod("overlapping"))
	n.MustKubectl(t, "label", "pod", pod.Name, "--overwrite", "app.kubernetes.io/component=server")
	cluster.Eventually(t, "a budget that counts it", time.Minute, agents.Budgeted(3))
	pod.Labels["app.kubernetes.io/component"] = "server"
	assert.True(t, autoscaled.Matches(labels.Set(pod.Labels)))
}

func endedByDeadline(job batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobFailed && condition.Reason == batchv1.JobReasonDeadlineExceeded {
			return true
		}
	}
	return false
}
