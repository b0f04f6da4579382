// Package observe reads the state of a release in a cluster. Functions that take a
// test fail it when the API does not answer. Conditions are for cluster.Eventually and
// cluster.Consistently, and return every error.
package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/internal/cluster"
)

// Release is a release of the chart ai-agent in a namespace.
type Release struct {
	namespace *cluster.Namespace
	name      string
	fullname  string // of the chart's objects
}

// Of returns a release, which need not exist yet.
func Of(n *cluster.Namespace, release string) *Release {
	fullname := release // as the template ai-agent.fullname has it
	if !strings.Contains(release, "ai-agent") {
		fullname += "-ai-agent"
	}
	return &Release{namespace: n, name: release, fullname: strings.TrimSuffix(fullname[:min(len(fullname), 53)], "-")}
}

// ListPods returns the pods that serve the release.
func (r *Release) ListPods(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := r.namespace.Client().CoreV1().Pods(r.namespace.Name).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=server,app.kubernetes.io/instance=" + r.name,
	})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

// Pods returns the pods that serve the release.
func (r *Release) Pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := r.ListPods(t.Context())
	require.NoError(t, err)
	return pods
}

// Pod returns the only pod that serves the release.
func (r *Release) Pod(t *testing.T) corev1.Pod {
	t.Helper()
	pods := r.Pods(t)
	require.Len(t, pods, 1)
	return pods[0]
}

// UIDs returns the UIDs of the serving pods that are not terminating, sorted.
func (r *Release) UIDs(t *testing.T) []types.UID {
	t.Helper()
	uids, err := r.uids(t.Context())
	require.NoError(t, err)
	return uids
}

func (r *Release) uids(ctx context.Context) ([]types.UID, error) {
	pods, err := r.ListPods(ctx)
	var uids []types.UID
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil {
			uids = append(uids, pod.UID)
		}
	}
	slices.Sort(uids)
	return uids, err
}

// Each holds if the release has pods and the check of each one passes.
func (r *Release) Each(check func(corev1.Pod) error) cluster.Condition {
	return func(ctx context.Context) error {
		pods, err := r.ListPods(ctx)
		if err == nil && len(pods) == 0 {
			err = errors.New("no pods")
		}
		for _, pod := range pods {
			err = errors.Join(err, check(pod))
		}
		return err
	}
}

// Ready holds if exactly this number of pods is Ready.
func (r *Release) Ready(want int) cluster.Condition {
	return func(ctx context.Context) error {
		pods, err := r.ListPods(ctx)
		if err != nil {
			return err
		}
		ready := slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return !IsReady(pod) })
		if len(ready) != want {
			return fmt.Errorf("%d Ready pods, expected %d", len(ready), want)
		}
		return nil
	}
}

// Restarted holds if a container of the release was restarted.
func (r *Release) Restarted(ctx context.Context) error {
	pods, err := r.ListPods(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return Restarts(pod) > 0 }) {
		return nil
	}
	return fmt.Errorf("no restart of %d pods", len(pods))
}

// NotRestarted holds if the release has pods and none was restarted.
func (r *Release) NotRestarted(ctx context.Context) error {
	return r.Each(func(pod corev1.Pod) error {
		if count := Restarts(pod); count > 0 {
			return fmt.Errorf("%s was restarted %d times", pod.Name, count)
		}
		return nil
	})(ctx)
}

// Replaced holds if no pod is one of those before, terminating ones aside.
func (r *Release) Replaced(before []types.UID) cluster.Condition {
	return func(ctx context.Context) error {
		uids, err := r.uids(ctx)
		if err == nil && slices.ContainsFunc(uids, func(uid types.UID) bool { return slices.Contains(before, uid) }) {
			err = errors.New("an old pod is not terminating")
		}
		return err
	}
}

// Gone holds if none of these pods runs any more.
func (r *Release) Gone(old []types.UID) cluster.Condition {
	return func(ctx context.Context) error {
		pods, err := r.ListPods(ctx)
		for _, pod := range pods {
			if slices.Contains(old, pod.UID) && pod.Status.Phase == corev1.PodRunning {
				err = errors.Join(err, fmt.Errorf("%s is running", pod.Name))
			}
		}
		return err
	}
}

// Settled returns how many pods the selected Deployments want. It fails unless they have
// rolled out and exactly these of the selected pods exist: none of an earlier rollout is left.
func Settled(ctx context.Context, n *cluster.Namespace, deployments, pods metav1.ListOptions) (want int, err error) {
	all, err := n.Client().AppsV1().Deployments(n.Name).List(ctx, deployments)
	if err != nil {
		return 0, err
	}
	exist, err := n.Client().CoreV1().Pods(n.Name).List(ctx, pods)
	if err != nil {
		return 0, err
	}
	for _, d := range all.Items {
		replicas, s := *d.Spec.Replicas, d.Status
		want += int(replicas)
		if s.ObservedGeneration < d.Generation || s.UpdatedReplicas != replicas || s.AvailableReplicas != replicas {
			return want, fmt.Errorf("%d of %d pods of %s are updated, and %d available", s.UpdatedReplicas, replicas, d.Name, s.AvailableReplicas)
		}
	}
	if len(exist.Items) != want {
		return want, fmt.Errorf("%d pods exist instead of %d", len(exist.Items), want)
	}
	return want, nil
}

// Nodes returns the nodes of the release's pods, sorted and each once.
func (r *Release) Nodes(t *testing.T) []string {
	t.Helper()
	var nodes []string
	for _, pod := range r.Pods(t) {
		nodes = append(nodes, pod.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// IsReady reports whether a pod is Ready.
func IsReady(pod corev1.Pod) bool {
	condition := readyCondition(pod)
	return condition != nil && condition.Status == corev1.ConditionTrue
}

// ReadySince returns when a pod's condition Ready last changed.
func ReadySince(pod corev1.Pod) time.Time {
	if condition := readyCondition(pod); condition != nil {
		return condition.LastTransitionTime.Time
	}
	return time.Time{}
}

func readyCondition(pod corev1.Pod) *corev1.PodCondition {
	for i, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// Started returns when a pod's first container was last started.
func Started(pod corev1.Pod) time.Time {
	if statuses := pod.Status.ContainerStatuses; len(statuses) > 0 && statuses[0].State.Running != nil {
		return statuses[0].State.Running.StartedAt.Time
	}
	return time.Time{}
}

// Restarts returns how often the containers of a pod were restarted.
func Restarts(pod corev1.Pod) (count int32) {
	for _, status := range pod.Status.ContainerStatuses {
		count += status.RestartCount
	}
	return count
}
