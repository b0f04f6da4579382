package live

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// An eviction beyond the PodDisruptionBudget is refused with the budget as its cause,
// and allowed once there is a spare pod again.
func TestEvictionStopsAtTheBudget(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Two())
	agents := observe.Of(n, "ai-agent")
	pods := agents.Pods(t)
	require.Len(t, pods, 2)
	cluster.Eventually(t, "a budget that has counted the pods", time.Minute, agents.Evictable(1))
	require.NoError(t, evict(t.Context(), n, pods[0].Name))
	refused := evict(t.Context(), n, pods[1].Name)
	require.True(t, apierrors.IsTooManyRequests(refused), "%v", refused)
	assert.True(t, apierrors.HasStatusCause(refused, policyv1.DisruptionBudgetCause), "%v", refused)
	cluster.Eventually(t, "a spare pod", time.Minute, func(ctx context.Context) error { return evict(ctx, n, pods[1].Name) })
}

// Control: without a budget the last pod can be evicted.
func TestEvictionRemovesAllWithoutABudget(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Two().With("podDisruptionBudget.enabled", false))
	for _, pod := range observe.Of(n, "ai-agent").Pods(t) {
		require.NoError(t, evict(t.Context(), n, pod.Name))
	}
}

func evict(ctx context.Context, n *cluster.Namespace, pod string) error {
	return n.Client().PolicyV1().Evictions(n.Name).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: n.Name}})
}
