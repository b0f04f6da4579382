package scale

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/observe"
)

func TestBends(t *testing.T) {
	t.Parallel()
	of := func(size int, costs map[string]float64) bench.Growth {
		return bench.Growth{Of: "releases", Size: size, Costs: costs}
	}
	requests := func(values ...float64) (grown []bench.Growth) {
		for i, value := range values {
			grown = append(grown, of([]int{1, 10, 100, 1000}[i], map[string]float64{"requests": value}))
		}
		return grown
	}
	for name, tc := range map[string]struct {
		grown []bench.Growth
		want  []string
	}{
		"the same":                       {requests(50, 50, 50, 50), nil},
		"within the share":               {requests(50, 50, 59, 41), nil},
		"small sizes do not count":       {requests(500, 50, 50), nil},
		"more":                           {requests(50, 50, 50, 61), []string{"requests: 50 at 10 releases, 61 at 1000"}},
		"less":                           {requests(50, 50, 39, 50), []string{"requests: 50 at 10 releases, 39 at 100"}},
		"from nothing":                   {requests(0, 0, 1), []string{"requests: 0 at 10 releases, 1 at 100"}},
		"what was not measured is named": {[]bench.Growth{of(10, nil), of(100, nil)}, []string{"requests was not measured at both 10 and 100 releases"}},
	} {
		assert.Equal(t, tc.want, Bends(tc.grown, 10, 0.2, "requests"), name)
	}
}

func TestHelmCountsRequestsAndBytes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, "answer")
	}))
	defer server.Close()
	helm := NewHelm("", "")
	client := http.Client{Transport: counted{helm, http.DefaultTransport}}
	for _, body := range []io.Reader{nil, strings.NewReader("question")} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	assert.Equal(t, Traffic{Requests: 2, Bytes: int64(2*len("answer") + 2*len("question"))}, helm.Traffic())
}

func TestWritesAreThoseThatDependOnARelease(t *testing.T) {
	t.Parallel()
	for request, want := range map[[3]string]bool{
		{"POST", "pods", ""}:                          true,
		{"POST", "pods", "binding"}:                   true,
		{"PATCH", "pods", "status"}:                   true,
		{"PUT", "deployments", "status"}:              true,
		{"PUT", "deployments", "scale"}:               true,
		{"POST", "horizontalpodautoscalers", ""}:      true,
		{"GET", "pods", ""}:                           false,
		{"WATCH", "pods", ""}:                         false,
		{"PUT", "leases", ""}:                         false,
		{"POST", "events", ""}:                        false,
		{"PATCH", "nodes", "status"}:                  false,
		{"POST", "serviceaccounts", "token"}:          false,
		{"PUT", "horizontalpodautoscalers", "status"}: false,
		{"POST", "subjectaccessreviews", ""}:          false,
	} {
		assert.Equal(t, want, writes(request[0], request[1], request[2]), request)
	}
}

func TestFailedSyncsAreCountedApart(t *testing.T) {
	t.Parallel()
	const histogram = "horizontal_pod_autoscaler_controller_reconciliation_duration_seconds"
	families, err := observe.ParseMetrics(strings.NewReader("# TYPE " + histogram + ` histogram
` + histogram + `_bucket{action="none",error="none",le="+Inf"} 4
` + histogram + `_sum{action="none",error="none"} 2.5
` + histogram + `_count{action="none",error="none"} 4
` + histogram + `_bucket{action="none",error="internal",le="+Inf"} 3
` + histogram + `_sum{action="none",error="internal"} 9
` + histogram + `_count{action="none",error="internal"} 3
`))
	require.NoError(t, err)
	assert.Equal(t, Autoscaler{Syncs: 4, Failed: 3, Seconds: 2.5}, autoscaler(families))
}
