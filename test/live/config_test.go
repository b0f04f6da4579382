package live

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// A changed value reaches the agents: the upgrade replaces their pods.
func TestChangedConfigReplacesThePods(t *testing.T) {
	t.Parallel()
	n, before := changeConfig(t, chart.Dir())
	cluster.Eventually(t, "only new pods", time.Minute, observe.Of(n, "ai-agent").Replaced(before))
	assert.True(t, inAgent(t, n, "--env=CHANGED"))
}

// Control: without the checksum the same upgrade leaves the pods as they are.
func TestChangedConfigIsIgnoredWithoutChecksum(t *testing.T) {
	t.Parallel()
	n, before := changeConfig(t, broken(t, "_pod.tpl", `"checksum/config" $config`, `"checksum/config" "none"`))
	assert.Equal(t, before, observe.Of(n, "ai-agent").UIDs(t))
	assert.False(t, inAgent(t, n, "--env=CHANGED"))
}

// changeConfig installs a chart, upgrades the release with a new setting, and returns
// the pods of before.
func changeConfig(t *testing.T, folder string) (*cluster.Namespace, []types.UID) {
	t.Helper()
	n := newNamespace(t).Chart(folder)
	n.Install(t, "ai-agent", profile.Single(nil))
	before := observe.Of(n, "ai-agent").UIDs(t)
	n.Upgrade(t, "ai-agent", chart.Values{"config.CHANGED": "yes"})
	return n, before
}

// A rotated Secret of the user's reaches the pods with the next `helm upgrade`. Control:
// without a rotation, the upgrade replaces no pod.
func TestRotatedSecretReplacesThePods(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.MustKubectl(t, "create", "secret", "generic", "mine", "--from-literal=OPENAI_API_KEY=old")
	n.Install(t, "ai-agent", profile.Single(chart.Values{"secret.existingSecret": "mine"}))
	agents := observe.Of(n, "ai-agent")
	before := agents.UIDs(t)

	n.Upgrade(t, "ai-agent", nil)
	assert.Equal(t, before, agents.UIDs(t), "nothing was rotated")

	rotate(t, n, "mine")
	assert.False(t, inAgent(t, n, "--env=ROTATED"), "a running pod does not see the rotation")
	n.Upgrade(t, "ai-agent", nil)
	cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))
	assert.True(t, inAgent(t, n, "--env=ROTATED"))
}

// operators are kinds from which a controller creates the Secret, once they exist: after
// the first render. The test takes its place.
var operators = map[string]struct {
	resource string
	values   chart.Values
}{
	"External Secrets": {"externalsecrets.external-secrets.io", chart.Values{
		"secret.externalSecret.enabled": true, "secret.externalSecret.secretStoreRef.name": "a", "secret.externalSecret.data": chart.List{chart.Map{"secretKey": "A", "remoteRef": chart.Map{"key": "a"}}},
	}},
	"Sealed Secrets": {"sealedsecrets.bitnami.com", chart.Values{"secret.sealedSecret.encryptedData": chart.Map{"A": "AgA="}}},
}

// The first upgrade after a controller has created the Secret replaces no pod, and that
// after a rotation replaces them, even if it is the first. Control: a chart that takes a
// Secret that it sees for the first time for a changed one replaces pods for nothing.
func TestSecretOfAController(t *testing.T) {
	t.Parallel()
	for name, operator := range operators {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			install := func(folder string) (*cluster.Namespace, *observe.Release, []types.UID) {
				n := newNamespace(t).Chart(folder)
				n.InstallNoWait(t, "ai-agent", profile.Single(operator.values))
				n.MustKubectl(t, "get", operator.resource, "ai-agent-secrets")
				n.MustKubectl(t, "create", "secret", "generic", "ai-agent-secrets", "--from-literal=A=old")
				n.MustKubectl(t, "rollout", "status", "deployment/ai-agent", "--timeout=3m")
				agents := observe.Of(n, "ai-agent")
				cluster.Eventually(t, "a complete rollout", time.Minute, agents.RolledOut(2*time.Second))
				return n, agents, agents.UIDs(t)
			}

			n, agents, before := install(chart.Dir())
			for range 2 {
				n.Upgrade(t, "ai-agent", nil)
				assert.Equal(t, before, agents.UIDs(t), "nothing was changed")
			}
			n.MustKubectl(t, "annotate", "secret", "ai-agent-secrets", "checked=today")
			n.Upgrade(t, "ai-agent", nil)
			assert.Equal(t, before, agents.UIDs(t), "the content was not changed")
			rotate(t, n, "ai-agent-secrets")
			n.Upgrade(t, "ai-agent", nil)
			cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))

			n, agents, before = install(chart.Dir())
			rotate(t, n, "ai-agent-secrets")
			n.Upgrade(t, "ai-agent", nil)
			cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))

			n, agents, before = install(broken(t, "_secret.tpl", `(eq $before "none")`, `(eq $before "never")`))
			n.Upgrade(t, "ai-agent", nil)
			cluster.Eventually(t, "control: only new pods", time.Minute, agents.Replaced(before))
		})
	}
}

// rotate changes the content of a Secret.
func rotate(t *testing.T, n *cluster.Namespace, secret string) {
	t.Helper()
	n.MustKubectl(t, "patch", "secret", secret, "--patch", `{"stringData": {"ROTATED": "yes"}}`)
}

// A changed value of secret.stringData replaces the pods, and an upgrade without a change
// does not. No annotation fits the password: the hash needs the UID of the Secret, too.
// Control: with the UID, it does fit.
func TestChangedSecretReplacesThePods(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{"secret.stringData.DATABASE_PASSWORD": "hunter1"}))
	agents := observe.Of(n, "ai-agent")
	before := agents.UIDs(t)
	n.Upgrade(t, "ai-agent", nil)
	assert.Equal(t, before, agents.UIDs(t), "nothing was changed")
	n.Upgrade(t, "ai-agent", chart.Values{"secret.stringData.DATABASE_PASSWORD": "hunter2"})
	cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))

	annotation := n.MustKubectl(t, "get", "deployment", "ai-agent", `--output=jsonpath={.spec.template.metadata.annotations.checksum/secret}`)
	uid := n.MustKubectl(t, "get", "secret", "ai-agent-secrets", "--output=jsonpath={.metadata.uid}")
	guess := func(uid string) string {
		data := fmt.Sprintf(`{"DATABASE_PASSWORD":%q}`, base64.StdEncoding.EncodeToString([]byte("hunter2")))
		return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, `[%q,%s]`, uid, data)))[:16]
	}
	require.Equal(t, guess(uid), annotation)
	assert.NotEqual(t, guess(""), annotation)
}
