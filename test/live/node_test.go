package live

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// Each pod is on its own worker, even if one worker has more free CPU than the others. So
// the sudden loss of a worker removes one pod from the Service, and a run through the
// Service is done; when the worker returns, so does its pod. Control: without the chart's
// placement, all pods are on the worker with the most free CPU, and are lost with it. The
// test is not parallel, because the worker may run pods of other tests.
func TestSpreadPodsSurviveALostWorker(t *testing.T) {
	live := liveCluster()
	live.Exclusive(t)
	n, servers := newNamespace(t), live.Servers()
	servers.MustKubectl(t, "rollout", "status", "deployment/llm", "--timeout=2m")
	kept := live.Model(t).Spec.NodeName
	full := slices.DeleteFunc(workers(t), func(worker string) bool { return worker == kept })
	lost := full[0]
	full[0] = kept
	for i, worker := range full {
		filler := chart.Values{"nodeSelector": chart.Map{"kubernetes.io/hostname": worker}, "resources.requests.cpu": "1"}
		n.InstallNoWait(t, fmt.Sprint("filler-", i), profile.Single(filler))
	}
	spread, crowd := observe.Of(n, "ai-agent"), observe.Of(n, "crowd")
	n.Install(t, "ai-agent", profile.Two().With("replicaCount", 3))
	n.Install(t, "crowd", profile.Two().And(chart.Values{
		"affinity": chart.Map{},
		// All nodes are one domain. Without a constraint, Kubernetes spreads pods by default.
		"topologySpreadConstraints": chart.List{chart.Map{"maxSkew": 1, "topologyKey": "kubernetes.io/os", "whenUnsatisfiable": "ScheduleAnyway"}},
	}))
	assert.Equal(t, []string{lost}, crowd.Nodes(t))
	assert.Len(t, spread.Nodes(t), 3)

	on := n.PowerOff(t, lost)
	cluster.Eventually(t, "two endpoints", 2*time.Minute, spread.Endpoints(2))
	cluster.Eventually(t, "none of the crowd", time.Minute, crowd.Endpoints(0))
	const tokens = 7
	requireDone(t, prober.Ask(t, n, prober.Run{Node: kept, URL: serviceURL, Task: "say hello", MaxTokens: tokens}), tokens)

	on()
	cluster.Eventually(t, "three endpoints", 3*time.Minute, spread.Endpoints(3))
}
