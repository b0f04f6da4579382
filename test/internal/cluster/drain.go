package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// NamespaceLabel is a label of the agents that were installed in a namespace.
const NamespaceLabel = "ai-agent/namespace"

// Drain drains a node of this namespace's agents, uncordons it, and returns what
// kubectl printed. All other pods stay: the model, the clients, those of other tests.
// The node carries the run's label meanwhile, so that a later run can uncordon it.
func (n *Namespace) Drain(t *testing.T, node string) string {
	t.Helper()
	return n.DrainOf(t, node, "app.kubernetes.io/name=ai-agent")
}

// DrainOf is Drain for the pods with the NamespaceLabel and further labels, such as
// "app=server".
func (n *Namespace) DrainOf(t *testing.T, node string, further ...string) string {
	t.Helper()
	out, err := n.drain(t, node, further...)
	require.NoError(t, err, out)
	return out
}

// DrainTogether drains nodes at the same time of the pods with the NamespaceLabel.
func (n *Namespace) DrainTogether(t *testing.T, nodes []string) {
	t.Helper()
	var drains errgroup.Group
	for _, node := range nodes {
		drains.Go(func() error {
			out, err := n.drain(t, node)
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return err
		})
	}
	require.NoError(t, drains.Wait())
}

func (n *Namespace) drain(t *testing.T, node string, further ...string) (string, error) {
	t.Helper()
	selector := strings.Join(append([]string{NamespaceLabel + "=" + n.Name}, further...), ",")
	if out, err := n.Kubectl(t, "label", "node", node, "--overwrite", runLabel+"="+n.cluster.run.id); err != nil {
		return out, err
	}
	out, err := n.Kubectl(t, "drain", node, "--pod-selector="+selector, "--delete-emptydir-data", "--timeout=30m")
	return out, errors.Join(err, n.cluster.run.uncordon(context.WithoutCancel(t.Context()), node)) // even if the drain failed
}

func (r *run) uncordon(ctx context.Context, node string) error {
	patch := fmt.Appendf(nil, `{"spec": {"unschedulable": null}, "metadata": {"labels": {%q: null}}}`, runLabel)
	_, err := r.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
