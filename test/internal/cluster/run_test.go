package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestLeftoversAreThoseOfRunsThatHaveEnded(t *testing.T) {
	for name, tc := range map[string]struct {
		end     func(context.Context, *run) // of the other run
		later   time.Duration
		removed bool
	}{
		"a run that goes on":          {func(context.Context, *run) {}, time.Hour, false},
		"a run that has just crashed": {func(_ context.Context, r *run) { r.stop() }, expiry - 2*heartbeat, false},
		"a run that has crashed":      {func(_ context.Context, r *run) { r.stop() }, expiry, true},
		"a run that has left":         {func(ctx context.Context, r *run) { _ = r.leave(ctx) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset()
				other := join(t, client)
				namespace, err := (&Cluster{client: client, run: other}).createNamespace(t.Context())
				require.NoError(t, err)
				node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker", Labels: map[string]string{runLabel: other.id}}, Spec: corev1.NodeSpec{Unschedulable: true}}
				_, err = client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
				require.NoError(t, err)
				_, err = client.CoreV1().Nodes().Create(t.Context(), other.fakeNode("fake", "192.0.2.1"), metav1.CreateOptions{})
				require.NoError(t, err)
				_, err = client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "users"}}, metav1.CreateOptions{})
				require.NoError(t, err)

				tc.end(t.Context(), other)
				time.Sleep(tc.later)
				require.NoError(t, join(t, client).removeLeftovers(t.Context()))

				_, err = client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
				assert.Equal(t, tc.removed, err != nil, "%v", err)
				node, err = client.CoreV1().Nodes().Get(t.Context(), "worker", metav1.GetOptions{})
				require.NoError(t, err)
				assert.Equal(t, tc.removed, !node.Spec.Unschedulable)
				assert.Equal(t, tc.removed, node.Labels[runLabel] == "")
				_, err = client.CoreV1().Nodes().Get(t.Context(), "fake", metav1.GetOptions{})
				assert.Equal(t, tc.removed, err != nil, "%v", err)
				_, err = client.CoreV1().Namespaces().Get(t.Context(), "users", metav1.GetOptions{})
				require.NoError(t, err)
			})
		})
	}
}

func TestLockIsHeldByOneRunThatHasNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := fake.NewClientset(), t.Context()
		first, second := join(t, client), join(t, client)
		require.NoError(t, first.lock(ctx, "traefik"))
		require.NoError(t, second.lock(ctx, "outside"), "another lock")
		require.Error(t, first.lock(ctx, "traefik"), "by another test of the same run")
		require.Error(t, second.lock(ctx, "traefik"))
		time.Sleep(time.Hour)
		require.Error(t, second.lock(ctx, "traefik"))
		require.NoError(t, first.unlock(ctx, "traefik"))
		require.NoError(t, second.lock(ctx, "traefik"))

		second.stop() // it crashes
		require.Error(t, first.lock(ctx, "traefik"))
		time.Sleep(expiry)
		require.NoError(t, first.lock(ctx, "traefik"))
	})
}

func TestRunWaitsWhileAnotherHasTheClusterToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := fake.NewClientset(), t.Context()
		first := join(t, client)
		require.NoError(t, first.lock(ctx, wholeCluster))
		go func() {
			time.Sleep(5 * time.Minute)
			_ = first.unlock(ctx, wholeCluster)
		}()
		start := time.Now()
		join(t, client)
		assert.InDelta(t, 5*time.Minute, time.Since(start), float64(2*poll))
	})
}

// A run that waits for the whole cluster runs no tests, so the one that has it does
// not wait for it; both would wait forever.
func TestRunsThatWaitForTheClusterDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := fake.NewClientset(), t.Context()
		first, second := join(t, client), join(t, client)
		require.NoError(t, second.setWaiting(ctx, true))
		require.NoError(t, first.lock(ctx, wholeCluster))
		require.NoError(t, first.alone(ctx))
		require.NoError(t, second.setWaiting(ctx, false))
		require.Error(t, first.alone(ctx), "control: a run that goes on")
	})
}

func TestPermanentIsNotForAnAPIError(t *testing.T) {
	t.Parallel()
	unavailable := apierrors.NewServiceUnavailable("restarting")
	assert.Equal(t, error(unavailable), Permanent(unavailable))
	assert.NotEqual(t, assert.AnError, Permanent(assert.AnError))
	assert.True(t, unanswered(NotYet(assert.AnError)))
	assert.False(t, unanswered(assert.AnError))
}

func TestRunDoesNotWaitForAClusterThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		client.PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewServiceUnavailable("restarting")
		})
		start := time.Now()
		_, err := joinRuns(t.Context(), client)
		require.Error(t, err)
		assert.Zero(t, time.Since(start))
	})
}

func TestSuspendedRunTakesItsLeaseAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		suspended := join(t, client)
		require.NoError(t, client.CoordinationV1().Leases(leases).Delete(t.Context(), suspended.leaseName(), metav1.DeleteOptions{}))
		time.Sleep(heartbeat)
		synctest.Wait()
		live, err := join(t, client).live(t.Context())
		require.NoError(t, err)
		assert.True(t, live[suspended.id])
	})
}

func TestConsistentlyIgnoresWhatTheAPIDidNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		Consistently(t, "an answer", 10*time.Second, func(ctx context.Context) error {
			checks++
			if checks < 8 { // also the check with which the period would end
				return apierrors.NewServiceUnavailable("restarting")
			}
			return nil
		})
		assert.Equal(t, 8, checks)
	})
}

// join starts a run that ends with the test.
func join(t *testing.T, client kubernetes.Interface) *run {
	t.Helper()
	r, err := joinRuns(t.Context(), client)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.leave(context.WithoutCancel(t.Context())) })
	return r
}
