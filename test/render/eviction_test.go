package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// The annotations that node autoscalers read.
const (
	safeToEvict  = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	localVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
	doNotDisrupt = "karpenter.sh/do-not-disrupt"
)

// evictionOf returns those of the annotations that are about evictions.
func evictionOf(annotations map[string]string) map[string]string {
	found := map[string]string{}
	for _, name := range []string{safeToEvict, localVolumes, doNotDisrupt} {
		if value, ok := annotations[name]; ok {
			found[name] = value
		}
	}
	return found
}

// Node autoscalers may evict serving pods whose runs end within the 600 s that the
// Cluster Autoscaler waits, and no others.
func TestEvictionFollowsTheRunBudget(t *testing.T) {
	t.Parallel()
	always := map[string]string{safeToEvict: "true", localVolumes: "tmp"}
	onUpgrade := map[string]string{safeToEvict: "false", doNotDisrupt: "true"}
	for name, tc := range map[string]struct {
		values chart.Values
		want   map[string]string
	}{
		"the default":                        {nil, always},
		"the longest run that fits":          {chart.Values{"agent.maxRunSeconds": 590}, always},
		"a run that is longer":               {chart.Values{"agent.maxRunSeconds": 591}, onUpgrade},
		"a longer endpoint delay":            {chart.Values{"agent.maxRunSeconds": 590, "agent.endpointDelaySeconds": 11}, onUpgrade},
		"a long run that may be evicted":     {chart.Values{"agent.maxRunSeconds": 900, "disruption.eviction": "Always"}, always},
		"a short run that may not be":        {chart.Values{"disruption.eviction": "OnUpgrade"}, onUpgrade},
		"more volumes on disk":               {emptyDir("cache", chart.Map{}), map[string]string{safeToEvict: "true", localVolumes: "tmp,cache"}},
		"a volume in memory instead of /tmp": {emptyDir("tmp", chart.Map{"medium": "Memory"}), map[string]string{safeToEvict: "true"}},
		"an annotation in the values":        {chart.Values{"podAnnotations": chart.Map{safeToEvict: "false"}}, map[string]string{safeToEvict: "false", localVolumes: "tmp"}},
		"an annotation of all objects":       {chart.Values{"commonAnnotations": chart.Map{safeToEvict: "false"}}, map[string]string{safeToEvict: "false", localVolumes: "tmp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := charttest.One[*appsv1.Deployment](t, charttest.Render(t, tc.values)).Spec.Template
			assert.Equal(t, tc.want, evictionOf(pod.Annotations))
		})
	}
}

// The run of an evicted Job starts again, so no node autoscaler evicts its pod,
// whatever serving pods permit.
func TestJobsAreNotEvicted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Map
		want   string
	}{
		"the default":                 {nil, "true"},
		"pods that may be evicted":    {chart.Map{"disruption.eviction": "Always"}, "true"},
		"an annotation in the values": {chart.Map{"podAnnotations": chart.Map{doNotDisrupt: "4h"}}, "4h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := charttest.Render(t, chart.Values(tc.values).And(chart.Values{"schedules.a": chart.Map{"schedule": "@daily", "task": "a"}}))
			pod := charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template
			assert.Equal(t, map[string]string{safeToEvict: "false", doNotDisrupt: tc.want}, evictionOf(pod.Annotations))
		})
	}
}
