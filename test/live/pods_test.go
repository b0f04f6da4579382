package live

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

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
	n.MustHelm(t, "install", "ai-agent", folder, "--wait", "--set", lean)
	before := uids(t, n)
	n.MustHelm(t, "upgrade", "ai-agent", folder, "--reuse-values", "--wait", "--set", "config.CHANGED=yes")
	return n, before
}
