package cluster

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"

	"example.com/ai-agent/test/internal/chart"
)

// Namespace is a namespace in which a test works.
type Namespace struct {
	Name    string
	cluster *Cluster
	config  chart.Values // addresses of the shared servers
	helm    string       // the binary; HelmCommand if empty
	chart   string       // folder or package; the chart ai-agent if empty
}

// Namespace creates a namespace that enforces Pod Security "restricted", and starts
// the named servers in it; agents that are installed there use the shared ones for
// the rest. It is removed when the test ends. If the test failed, the state of the
// namespace is first saved under .cache/artifacts.
func (c *Cluster) Namespace(t *testing.T, servers ...string) *Namespace {
	t.Helper()
	name, err := c.createNamespace(t.Context())
	require.NoError(t, err)
	n := &Namespace{Name: name, cluster: c, config: c.addresses(servers)}
	t.Cleanup(func() { n.remove(t) })
	if len(servers) > 0 {
		objects, err := c.manifest(t.Context(), servers)
		require.NoError(t, err)
		n.Apply(t, objects)
	}
	return n
}

// Existing returns a namespace that no test has created.
func (c *Cluster) Existing(name string) *Namespace { return &Namespace{Name: name, cluster: c} }

// Client returns a client of the cluster's API.
func (n *Namespace) Client() kubernetes.Interface { return n.cluster.client }

// Metrics returns a client of the metrics API.
func (n *Namespace) Metrics() metrics.Interface { return n.cluster.metrics }

// Cluster returns the cluster that the namespace is in.
func (n *Namespace) Cluster() *Cluster { return n.cluster }

// ModelURL is the OPENAI_BASE_URL of the shared model.
func (n *Namespace) ModelURL() string { return n.cluster.modelURL() }

func (c *Cluster) createNamespace(ctx context.Context) (string, error) {
	created, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "live-",
		Labels:       map[string]string{runLabel: c.run.id, "pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return created.Name, nil
}

func (n *Namespace) remove(t *testing.T) {
	ctx := context.WithoutCancel(t.Context()) // which has ended
	if t.Failed() {
		n.Keep(t)
		n.cluster.Servers().Keep(t)
	}
	if err := n.Client().CoreV1().Namespaces().Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil {
		t.Errorf("removing namespace %s: %v", n.Name, err)
	}
}
