package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// wholeCluster is the lock of a run that has the cluster to itself.
const wholeCluster = "whole-cluster"

var errLocked = errors.New("locked")

// Lock reserves something that the cluster has only once until the test ends. It
// waits while another test, of this run or another one, holds the lock.
func (c *Cluster) Lock(t *testing.T, name string) {
	t.Helper()
	Eventually(t, "the lock "+name, 20*time.Minute, func(ctx context.Context) error { return c.run.lock(ctx, name) })
	t.Cleanup(func() { assert.NoError(t, c.run.unlock(context.WithoutCancel(t.Context()), name)) })
}

// Exclusive waits until no other run uses the cluster, and makes new runs wait until
// the test ends. It is for a test that disturbs every pod.
func (c *Cluster) Exclusive(t *testing.T) {
	t.Helper()
	// Runs that wait for the lock run no tests. Otherwise two of them would wait for
	// each other.
	Eventually(t, "a Lease that says that this run waits", time.Minute, func(ctx context.Context) error { return c.run.setWaiting(ctx, true) })
	c.Lock(t, wholeCluster)
	Eventually(t, "a Lease that says that this run goes on", time.Minute, func(ctx context.Context) error { return c.run.setWaiting(ctx, false) })
	Eventually(t, "the end of all other runs in this cluster", 20*time.Minute, c.run.alone)
}

// alone fails while other runs have tests in the cluster.
func (r *run) alone(ctx context.Context) error {
	others, err := r.liveRuns(ctx, runLabel+",!"+waitingLabel)
	delete(others, r.id)
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("%d other runs of the live tests use the cluster", len(others))
	}
	return err
}

// setWaiting marks the run as one that waits for the whole cluster, or removes the mark.
func (r *run) setWaiting(ctx context.Context, waiting bool) error {
	value := "null"
	if waiting {
		value = `"true"`
	}
	patch := fmt.Appendf(nil, `{"metadata": {"labels": {%q: %s}}}`, waitingLabel, value)
	_, err := r.client.CoordinationV1().Leases(leases).Patch(ctx, r.leaseName(), types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func lockName(name string) string { return "ai-agent-live-lock-" + name }

// lock tries once to take a lock. The lock of a run that has ended is broken.
func (r *run) lock(ctx context.Context, name string) error {
	if err := r.unlocked(ctx, name); err != nil {
		return err
	}
	_, err := r.client.CoordinationV1().Leases(leases).Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: lockName(name)},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &r.id},
	}, metav1.CreateOptions{})
	return err
}

// unlocked fails while a run that has not ended holds the lock.
func (r *run) unlocked(ctx context.Context, name string) error {
	held, err := r.client.CoordinationV1().Leases(leases).Get(ctx, lockName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	live, err := r.live(ctx)
	if err != nil {
		return err
	}
	if holder := *held.Spec.HolderIdentity; live[holder] {
		return fmt.Errorf("%w: run %s of the live tests holds %s", errLocked, holder, name)
	}
	only := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &held.UID}} // not the lock of whoever was faster
	return ignoreNotFound(r.client.CoordinationV1().Leases(leases).Delete(ctx, lockName(name), only))
}

func (r *run) unlock(ctx context.Context, name string) error {
	return ignoreNotFound(r.client.CoordinationV1().Leases(leases).Delete(ctx, lockName(name), metav1.DeleteOptions{}))
}
