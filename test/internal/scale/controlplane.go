package scale

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"example.com/ai-agent/test/internal/observe"
)

// Server is what the API server has counted since its start.
type Server struct {
	Requests float64 // of all clients
	// Writes are the requests of all clients that change objects, except those that do not
	// depend on a release: of nodes, leases, events and tokens, and what the autoscaler
	// reports of each HorizontalPodAutoscaler every few seconds until it has metrics.
	Writes float64
	Disk   float64 // bytes of etcd's file: current objects, history, and free pages
}

var (
	writing   = []string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
	unrelated = []string{
		"nodes", "leases", "events", "tokenreviews", "subjectaccessreviews", "selfsubjectreviews", "selfsubjectaccessreviews", "serviceaccounts/token",
		"nodes/status", "horizontalpodautoscalers/status",
	}
)

// ReadServer reads the metrics of the API server.
func ReadServer(ctx context.Context, client kubernetes.Interface) (Server, error) {
	text, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return Server{}, err
	}
	families, err := observe.ParseMetrics(bytes.NewReader(text))
	if err != nil {
		return Server{}, fmt.Errorf("metrics of the API server: %w", err)
	}
	var read Server
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		count := metric.GetCounter().GetValue()
		read.Requests += count
		if writes(observe.Label(metric, "verb"), observe.Label(metric, "resource"), observe.Label(metric, "subresource")) {
			read.Writes += count
		}
	}
	for _, metric := range families["apiserver_storage_size_bytes"].GetMetric() {
		read.Disk += metric.GetGauge().GetValue()
	}
	if read.Requests == 0 || read.Disk == 0 {
		return Server{}, fmt.Errorf("the API server has no apiserver_request_total or apiserver_storage_size_bytes: adapt ReadServer to its version")
	}
	return read, nil
}

// writes reports whether a request counts as one of Server.Writes.
func writes(verb, resource, subresource string) bool {
	if subresource != "" {
		resource += "/" + subresource
	}
	return slices.Contains(writing, verb) && !slices.Contains(unrelated, resource)
}

// Autoscaler is what the controller of HorizontalPodAutoscalers has done since its start.
type Autoscaler struct {
	Syncs, Failed float64
	Seconds       float64 // of all syncs that did not fail
}

// ReadAutoscaler reads the metrics of the controller manager through a tunnel, because it
// listens only on its node's loopback address.
func ReadAutoscaler(t *testing.T, client kubernetes.Interface, config *rest.Config, options *k8s.KubectlOptions) Autoscaler {
	t.Helper()
	pods, err := client.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "component=kube-controller-manager"})
	require.NoError(t, err)
	require.Len(t, pods.Items, 1, "the leader among several controller managers is unknown")
	tunnel := k8s.NewTunnelWithLogger(options, k8s.ResourceTypePod, pods.Items[0].Name, 0, 10257, logger.Discard)
	defer tunnel.Close()
	require.NoError(t, tunnel.ForwardPortE(t))

	config = rest.CopyConfig(config)
	config.Insecure, config.CAData, config.CAFile = true, nil, "" // its certificate is self-signed
	connection, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+tunnel.Endpoint()+"/metrics", nil)
	require.NoError(t, err)
	response, err := connection.Do(get)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, "metrics of the controller manager")
	families, err := observe.ParseMetrics(response.Body)
	require.NoError(t, err)
	return autoscaler(families)
}

func autoscaler(families observe.Metrics) (read Autoscaler) {
	for _, metric := range families["horizontal_pod_autoscaler_controller_reconciliation_duration_seconds"].GetMetric() {
		histogram := metric.GetHistogram()
		if observe.Label(metric, "error") != "none" {
			read.Failed += float64(histogram.GetSampleCount())
			continue
		}
		read.Syncs += float64(histogram.GetSampleCount())
		read.Seconds += histogram.GetSampleSum()
	}
	return read
}
