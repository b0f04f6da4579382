package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// token is a read-only file system in every pod that has a token of the Kubernetes API.
const token = "--read-only=/var/run/secrets/kubernetes.io/serviceaccount"

// An agent does not run as root, can write to /tmp only, has no token of the Kubernetes
// API, and gets its configuration and secrets in its environment.
func TestPodIsConfined(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{"secret.stringData.OPENAI_API_KEY": "sk-test"}))
	user := observe.Of(n, "ai-agent").Pod(t).Status.ContainerStatuses[0].User
	require.NotNil(t, user, "containerd reports the user of a container")
	assert.EqualValues(t, 10001, user.Linux.UID)
	assert.EqualValues(t, 10001, user.Linux.GID)
	for _, expectation := range []string{"--writable=/tmp", "--read-only=/", "--env=MODEL_NAME,MAX_RUN_SECONDS,OPENAI_API_KEY"} {
		assert.True(t, inAgent(t, n, expectation), expectation)
	}
	assert.False(t, inAgent(t, n, token))
}

// Control: without the protections, each of these checks fails.
func TestPodIsNotConfinedWithoutItsContext(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{
		"podSecurityContext.runAsUser": 1234, "securityContext.readOnlyRootFilesystem": false, "serviceAccount.automount": true,
	}))
	assert.EqualValues(t, 1234, observe.Of(n, "ai-agent").Pod(t).Status.ContainerStatuses[0].User.Linux.UID)
	assert.False(t, inAgent(t, n, "--read-only=/"))
	assert.False(t, inAgent(t, n, "--env=OPENAI_API_KEY"))
	assert.True(t, inAgent(t, n, token))
}

// Control: the namespaces of these tests do enforce "restricted". Without the chart's
// security context no pod is created.
func TestRestrictedIsEnforced(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.InstallNoWait(t, "ai-agent", profile.Single(chart.Values{"securityContext": nil}))
	cluster.Eventually(t, "an event of the refused pod", time.Minute, observe.Event(n, "FailedCreate", `violates PodSecurity "restricted`))
	assert.Empty(t, observe.Of(n, "ai-agent").Pods(t))
}
