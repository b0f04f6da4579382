package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/process"
	"example.com/ai-agent/test/internal/repo"
)

const (
	fakeLabel = "ai-agent/fake-node" // label and taint

	// FakePods is how many pods a fake node takes: the kubelet's default.
	FakePods = 110

	kubeletPort = "10250" // where metrics-server asks every node
)

// FakeNodes adds nodes that kwok simulates: their pods are Ready without running. It
// returns the values that place a release there. The nodes are removed when the test
// ends, so their pods must be gone by then. The cluster must be kind's, its containers
// must reach this machine at the gateway of their network, and no other run may use it:
// a test that uses all nodes would use these, too.
func (c *Cluster) FakeNodes(t *testing.T, count int) chart.Values {
	t.Helper()
	require.NoError(t, repo.UseTools("kwok"))
	gateway, err := exec.CommandContext(t.Context(), "docker", "network", "inspect", "kind", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}").Output()
	require.NoError(t, err)
	address := ipv4(string(gateway))
	require.NotNil(t, address, "the network kind has no IPv4 gateway: %s", gateway)
	folder := t.TempDir()
	certificate, key, err := cert.GenerateSelfSignedCertKey(address.String(), []net.IP{address}, nil)
	require.NoError(t, err)
	config, err := c.kubeconfig()
	require.NoError(t, err)
	for name, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key, "kubeconfig": config} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	listen := net.JoinHostPort(address.String(), kubeletPort)
	log, err := os.Create(repo.Path(".cache", "kwok.log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	t.Logf("kwok logs to %s: an error for each pod that is gone before kwok deletes it", log.Name())
	process.StartTo(t, log, listen, []string{"HOME=" + folder}, "kwok", "--v=ERROR", "--node-lease-duration-seconds=40",
		"--kubeconfig="+filepath.Join(folder, "kubeconfig"), "--config="+repo.Path(".cache", "kwok.yaml"),
		"--manage-all-nodes=false", "--manage-nodes-with-label-selector="+fakeLabel+"="+c.run.id,
		"--node-ip="+address.String(), "--node-port="+kubeletPort, "--server-address="+listen,
		"--tls-cert-file="+filepath.Join(folder, "tls.crt"), "--tls-private-key-file="+filepath.Join(folder, "tls.key"))
	t.Cleanup(func() { assert.NoError(t, c.run.removeFakeNodes(context.WithoutCancel(t.Context()))) })
	for i := range count {
		node := c.run.fakeNode(fmt.Sprintf("fake-%s-%d", c.run.id, i), address.String())
		_, err := c.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	return chart.Values{
		"nodeSelector": chart.Map{fakeLabel: c.run.id},
		"tolerations":  chart.List{chart.Map{"key": fakeLabel, "operator": "Exists", "effect": "NoSchedule"}},
	}
}

// fakeNode returns a node with more CPU and memory than its pods request. metrics-server
// reads its metrics at the address.
func (r *run) fakeNode(name, address string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1k"), corev1.ResourceMemory: resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("10Ti"), corev1.ResourcePods: *resource.NewQuantity(FakePods, resource.DecimalSI),
	}
	// kwok removes all addresses if one of these is missing.
	addresses := []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}, {Type: corev1.NodeHostName, Address: name}}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				runLabel: r.id, fakeLabel: r.id, corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
			},
			Annotations: map[string]string{"metrics.k8s.io/resource-metrics-path": "/metrics/nodes/" + name + "/metrics/resource"},
		},
		Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: fakeLabel, Value: r.id, Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Allocatable: room, Capacity: room, Addresses: addresses},
	}
}

// removeFakeNodes removes the fake nodes of this run.
func (r *run) removeFakeNodes(ctx context.Context) error {
	return r.client.CoreV1().Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: fakeLabel + "=" + r.id})
}

// restore undoes what a run that has ended did to a node: it removes a fake one, and
// uncordons a real one.
func (r *run) restore(ctx context.Context, node corev1.Node) error {
	if node.Labels[fakeLabel] == "" {
		return r.uncordon(ctx, node.Name)
	}
	return ignoreNotFound(r.client.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{}))
}

// kubeconfig returns a kubeconfig with only the context of this cluster.
func (c *Cluster) kubeconfig() ([]byte, error) {
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err != nil {
		return nil, err
	}
	config.CurrentContext = c.context
	return clientcmd.Write(*config)
}

// ipv4 returns the first IPv4 address among words.
func ipv4(words string) net.IP {
	for word := range strings.FieldsSeq(words) {
		if ip := net.ParseIP(word).To4(); ip != nil {
			return ip
		}
	}
	return nil
}
