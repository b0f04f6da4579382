package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// judged returns what a platform does to values, by ID without "platform-".
func judged(t *testing.T, platform string, values chart.Values) map[string]finding.Severity {
	t.Helper()
	set, err := New(charttest.Own(t))
	require.NoError(t, err)
	require.NoError(t, set.Judge(platform))
	result, err := set.Validate(t.Context(), chart.Options{Set: values})
	require.NoError(t, err)
	found := map[string]finding.Severity{}
	for _, f := range result.Findings {
		if id, ok := strings.CutPrefix(f.ID, "platform-"); ok {
			found[id] = f.Severity
		}
	}
	return found
}

// Each limit that a platform sets to a terminating pod is compared with what its runs
// need: a warning where values can be made to fit, a note where they cannot.
func TestJudge(t *testing.T) {
	t.Parallel()
	const info, warning = finding.Info, finding.Warning
	type severities = map[string]finding.Severity
	run := func(seconds int) chart.Values { return chart.Values{"agent.maxRunSeconds": seconds} }
	always := chart.Values{"disruption.eviction": "Always"}
	for name, tc := range map[string]struct {
		platform string
		values   chart.Values
		want     severities
	}{
		"GKE":                                    {"gke", nil, severities{"spot-gcp": info, "eviction": info, "lost-node": info}},
		"GKE, an upgrade is long enough":         {"gke", run(3590), severities{"spot-gcp": info, "eviction": info, "lost-node": info}},
		"GKE, an upgrade is too short by one":    {"gke", run(3591), severities{"upgrade-gke": warning, "spot-gcp": info, "eviction": info, "lost-node": info}},
		"GKE, long runs that may be evicted":     {"gke", run(591).And(always), severities{"cluster-autoscaler-gke": warning, "spot-gcp": info, "eviction": info, "lost-node": info}},
		"GKE, runs that may just be evicted":     {"gke", run(590).And(always), severities{"spot-gcp": info, "eviction": info, "lost-node": info}},
		"GKE, spot nodes":                        {"gke", chart.Values{"nodeSelector": chart.Map{"cloud.google.com/gke-spot": "true"}}, severities{"spot-gcp": warning, "eviction": info, "lost-node": info}},
		"EKS":                                    {"eks", nil, severities{"shutdown-eks": info, "spot-aws": info, "eviction": info, "lost-node": info}},
		"EKS, runs that outlast an update":       {"eks", run(900), severities{"upgrade-eks": warning, "shutdown-eks": info, "spot-aws": info, "eviction": info, "lost-node": info}},
		"EKS, runs of two minutes":               {"eks", run(110), severities{"eviction": info, "lost-node": info}},
		"EKS, on-demand nodes":                   {"eks", chart.Values{"nodeSelector": chart.Map{"eks.amazonaws.com/capacityType": "ON_DEMAND"}}, severities{"shutdown-eks": info, "spot-aws": info, "eviction": info, "lost-node": info}},
		"AKS":                                    {"aks", nil, severities{"spot-azure": info, "eviction": info, "lost-node": info}},
		"AKS, runs that outlast an upgrade":      {"aks", run(1800), severities{"upgrade-aks": warning, "spot-azure": info, "eviction": info, "lost-node": info}},
		"AKS, spot nodes are tolerated":          {"aks", chart.Values{"tolerations": chart.List{chart.Map{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot"}}}, severities{"spot-azure": warning, "eviction": info, "lost-node": info}},
		"Karpenter":                              {"karpenter", nil, severities{"karpenter": info, "shutdown-eks": info, "spot-aws": info, "eviction": info, "lost-node": info}},
		"Karpenter, spot nodes by affinity":      {"karpenter", spotAffinity, severities{"karpenter": info, "shutdown-eks": info, "spot-aws": warning, "eviction": info, "lost-node": info}},
		"your own machines":                      {"bare", nil, severities{"shutdown-bare": info, "eviction": info, "lost-node": info}},
		"your own machines, an annotation":       {"bare", run(900).And(chart.Values{"podAnnotations": chart.Map{safeToEvict: "true"}}), severities{"cluster-autoscaler": warning, "shutdown-bare": info, "eviction": info, "lost-node": info}},
		"your own machines, long runs that stay": {"bare", run(900), severities{"shutdown-bare": info, "eviction": info, "lost-node": info}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, judged(t, tc.platform, tc.values))
		})
	}
}

var spotAffinity = chart.Values{"affinity": chart.Map{"nodeAffinity": chart.Map{"requiredDuringSchedulingIgnoredDuringExecution": chart.Map{
	"nodeSelectorTerms": chart.List{chart.Map{"matchExpressions": chart.List{
		chart.Map{"key": "karpenter.sh/capacity-type", "operator": "In", "values": chart.List{"spot"}},
	}}},
}}}}

func TestJudgeRefusesOtherPlatforms(t *testing.T) {
	t.Parallel()
	set, err := New(charttest.Own(t))
	require.NoError(t, err)
	assert.ErrorContains(t, set.Judge("GKE"), "gke, eks, aks, karpenter, bare")
}

// The file has every platform, and every row has a source.
func TestBoundsAreComplete(t *testing.T) {
	t.Parallel()
	bounds, err := Bounds(charttest.Own(t))
	require.NoError(t, err)
	found := map[string]bool{}
	for _, bound := range bounds {
		assert.Subset(t, Platforms(), bound.Platforms, bound.ID)
		assert.NotEmpty(t, bound.Platforms, bound.ID)
		assert.True(t, strings.HasPrefix(bound.Source, "https://"), bound.ID)
		assert.True(t, bound.Seconds != nil || bound.Note != "", "%s: a pod's own grace period needs a note", bound.ID)
		for _, platform := range bound.Platforms {
			found[platform] = true
		}
	}
	assert.Len(t, found, len(Platforms()))
}
