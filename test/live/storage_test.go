package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// Runs of a pod go on while its /tmp has 300 MiB, also once the kubelet has measured it.
func TestRunsGoOnWith300MiBInTmp(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(filling))
	agents := observe.Of(n, "ai-agent")
	pod := agents.Pod(t)
	clients := fillTmp(t, n, fillTokens)
	cluster.Eventually(t, "a measurement", measuredIn, func(ctx context.Context) error {
		used, err := agents.VolumeUse(ctx, pod, "tmp")
		if err == nil && used < 300<<20 {
			err = fmt.Errorf("the kubelet has measured %d bytes in /tmp", used)
		}
		return err
	})
	cluster.Consistently(t, "the pod", 30*time.Second, agents.Each(func(now corev1.Pod) error { // the kubelet acts every 10 s
		if now.UID != pod.UID || now.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("%s is %s: %s", now.Name, now.Status.Phase, now.Status.Message)
		}
		return nil
	}))
	for _, client := range clients {
		requireDone(t, client.Await(t), fillTokens)
	}
}

// Control: a /tmp of 256Mi, as in 0.1.0, is evicted with all runs of its pod.
func TestFilledTmpInterruptsAllRunsOfThePod(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(filling).With("tmp.sizeLimit", "256Mi"))
	clients := fillTmp(t, n, fillTokens)
	cluster.Eventually(t, "an eviction", measuredIn, observe.Event(n, "Evicted", `"tmp" exceeds the limit "256Mi"`))
	for _, client := range clients {
		for _, run := range client.Await(t) {
			require.Equal(t, output.Interrupted, run.Outcome, run.Error)
		}
	}
}

// filling accepts a fault from outside of the cluster.
var filling = chart.Values{"args": chart.List{"serve", "--fault=http"}, "networkPolicy.enabled": false}

// measuredIn is longer than a file of 20 s and the kubelet's measurement take: it
// measures a volume once in one to two minutes.
const measuredIn = 200 * time.Second

// fillTokens are those of a run that is longer than the kubelet takes.
const fillTokens = 240 * cluster.TokensPerSecond

// fillTmp writes 320 MiB to /tmp of the only pod of a release, while two runs stream.
func fillTmp(t *testing.T, n *cluster.Namespace, tokens int) []prober.Client {
	t.Helper()
	run := prober.Run{URL: serviceURL, Task: "download a lot", MaxTokens: tokens}
	clients := prober.Start(t, n, run, run)
	for _, client := range clients {
		client.AwaitTokens(t)
	}
	inject(t, n, observe.Of(n, "ai-agent").Pod(t), "fill-tmp=20s")
	return clients
}
