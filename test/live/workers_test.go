package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// Workers run next to the server with its configuration, and a change of it replaces them
// too. The Service routes to the server alone.
func TestWorkersRunNextToTheServer(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(chart.Values{"workers": chart.Map{"queue": chart.Map{"args": chart.List{"serve"}, "replicaCount": 2}}}))
	workers := func(ctx context.Context) (map[string]bool, error) {
		pods, err := n.Client().CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=queue"})
		if err != nil {
			return nil, err
		}
		names := map[string]bool{}
		for _, pod := range pods.Items {
			if observe.IsReady(pod) && pod.DeletionTimestamp == nil {
				names[pod.Name] = true
			}
		}
		return names, nil
	}
	before, err := workers(t.Context())
	require.NoError(t, err)
	require.Len(t, before, 2)

	agents := observe.Of(n, "ai-agent")
	cluster.Eventually(t, "an endpoint", time.Minute, agents.Endpoints(1))
	endpoints, err := agents.EndpointPods(t.Context())
	require.NoError(t, err)
	require.False(t, before[endpoints[0]], "the Service routes to a worker")

	n.Upgrade(t, "ai-agent", chart.Values{"config.LOG_LEVEL": "DEBUG"})
	cluster.Eventually(t, "two new workers", 2*time.Minute, func(ctx context.Context) error {
		now, err := workers(ctx)
		if err != nil {
			return err
		}
		for name := range before {
			delete(now, name)
		}
		if len(now) != 2 {
			return fmt.Errorf("%d workers are new", len(now))
		}
		return nil
	})
}

// While the only pod of a singleton finishes its runs, a rollout starts no other. Control:
// of an agent that is no singleton, two run at once.
func TestSingletonNeverRunsTwice(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		singleton bool
		want      int
	}{"singleton": {true, 1}, "control": {false, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.Install(t, "ai-agent", profile.Single(chart.Values{"singleton": tc.singleton}))
			client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "count", MaxTokens: runTokens})[0]
			client.AwaitTokens(t)
			disturbances["rollout"](t, n)
			agents := observe.Of(n, "ai-agent")
			exactly := func(ctx context.Context) error {
				if err := client.Asking(ctx); err != nil {
					return cluster.Permanent(err)
				}
				pods, err := agents.ListPods(ctx)
				if err == nil && len(pods) != tc.want {
					err = fmt.Errorf("%d pods", len(pods))
				}
				return err
			}
			cluster.Eventually(t, "the pods of the rollout", 30*time.Second, exactly)
			cluster.Consistently(t, "the pods of the rollout", 20*time.Second, exactly)
			requireDone(t, client.Await(t), runTokens)
			cluster.Eventually(t, "the next pod", 2*time.Minute, agents.Ready(1))
		})
	}
}
