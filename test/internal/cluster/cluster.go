// Package cluster gives a test a namespace of its own in a real cluster, with
// the servers that an agent talks to, and keeps what is needed to find out why a
// test failed.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// testNamespaces selects the namespaces that tests made.
const testNamespaces = "ai-agent/made-by=live-test"

// poll is how often a condition is looked at: each look is CPU that pods want.
const poll = 2 * time.Second

// Cluster is a running cluster.
type Cluster struct {
	Client  kubernetes.Interface
	Metrics metrics.Interface
	context string
	Servers string // namespace of the servers that all tests share
}

// Connect reaches the cluster of the kubectl context KUBE_CONTEXT, by default
// that of `make up`, and removes what an aborted run left there.
func Connect(ctx context.Context) (*Cluster, error) {
	name := cmp.Or(os.Getenv("KUBE_CONTEXT"), "kind-ai-agent")
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubectl context %s: %w. `make up` makes it, KUBE_CONTEXT names another", name, err)
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
	c := &Cluster{Client: client, Metrics: readings, context: name}
	if err := c.removeLeftovers(ctx); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	return c, nil
}

// Name returns the cluster's name as kind has it.
func (c *Cluster) Name() string { return strings.TrimPrefix(c.context, "kind-") }

func (c *Cluster) removeLeftovers(ctx context.Context) error {
	left, err := c.Client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: testNamespaces})
	if err != nil {
		return err
	}
	for _, namespace := range left.Items {
		err := c.Client.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: cordoned})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if err := c.uncordon(ctx, node.Name); err != nil {
			return err
		}
	}
	return removeServers(ctx, c.Name())
}

// cordoned marks a node that Drain cordoned, so that nobody else's is taken back.
const cordoned = "ai-agent/cordoned-by-live-test"

