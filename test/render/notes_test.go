package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// What a user is told after an install, and only when it concerns them.
func TestNotes(t *testing.T) {
	t.Parallel()
	c, err := chart.Load(chart.Dir())
	require.NoError(t, err)
	plain, err := c.Notes(chart.Options{})
	require.NoError(t, err)
	assert.Contains(t, plain, "--wait --timeout 19m")
	assert.Contains(t, plain, "has 330 s to finish them")
	assert.Contains(t, plain, "get hpa ai-agent-hpa --watch")
	assert.Contains(t, plain, "describe pods -l app.kubernetes.io/instance=ai-agent\n")
	assert.Contains(t, plain, "logs -l app.kubernetes.io/instance=ai-agent --previous\n")
	assert.NotContains(t, plain, "WARNING")

	for name, tc := range map[string]struct {
		set  chart.Values
		says string
	}{
		"ten minutes":        {chart.Values{"agent.maxRunSeconds": "590"}, "has 620 s to finish them"},
		"long runs":          {chart.Values{"agent.maxRunSeconds": "591"}, "needs 601 s for its runs, and node autoscalers end a node's pods after\n600 s"},
		"HAProxy's reload":   {aHost.And(chart.Values{"agent.maxRunSeconds": "700", "ingress.className": `"haproxy"`}), "timeout-stop (hard-stop-after) to 730s"},
		"a GKE drain":        {aHost.And(chart.Values{"agent.maxRunSeconds": "3600", "ingress.className": `"gce"`, "networkPolicy.enabled": "false"}), "drains a pod for 3600 s at most"},
		"own BackendConfig":  {aHost.And(chart.Values{"service.annotations": `{"cloud.google.com/backend-config": "{}"}`, "ingress.className": `"gce"`, "networkPolicy.enabled": "false"}), "Set its timeoutSec to 330"},
		"own hook":           {chart.Values{"lifecycle": `{"preStop": {"exec": {"command": ["/agent", "drain"]}}}`}, "It must take 10 s"},
		"pods that go first": {chart.Values{"strategy.rollingUpdate.maxUnavailable": `"100%"`}, "takes pods away before others are Ready"},
		"all pods at once":   {chart.Values{"strategy": `{"type": "Recreate"}`}, "fewer serve during a rollout, or none"},
		"secrets in values":  {chart.Values{"secret.stringData": `{"OPENAI_API_KEY": "a"}`}, "WARNING: secret.stringData is for development"},
		"Traefik":            {chart.Values{"ingress.className": `"traefik"`, "ingress.hosts": `[{"host": "a.example.com"}]`}, "lifeCycle.graceTimeOut=330s"},
		"a run over an ALB":  {chart.Values{"ingress.className": `"alb"`, "ingress.hosts": `[{"host": "a.example.com"}]`, "agent.maxRunSeconds": "5000", "networkPolicy.enabled": "false"}, "for 4000 s at most"},
		"no operator":        {chart.Values{"serviceMonitor.enabled": "true"}, "this cluster has no ServiceMonitor"},
		"a host":             {chart.Values{"ingress.hosts": `[{"host": "a.example.com"}]`}, "http://a.example.com"},
		"a host with TLS":    {chart.Values{"ingress.hosts": `[{"host": "a.example.com"}]`, "ingress.tls": `[{"secretName": "a"}]`}, "https://a.example.com"},
		"the sample's image": {nil, "image.repository, image.tag"},
		"the sample's model": {nil, "config.OPENAI_BASE_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notes, err := c.Notes(chart.Options{Set: tc.set})
			require.NoError(t, err)
			require.NotEmpty(t, tc.says)
			assert.Contains(t, notes, tc.says)
		})
	}
}
