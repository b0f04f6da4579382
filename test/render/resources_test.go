package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
)

// The specification's table of sizes, in full.
func TestSizesByAgentType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][4]string{
		"api":          {"250m", "1", "256Mi", "1Gi"},
		"embeddings":   {"500m", "2", "512Mi", "2Gi"},
		"local-model":  {"2", "4", "4Gi", "8Gi"},
		"orchestrator": {"1", "4", "1Gi", "4Gi"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			resources := agentOf(t, chart.Values{"agent.type": kind}).Resources
			assert.Equal(t, want, [4]string{
				resources.Requests.Cpu().String(), resources.Limits.Cpu().String(),
				resources.Requests.Memory().String(), resources.Limits.Memory().String(),
			})
		})
	}
}

func TestResourcesOverrideSingleFields(t *testing.T) {
	t.Parallel()
	resources := agentOf(t, chart.Values{"resources": chart.Map{"limits": chart.Map{"memory": "3Gi", "nvidia.com/gpu": 1}}}).Resources
	gpus := resources.Limits["nvidia.com/gpu"]
	assert.Equal(t, "1", gpus.String())
	assert.Equal(t, "3Gi", resources.Limits.Memory().String())
	assert.Equal(t, "2", resources.Limits.Cpu().String(), "from the agent's type")
	assert.Equal(t, "512Mi", resources.Requests.Memory().String(), "from the agent's type")
}

func TestNullRemovesALimit(t *testing.T) {
	t.Parallel()
	limits := agentOf(t, chart.Values{"resources.limits.cpu": nil}).Resources.Limits
	assert.NotContains(t, limits, corev1.ResourceCPU)
	assert.Equal(t, "2Gi", limits.Memory().String())
}

// The agent requests what /tmp may hold, unless the values say what it needs.
func TestScratchSpaceIsRequested(t *testing.T) {
	t.Parallel()
	schedule := chart.Values{"schedules.a": chart.Map{"schedule": "@daily", "task": "a"}}
	job := charttest.One[*batchv1.CronJob](t, charttest.Render(t, schedule)).Spec.JobTemplate.Spec.Template.Spec
	assert.Equal(t, "1Gi", scratchOf(job.Containers[0]))
	for name, tc := range map[string]struct {
		values chart.Values
		want   string
	}{
		"the default":                      {nil, "1Gi"},
		"another size":                     {chart.Values{"tmp.sizeLimit": "5Gi"}, "5Gi"},
		"a request in the values":          {chart.Values{"resources.requests": chart.Map{"ephemeral-storage": "3Gi"}}, "3Gi"},
		"a limit in the values":            {chart.Values{"resources.limits": chart.Map{"ephemeral-storage": "4Gi"}}, "4Gi"},
		"null":                             {chart.Values{"resources.requests": chart.Map{"ephemeral-storage": nil}}, "0"},
		"a volume that replaces /tmp":      {emptyDir("tmp", chart.Map{"medium": "Memory", "sizeLimit": "128Mi"}), "0"},
		"a volume that is mounted at /tmp": {emptyDir("a", chart.Map{}).With("volumeMounts", chart.List{chart.Map{"mountPath": "/tmp", "name": "a"}}), "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, scratchOf(agentOf(t, tc.values)))
		})
	}
}

func scratchOf(container corev1.Container) string {
	request := container.Resources.Requests[corev1.ResourceEphemeralStorage]
	return request.String()
}

// Every size can have requests equal to its limits, as GKE Autopilot requires: no rule
// and no check objects.
func TestGuaranteedSizesHaveNoFindings(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	for _, kind := range []string{"api", "embeddings", "local-model", "orchestrator"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			limits := agentOf(t, chart.Values{"agent.type": kind}).Resources.Limits
			requests := chart.Map{"cpu": limits.Cpu().String(), "memory": limits.Memory().String(), "ephemeral-storage": "1Gi"}
			values := chart.Values{"agent.type": kind, "resources.requests": requests, "resources.limits": chart.Map{"ephemeral-storage": "1Gi"}}
			result, err := set.Validate(t.Context(), chart.Options{Set: values})
			require.NoError(t, err)
			assert.Subset(t, []string{"kube-score"}, finding.IDs(result.Findings))
			resources := agentOf(t, values).Resources
			assert.True(t, equality.Semantic.DeepEqual(resources.Requests, resources.Limits), "%v", resources)
		})
	}
}