func (c *Cluster) uncordon(ctx context.Context, node string) error {
	patch := fmt.Sprintf(`{"spec": {"unschedulable": null}, "metadata": {"labels": {%q: null}}}`, cordoned)
	_, err := c.Client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// Drain drains a node of this namespace's agents, uncordons it, and returns what
// kubectl wrote. Every other pod stays: the model, the clients, other tests'.
func (n *Namespace) Drain(t *testing.T, node string) string {
	t.Helper()
	n.MustKubectl(t, "label", "node", node, "--overwrite", cordoned+"=")
	out, err := n.Kubectl(t, "drain", node, "--pod-selector="+n.own()+",app.kubernetes.io/name=ai-agent", "--delete-emptydir-data", "--timeout=8m")
	require.NoError(t, n.uncordon(context.Background(), node)) // whatever became of the drain and of the test
	require.NoError(t, err, out)
	return out
}

// own is a label of this namespace's agents alone.
func (n *Namespace) own() string { return "ai-agent/namespace=" + n.Name }

// Existing is a namespace that is nobody's own.
func (c *Cluster) Existing(name string) *Namespace { return &Namespace{Cluster: c, Name: name} }

// Namespace is a namespace of one test's own.
type Namespace struct {
	*Cluster
	Name   string
	config chart.Values // where the servers are that it has not
}

// Namespace makes a namespace that enforces Pod Security "restricted" and holds
// servers of its own; agents that are installed there use the shared ones for the
// rest. It goes when the test ends; of a test that failed, its state is first kept
// under .cache/artifacts.
func (c *Cluster) Namespace(t *testing.T, servers ...string) *Namespace {
	t.Helper()
	name, err := c.createNamespace(t.Context())
	require.NoError(t, err)
	n := &Namespace{Cluster: c, Name: name, config: c.shared(servers)}
	t.Cleanup(func() { n.remove(t) })
	for _, server := range servers {
		k8s.KubectlApplyContext(t, t.Context(), n.kubectl(), manifest(server))
	}
	return n
}

func (c *Cluster) createNamespace(ctx context.Context) (string, error) {
	label, value, _ := strings.Cut(testNamespaces, "=")
	made, err := c.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "live-",
		Labels:       map[string]string{label: value, "pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return made.Name, nil
}

func (n *Namespace) remove(t *testing.T) {
	ctx := context.Background() // the test's own has ended
	if t.Failed() {
		n.Keep(t)
		n.Existing(n.Servers).Keep(t)
	}
	if err := n.Client.CoreV1().Namespaces().Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil {
		t.Errorf("removing namespace %s: %v", n.Name, err)
	}
}

// Keep writes what the namespace looks like into a folder named for the test.
func (n *Namespace) Keep(t *testing.T) {
	ctx := context.Background() // the test's own may have ended
	folder := repo.Path(".cache", "artifacts", regexp.MustCompile(`[^\w.-]+`).ReplaceAllString(t.Name(), "_"), n.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Log(err)
		return
	}
	write := func(name string, args ...string) {
		out, _ := k8s.RunKubectlAndGetOutputContextE(t, ctx, n.kubectl(), args...) // not Kubectl: its context has ended; an error's text is in the output
		if err := os.WriteFile(filepath.Join(folder, name), []byte(out), 0o644); err != nil {
			t.Log(err)
		}
	}
	write("get.txt", "get", "all,hpa,endpointslices", "--output=wide")
	write("events.txt", "get", "events", "--sort-by=.lastTimestamp")
	write("describe.txt", "describe", "all")
	pods, err := n.Client.CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, pod := range pods.Items {
		write(pod.Name+".log", "logs", pod.Name, "--all-containers")
		write(pod.Name+".previous.log", "logs", pod.Name, "--all-containers", "--previous")
	}
	t.Logf("what namespace %s looked like is in %s", n.Name, folder)
}

func (n *Namespace) kubectl() *k8s.KubectlOptions {
	options := k8s.NewKubectlOptions(n.context, "", n.Name)
	options.Logger = logger.Discard
	return options
}

// Install installs the chart as the release and waits until its pods are Ready.
func (n *Namespace) Install(t *testing.T, release string, values chart.Values) {
	t.Helper()
	n.install(t, release, values, "--wait", "--timeout=3m")
}

// InstallNoWait installs a release that need not become Ready.
func (n *Namespace) InstallNoWait(t *testing.T, release string, values chart.Values) {
	t.Helper()
	n.install(t, release, values)
}

// unchecked leaves it to the server to check what helm sends: to do so before takes
// a third of an install's CPU and half of an upgrade's.
const unchecked = "--disable-openapi-validation"

func (n *Namespace) install(t *testing.T, release string, values chart.Values, args ...string) {
	t.Helper()
	label, value, _ := strings.Cut(n.own(), "=")
	helm.InstallContext(t, t.Context(), &helm.Options{
		KubectlOptions: n.kubectl(),
		Logger:         logger.Discard,
		SetJSONValues:  n.config.And(values).With("podLabels", fmt.Sprintf(`{%q: %q}`, label, value)),
		ExtraArgs:      map[string][]string{"install": append(args, unchecked)},
	}, chart.Dir(), release)
}

// Helm runs a helm command in the namespace and returns what it wrote.
func (n *Namespace) Helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return n.RunHelm(t, "helm", args...)
}

// RunHelm runs a command of helm or helm4 in the namespace and returns what it
// wrote.
func (n *Namespace) RunHelm(t *testing.T, binary string, args ...string) (string, error) {
	t.Helper()
	if args[0] == "install" || args[0] == "upgrade" {
		args = append(args, unchecked)
	}
	out, err := exec.CommandContext(t.Context(), binary, append(args, "--namespace", n.Name, "--kube-context", n.context)...).CombinedOutput()
	return string(out), err
}

// MustHelm is Helm for a command that has to work.
func (n *Namespace) MustHelm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.Helm(t, args...)
	require.NoError(t, err, out)
	return out
}

// MustKubectl is Kubectl for a command that has to work.
func (n *Namespace) MustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.Kubectl(t, args...)
	require.NoError(t, err, out)
	return out
}

// Kubectl runs a kubectl command in the namespace and returns what it wrote.
func (n *Namespace) Kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return k8s.RunKubectlAndGetOutputContextE(t, t.Context(), n.kubectl(), args...)
}

// Pods returns the pods that serve a release.
func (n *Namespace) Pods(t *testing.T, release string) []corev1.Pod {
	t.Helper()
	pods, err := n.Client.CoreV1().Pods(n.Name).List(t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=server,app.kubernetes.io/instance=" + release,
	})
	require.NoError(t, err)
	return pods.Items
}

// Eventually looks at a condition until it holds. When the time is over, the
// test fails with what was still wrong.
func Eventually(t *testing.T, what string, within time.Duration, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoErrorf(t, err, "expected within %s: %s", within, what)
		}
		time.Sleep(poll)
	}
}
