package live

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/profile"
)

// `helm test --logs` passes in a namespace that enforces "restricted", and shows the
// logs of its pods. Control: with a policy that allows what must not be reachable, it
// fails.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Modest().And(profile.OnePod()))
	out := n.MustHelm(t, "test", "ai-agent", "--logs")
	assert.Equal(t, 3, strings.Count(out, "Phase:          Succeeded"), out)
	for pod, target := range map[string]string{"service": "http://ai-agent-service", "config": "MODEL_NAME", "policy": "kubernetes.default:443"} {
		_, log, found := strings.Cut(out, "POD LOGS: ai-agent-test-"+pod) // Helm 4 adds the kind of hook
		log, _, _ = strings.Cut(log, "POD LOGS: ")
		assert.True(t, found, out)
		assert.Contains(t, log, target)
	}

	n.Upgrade(t, "ai-agent", chart.Values{"networkPolicy.extraEgress": chart.List{chart.Map{"ports": chart.List{chart.Map{"port": 6443}}}}})
	out, err := n.Helm(t, "test", "ai-agent", "--filter=name=ai-agent-test-policy")
	require.Error(t, err)
	assert.Contains(t, out, "ai-agent-test-policy failed")
}
