package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
)

// Several runs of the live tests may use a cluster at the same time. Each one holds a
// Lease and labels what it creates with its ID; what carries the ID of a run whose
// Lease has expired is a leftover.
const (
	runLabel = "ai-agent/live-run"

	waitingLabel = "ai-agent/live-run-waits" // on the Lease of a run that waits for the whole cluster

	leases    = "kube-system" // namespace of the Leases
	heartbeat = 15 * time.Second
	expiry    = 2 * time.Minute // many heartbeats: a busy machine delays them
)

// run is one run of the live tests.
type run struct {
	client kubernetes.Interface
	id     string
	stop   context.CancelFunc // of the heartbeat
}

// joinRuns starts a run. It first waits while another run has the cluster to itself.
func joinRuns(ctx context.Context, client kubernetes.Interface) (*run, error) {
	r := &run{client: client, id: rand.String(6)}
	deadline := time.Now().Add(15 * time.Minute)
	for err := r.unlocked(ctx, wholeCluster); err != nil; err = r.unlocked(ctx, wholeCluster) {
		if !errors.Is(err, errLocked) || time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(poll)
	}
	if err := r.createLease(ctx); err != nil {
		return nil, err
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	go r.beat(beating)
	return r, nil
}

func (r *run) leaseName() string { return "ai-agent-live-" + r.id }

func (r *run) createLease(ctx context.Context) error {
	now, seconds := metav1.NowMicro(), int32(expiry.Seconds())
	_, err := r.client.CoordinationV1().Leases(leases).Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: r.leaseName(), Labels: map[string]string{runLabel: r.id}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &r.id, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	}, metav1.CreateOptions{})
	return err
}

// beat renews the Lease until the context ends. A run that was suspended for longer
// than expiry has lost its Lease, and takes it again.
func (r *run) beat(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
		}
		renewed := fmt.Appendf(nil, `{"spec": {"renewTime": %q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
		_, err := r.client.CoordinationV1().Leases(leases).Patch(ctx, r.leaseName(), types.MergePatchType, renewed, metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			err = r.createLease(ctx)
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "renewing the Lease of run %s: %v\n", r.id, err) // the next heartbeat may succeed
		}
	}
}

// leave ends the run.
func (r *run) leave(ctx context.Context) error {
	r.stop()
	return ignoreNotFound(r.client.CoordinationV1().Leases(leases).Delete(ctx, r.leaseName(), metav1.DeleteOptions{}))
}

// live returns the IDs of all runs whose Lease has not expired.
func (r *run) live(ctx context.Context) (map[string]bool, error) { return r.liveRuns(ctx, runLabel) }

func (r *run) liveRuns(ctx context.Context, selector string) (map[string]bool, error) {
	found, err := r.client.CoordinationV1().Leases(leases).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, lease := range found.Items {
		if time.Since(lease.Spec.RenewTime.Time) < expiry {
			live[lease.Labels[runLabel]] = true
		}
	}
	return live, nil
}

// removeLeftovers removes what runs that have ended left in the cluster.
func (r *run) removeLeftovers(ctx context.Context) error {
	all := metav1.ListOptions{LabelSelector: runLabel}
	namespaces, err := r.client.CoreV1().Namespaces().List(ctx, all)
	if err != nil {
		return err
	}
	nodes, err := r.client.CoreV1().Nodes().List(ctx, all)
	if err != nil {
		return err
	}
	volumes, err := r.client.CoreV1().PersistentVolumes().List(ctx, all)
	if err != nil {
		return err
	}
	expired, err := r.client.CoordinationV1().Leases(leases).List(ctx, all)
	if err != nil {
		return err
	}
	live, err := r.live(ctx) // last: a run that has joined meanwhile is live
	if err != nil {
		return err
	}
	var failed []error
	for _, namespace := range namespaces.Items {
		if !live[namespace.Labels[runLabel]] {
			failed = append(failed, ignoreNotFound(r.client.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{})))
		}
	}
	for _, node := range nodes.Items {
		if !live[node.Labels[runLabel]] {
			failed = append(failed, r.restore(ctx, node))
		}
	}
	for _, volume := range volumes.Items {
		if !live[volume.Labels[runLabel]] {
			failed = append(failed, ignoreNotFound(r.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})))
		}
	}
	for _, lease := range expired.Items {
		if !live[lease.Labels[runLabel]] {
			failed = append(failed, ignoreNotFound(r.client.CoordinationV1().Leases(leases).Delete(ctx, lease.Name, metav1.DeleteOptions{})))
		}
	}
	return errors.Join(failed...)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
