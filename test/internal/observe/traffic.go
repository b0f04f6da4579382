package observe

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
)

// Endpoints holds if the release's Service has exactly this number of ready endpoints.
func (r *Release) Endpoints(want int) cluster.Condition {
	return func(ctx context.Context) error {
		pods, err := r.EndpointPods(ctx)
		if err == nil && len(pods) != want {
			err = fmt.Errorf("%d ready endpoints, expected %d", len(pods), want)
		}
		return err
	}
}

// EndpointPods returns the names of the pods that are ready endpoints of the release's
// Service.
func (r *Release) EndpointPods(ctx context.Context) ([]string, error) {
	slices, err := r.namespace.Client().DiscoveryV1().EndpointSlices(r.namespace.Name).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + r.fullname + "-service",
	})
	if err != nil {
		return nil, err
	}
	var pods []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready != nil && *ready {
				pods = append(pods, endpoint.TargetRef.Name)
			}
		}
	}
	return pods, nil
}

// Budgeted holds if the release's PodDisruptionBudget counts exactly this number of pods.
func (r *Release) Budgeted(want int32) cluster.Condition {
	return func(ctx context.Context) error {
		budget, err := r.namespace.Client().PolicyV1().PodDisruptionBudgets(r.namespace.Name).Get(ctx, r.fullname, metav1.GetOptions{})
		if err == nil && budget.Status.ExpectedPods != want {
			err = fmt.Errorf("the PodDisruptionBudget counts %d pods, expected %d", budget.Status.ExpectedPods, want)
		}
		return err
	}
}

// Evictable holds if the PodDisruptionBudget allows exactly this number of evictions.
func (r *Release) Evictable(want int32) cluster.Condition {
	return func(ctx context.Context) error {
		budget, err := r.namespace.Client().PolicyV1().PodDisruptionBudgets(r.namespace.Name).Get(ctx, r.fullname, metav1.GetOptions{})
		if err == nil && (budget.Status.ObservedGeneration != budget.Generation || budget.Status.DisruptionsAllowed != want) {
			err = fmt.Errorf("the PodDisruptionBudget allows %d evictions, expected %d", budget.Status.DisruptionsAllowed, want)
		}
		return err
	}
}
