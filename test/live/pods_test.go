package live

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// three is a release of as many pods as there are workers.
var three = small.And(chart.Values{"autoscaling.enabled": "false", "replicaCount": "3"})

// Each pod is on a worker of its own. Not parallel: a drain leaves two.
func TestPodsAreSpreadOverNodes(t *testing.T) {
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", three)
	assert.Len(t, nodesOf(t, n), 3)
}

// Control: with the chart's placement replaced by a liking for one worker, all of
// them crowd there.
func TestPodsCrowdWithoutSpread(t *testing.T) {
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", three.And(chart.Values{
		"affinity": fmt.Sprintf(`{"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference":
			{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [%q]}]}}]}}`, workers(t)[0]),
		"topologySpreadConstraints": `[{"maxSkew": 1, "topologyKey": "kubernetes.io/os", "whenUnsatisfiable": "ScheduleAnyway"}]`,
	}))
	assert.Len(t, nodesOf(t, n), 1)
}

// workers names the nodes that the agents may be on.
func workers(t *testing.T) []string {
	t.Helper()
	nodes, err := kind.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "!node-role.kubernetes.io/control-plane"})
	require.NoError(t, err)
	var names []string
	for _, node := range nodes.Items {
		names = append(names, node.Name)
	}
	return names
}

// nodesOf names the nodes that have a pod of the release, each once.
func nodesOf(t *testing.T, n *cluster.Namespace) []string {
	t.Helper()
	var nodes []string
	for _, pod := range n.Pods(t, "ai-agent") {
		nodes = append(nodes, pod.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// An agent is nobody's root, writes nothing but /tmp, has no token of the
// Kubernetes API, and finds its configuration and secrets in the environment.
func TestPodIsConfined(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(chart.Values{"secret.stringData.OPENAI_API_KEY": `"sk-test"`}))
	user := n.Pods(t, "ai-agent")[0].Status.ContainerStatuses[0].User
	require.NotNil(t, user, "containerd tells as whom the container runs")
	assert.EqualValues(t, 10001, user.Linux.UID)
	assert.EqualValues(t, 10001, user.Linux.GID)
	require.NoError(t, inAgent(t, n, "--writable=/tmp", "--read-only=/", "--env=MODEL_NAME,MAX_RUN_SECONDS,OPENAI_API_KEY"))
	require.ErrorContains(t, inAgent(t, n, "--writable=/var/run/secrets/kubernetes.io/serviceaccount"), "no such file or directory")
}

// Control: with the protections off, each of these looks sees it.
func TestPodIsNotConfinedWithoutItsContext(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(chart.Values{
		"podSecurityContext.runAsUser": "1234", "securityContext.readOnlyRootFilesystem": "false", "serviceAccount.automount": "true",
	}))
	assert.EqualValues(t, 1234, n.Pods(t, "ai-agent")[0].Status.ContainerStatuses[0].User.Linux.UID)
	require.ErrorContains(t, inAgent(t, n, "--read-only=/"), "/ is not read-only")
	require.ErrorContains(t, inAgent(t, n, "--env=OPENAI_API_KEY"), "the environment has no OPENAI_API_KEY")
	require.NotContains(t, inAgent(t, n, "--writable=/var/run/secrets/kubernetes.io/serviceaccount").Error(), "no such file or directory")
}

// inAgent has an agent check its own surroundings.
func inAgent(t *testing.T, n *cluster.Namespace, expectations ...string) error {
	t.Helper()
	out, err := n.Kubectl(t, append([]string{"exec", "deployment/ai-agent", "--", "/agent", "check"}, expectations...)...)
	if err != nil {
		return errors.New(out)
	}
	return nil
}

// A changed value reaches the agents: the upgrade replaces them.
func TestChangedConfigRollsThePods(t *testing.T) {
	t.Parallel()
	n, before := changeConfig(t, chart.Dir())
	awaitOthers(t, n, before)
	require.NoError(t, inAgent(t, n, "--env=CHANGED"))
}

// Control: without the checksum the same upgrade leaves them as they are.
func TestChangedConfigIsUnseenWithoutChecksum(t *testing.T) {
	t.Parallel()
	n, before := changeConfig(t, broken(t, "_pod.tpl", `"checksum/config" $config`, `"checksum/config" "none"`))
	assert.ElementsMatch(t, before, uids(t, n))
	require.ErrorContains(t, inAgent(t, n, "--env=CHANGED"), "the environment has no CHANGED")
}

// changeConfig installs a chart, upgrades the release with one more setting, and
// returns which pods there were before.
func changeConfig(t *testing.T, folder string) (*cluster.Namespace, []types.UID) {
	t.Helper()
	n := kind.Namespace(t)
	out, err := n.Helm(t, "install", "ai-agent", folder, "--wait", "--set", lean)
	require.NoError(t, err, out)
	before := uids(t, n)
	out, err = n.Helm(t, "upgrade", "ai-agent", folder, "--reuse-values", "--wait", "--set", "config.CHANGED=yes")
	require.NoError(t, err, out)
	return n, before
}
