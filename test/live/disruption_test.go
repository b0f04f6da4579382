package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
)

// An eviction is refused at the budget's limit, with the budget as its cause, and
// allowed once a pod is spare again.
func TestEvictionStopsAtTheBudget(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", two)
	pods := n.Pods(t, "ai-agent")
	require.Len(t, pods, 2)
	cluster.Eventually(t, "a budget that has counted", time.Minute, func() error {
		budget, err := n.Client.PolicyV1().PodDisruptionBudgets(n.Name).Get(t.Context(), "ai-agent", metav1.GetOptions{})
		if err == nil && (budget.Status.ObservedGeneration != budget.Generation || budget.Status.DisruptionsAllowed != 1) {
			err = fmt.Errorf("%+v", budget.Status)
		}
		return err
	})
	require.NoError(t, evict(t, n, pods[0].Name))
	refused := evict(t, n, pods[1].Name)
	require.True(t, apierrors.IsTooManyRequests(refused), "%v", refused)
	assert.True(t, apierrors.HasStatusCause(refused, policyv1.DisruptionBudgetCause), "%v", refused)
	cluster.Eventually(t, "a spare pod", time.Minute, func() error { return evict(t, n, pods[1].Name) })
}

// Control: without a budget nothing keeps the last pod.
func TestEvictionTakesAllWithoutABudget(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", two.With("podDisruptionBudget.enabled", "false"))
	for _, pod := range n.Pods(t, "ai-agent") {
		require.NoError(t, evict(t, n, pod.Name))
	}
}

func evict(t *testing.T, n *cluster.Namespace, pod string) error {
	return n.Client.PolicyV1().Evictions(n.Name).Evict(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: n.Name}})
}
