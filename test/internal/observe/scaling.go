package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"example.com/ai-agent/test/internal/cluster"
)

// HPA returns the release's HorizontalPodAutoscaler.
func (r *Release) HPA(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return r.namespace.Client().AutoscalingV2().HorizontalPodAutoscalers(r.namespace.Name).Get(ctx, r.fullname+"-hpa", metav1.GetOptions{})
}

// RolledOut holds if the last rollout of the release was complete this long ago.
func (r *Release) RolledOut(ago time.Duration) cluster.Condition {
	return func(ctx context.Context) error {
		deployment, err := r.namespace.Client().AppsV1().Deployments(r.namespace.Name).Get(ctx, r.fullname, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range deployment.Status.Conditions {
			if condition.Reason == "NewReplicaSetAvailable" && time.Since(condition.LastUpdateTime.Time) > ago {
				return nil
			}
		}
		return fmt.Errorf("the rollout of %s was not complete %s ago", r.fullname, ago)
	}
}

// Utilization returns what an autoscaler last read of a resource, in percent of the
// requests.
func Utilization(hpa *autoscalingv2.HorizontalPodAutoscaler, name corev1.ResourceName) (int32, error) {
	for _, metric := range hpa.Status.CurrentMetrics {
		if metric.Resource != nil && metric.Resource.Name == name && metric.Resource.Current.AverageUtilization != nil {
			return *metric.Resource.Current.AverageUtilization, nil
		}
	}
	return 0, fmt.Errorf("the autoscaler has not read %s", name)
}

// Usage returns the CPU and memory of the release's pods, as the metrics API has them.
func (r *Release) Usage(ctx context.Context) ([]v1beta1.PodMetrics, error) {
	list, err := r.namespace.Metrics().MetricsV1beta1().PodMetricses(r.namespace.Name).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=server,app.kubernetes.io/instance=" + r.name,
	})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Step is a number of replicas that a Deployment asks for, and since when.
type Step struct {
	At    time.Time
	Count int32
}

func (s Step) String() string { return fmt.Sprintf("%s %d", s.At.Format(time.TimeOnly), s.Count) }

// Counts returns the numbers alone.
func Counts(steps []Step) []int32 {
	var counts []int32
	for _, step := range steps {
		counts = append(counts, step.Count)
	}
	return counts
}

// Replicas is the history of how many replicas a release's Deployment asked for.
type Replicas struct {
	current func(context.Context) (*appsv1.Deployment, error)

	lock    sync.Mutex
	steps   []Step
	version string // resource version of the last event
}

// RecordReplicas watches the release's Deployment from now until the test ends.
func (r *Release) RecordReplicas(t *testing.T) *Replicas {
	t.Helper()
	deployments := r.namespace.Client().AppsV1().Deployments(r.namespace.Name)
	changes, err := deployments.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + r.fullname})
	require.NoError(t, err)
	t.Cleanup(changes.Stop)
	replicas := &Replicas{current: func(ctx context.Context) (*appsv1.Deployment, error) {
		return deployments.Get(ctx, r.fullname, metav1.GetOptions{})
	}}
	go func() {
		for event := range changes.ResultChan() {
			if deployment, ok := event.Object.(*appsv1.Deployment); ok {
				replicas.add(deployment)
			}
		}
	}()
	return replicas
}

func (r *Replicas) add(deployment *appsv1.Deployment) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.version = deployment.ResourceVersion
	if count := *deployment.Spec.Replicas; len(r.steps) == 0 || r.steps[len(r.steps)-1].Count != count {
		r.steps = append(r.steps, Step{time.Now(), count})
	}
}

// Steps returns the history up to now. It fails while the watch is behind.
func (r *Replicas) Steps(ctx context.Context) ([]Step, error) {
	now, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	have, err := resourceversion.CompareResourceVersion(cmp.Or(r.version, "1"), now.ResourceVersion)
	if err == nil && have < 0 {
		err = cluster.NotYet(fmt.Errorf("the watch has version %s of the Deployment, not yet %s", r.version, now.ResourceVersion))
	}
	return slices.Clone(r.steps), err
}

// History returns the history up to now, once the watch has all of it.
func (r *Replicas) History(t *testing.T) (steps []Step) {
	t.Helper()
	cluster.Eventually(t, "a watch that is up to date", time.Minute, func(ctx context.Context) (err error) {
		steps, err = r.Steps(ctx)
		return err
	})
	return steps
}

// Reached holds if the Deployment has asked for this number of replicas.
func (r *Replicas) Reached(count int32) cluster.Condition {
	return r.holds(func(seen []int32) bool { return slices.Contains(seen, count) })
}

// AtMost holds if the Deployment now asks for this number of replicas or fewer.
func (r *Replicas) AtMost(count int32) cluster.Condition {
	return r.holds(func(seen []int32) bool { return seen[len(seen)-1] <= count })
}

// Only holds if the Deployment has asked for these numbers, in this order.
func (r *Replicas) Only(counts ...int32) cluster.Condition {
	return r.holds(func(seen []int32) bool { return slices.Equal(seen, counts) })
}

func (r *Replicas) holds(condition func(counts []int32) bool) cluster.Condition {
	return func(ctx context.Context) error {
		steps, err := r.Steps(ctx)
		if err == nil && (len(steps) == 0 || !condition(Counts(steps))) {
			err = fmt.Errorf("replicas so far: %v", steps)
		}
		return err
	}
}
