package live

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/flux"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
	"example.com/ai-agent/test/internal/repo"
)

// Flux installs the chart from an OCI registry, finds no drift in it, and keeps the
// autoscaler's number of pods. It replaces the pods after a rotated Secret, and rolls back
// an upgrade that fails. Control: it corrects what somebody else has changed.
func TestFluxFromAnOCIRegistry(t *testing.T) {
	t.Parallel()
	if repo.UseTools("source-controller", "helm-controller") != nil {
		t.Skip("Flux's controllers are not built: run `make flux` (takes minutes). The nightly workflow does")
	}
	n := newNamespace(t)
	repository, version, _ := published(t)
	release := flux.Start(t, n, repository, version)
	n.MustKubectl(t, "create", "secret", "generic", "mine", "--from-literal=OPENAI_API_KEY=old")
	values := n.Values(profile.Single(chart.Values{"secret.existingSecret": "mine", "replicaCount": nil}))
	const ready = 4 * time.Minute
	release.Sync(t, values, ready)
	assert.Equal(t, 1, release.AwaitReady(t))
	const tokens = 7
	requireDone(t, prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "say hello", MaxTokens: tokens}), tokens)
	logLevel := func() string {
		return n.MustKubectl(t, "get", "configmap", "ai-agent-config", "--output=jsonpath={.data.LOG_LEVEL}")
	}
	before := logLevel()

	release.Reconcile(t, false)
	n.MustKubectl(t, "patch", "configmap", "ai-agent-config", `--patch={"data":{"LOG_LEVEL":"other"}}`)
	release.Reconcile(t, false)
	assert.Equal(t, before, logLevel(), "control")
	cluster.Eventually(t, "control: an event", time.Minute, observe.Event(n, "DriftCorrected", "ConfigMap/"+n.Name+"/ai-agent-config"))
	drifts := n.MustKubectl(t, "get", "events", "--field-selector=reason=DriftDetected", "--output=jsonpath={.items[*].message}")
	assert.NotContains(t, drifts, "Deployment/")
	assert.Equal(t, 1, strings.Count(drifts, "has drifted"), "the first reconciliation found no drift: %s", drifts)

	agents := observe.Of(n, "ai-agent")
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=4")
	replicas := agents.RecordReplicas(t)
	release.Reconcile(t, false) // the chart's default is three
	cluster.Eventually(t, "four Ready pods", 3*time.Minute, agents.Ready(4))
	values = values.And(chart.Values{"autoscaling.enabled": true, "autoscaling.minReplicas": 4})
	release.Sync(t, values, ready)
	assert.Equal(t, 2, release.AwaitReady(t))
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=5") // as the autoscaler does
	release.Reconcile(t, false)
	assert.Equal(t, []int32{4, 5}, observe.Counts(replicas.History(t)))

	cluster.Eventually(t, "five Ready pods", 3*time.Minute, agents.Ready(5))
	pods := agents.UIDs(t)
	rotate(t, n, "mine")
	release.Reconcile(t, true)
	cluster.Eventually(t, "only new pods", 3*time.Minute, agents.Replaced(pods))
	assert.Equal(t, 3, release.AwaitReady(t))

	image := n.MustKubectl(t, "get", "deployment", "ai-agent", "--output=jsonpath={.spec.template.spec.containers[0].image}")
	release.Sync(t, values.With("image.tag", "0.0.0-missing"), 30*time.Second)
	release.AwaitRollback(t)
	assert.Equal(t, image, n.MustKubectl(t, "get", "deployment", "ai-agent", "--output=jsonpath={.spec.template.spec.containers[0].image}"))
	assert.Equal(t, []int32{4, 5}, observe.Counts(replicas.History(t)))
}
