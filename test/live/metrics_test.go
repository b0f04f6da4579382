package live

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// A scraper of a terminating pod sees how its last run ended, although the API's listener
// has closed long before. Control: metrics on the API's listener,
// where the last scrape still shows the run in flight.
func TestScrapesSeeTheLastRunOfATerminatingPod(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values              chart.Values
		inFlight, completed int // at the last scrape
	}{
		"a listener of their own": {nil, 0, 1},
		"the API's listener":      {chart.Values{"metricsPort": nil, "args": chart.List{"serve", "--metrics-addr="}}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.Install(t, "ai-agent", profile.Single(tc.values))
			agents := observe.Of(n, "ai-agent")
			pod := agents.Pod(t)
			client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "count", MaxTokens: runTokens})[0]
			client.AwaitTokens(t)
			n.MustKubectl(t, "delete", "pod", pod.Name, "--wait=false")
			var last observe.Metrics
			cluster.Eventually(t, "the end of the pod", 4*time.Minute, func(ctx context.Context) error {
				if metrics, err := agents.Scrape(t, pod); err == nil {
					last = metrics
				}
				_, err := n.Client().CoreV1().Pods(n.Name).Get(ctx, pod.Name, metav1.GetOptions{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return cmp.Or(err, fmt.Errorf("%s still exists", pod.Name))
			})
			requireDone(t, client.Await(t), runTokens)
			require.NotNil(t, last)
			assert.Equal(t, tc.inFlight, last.InFlight(), "runs in flight at the last scrape")
			assert.Equal(t, tc.completed, last.Runs("completed"))
		})
	}
}

// A terminating pod remains in its EndpointSlice, by which serviceDiscoveryRole lets
// Prometheus find it. Control: it is removed from Endpoints.
func TestEndpointSlicesKeepTerminatingPods(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(nil))
	pod := observe.Of(n, "ai-agent").Pod(t)
	client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "count", MaxTokens: runTokens})[0]
	client.AwaitTokens(t)
	n.MustKubectl(t, "delete", "pod", pod.Name, "--wait=false")
	cluster.Eventually(t, "the removal from Endpoints", time.Minute, func(ctx context.Context) error {
		addresses, err := n.Kubectl(t, "get", "endpoints", "ai-agent-service", "--output=jsonpath={.subsets[*].*[*].targetRef.name}")
		if err != nil {
			return err
		}
		if strings.Contains(addresses, pod.Name) {
			return fmt.Errorf("Endpoints has %s", addresses)
		}
		return nil
	})
	slices, err := n.Client().DiscoveryV1().EndpointSlices(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=ai-agent-service"})
	require.NoError(t, err)
	var terminating []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if *endpoint.Conditions.Terminating {
				terminating = append(terminating, endpoint.TargetRef.Name)
			}
		}
	}
	assert.Equal(t, []string{pod.Name}, terminating)
	requireDone(t, client.Await(t), runTokens)
}
