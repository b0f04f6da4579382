// Package cluster gives each test its own namespace in a real cluster, with the
// servers that an agent needs, and keeps what explains a failure.
//
// In reading order: connect, run and lock (this run among others), namespace,
// servers, helm, kubectl, wait, drain, outside, artifacts.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// Cluster is a running cluster, as one run of the live tests uses it.
type Cluster struct {
	client  kubernetes.Interface
	metrics metrics.Interface
	config  *rest.Config
	context string // of kubectl
	run     *run
	servers string // namespace of the servers that all tests share
}

// Connect connects to the cluster of the kubectl context KUBE_CONTEXT, by default
// that of `make up`, removes what aborted runs left there, and starts the servers
// that all tests share.
func Connect(ctx context.Context) (*Cluster, error) {
	name := cmp.Or(os.Getenv("KUBE_CONTEXT"), "kind-ai-agent")
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubectl context %s: %w. Create the cluster with `make up`, or set KUBE_CONTEXT to another context", name, err)
	}
	config.QPS, config.Burst = 50, 100 // parallel tests share the client
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	readings, err := metrics.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := &Cluster{client: client, metrics: readings, config: config, context: name}
	if c.run, err = joinRuns(ctx, client); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	if err := errors.Join(c.run.removeLeftovers(ctx), c.removeServersOutside(ctx), c.startServers(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("cluster %s: %w", name, err), c.Close(ctx))
	}
	return c, nil
}

// Close removes the shared servers and fake nodes, and ends the run: what it has left
// behind may now be removed by others.
func (c *Cluster) Close(ctx context.Context) error {
	var err error
	if c.servers != "" {
		err = c.client.CoreV1().Namespaces().Delete(ctx, c.servers, metav1.DeleteOptions{})
	}
	return errors.Join(err, c.run.removeFakeNodes(ctx), c.run.leave(ctx))
}

// Name returns the cluster's name in kind.
func (c *Cluster) Name() string { return strings.TrimPrefix(c.context, "kind-") }

// Client returns a client of the cluster's API.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// Config returns how clients reach the cluster's API. It is a copy.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Context returns the cluster's kubectl context.
func (c *Cluster) Context() string { return c.context }
