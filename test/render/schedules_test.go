package render

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestScheduleRunsItsTask(t *testing.T) {
	t.Parallel()
	cron := charttest.One[*batchv1.CronJob](t, charttest.Render(t, chart.Values{
		"schedules.daily": chart.Map{"schedule": "0 8 * * *", "task": `Write the "report"`, "timeZone": "Europe/Berlin"},
	}))
	assert.Equal(t, "ai-agent-daily", cron.Name)
	assert.Equal(t, "Europe/Berlin", *cron.Spec.TimeZone)
	assert.Equal(t, batchv1.ForbidConcurrent, cron.Spec.ConcurrencyPolicy)
	pod := cron.Spec.JobTemplate.Spec.Template.Spec
	assert.Equal(t, []string{"run", "--task", `Write the "report"`}, pod.Containers[0].Args)
	assert.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy)
	assert.Nil(t, pod.Containers[0].LivenessProbe)
}

// A schedule never runs its own args as arguments of the command that starts the
// server.
func TestCommandOfASchedule(t *testing.T) {
	t.Parallel()
	server := chart.Values{"command": chart.List{"uvicorn", "app.main:app"}, "args": chart.List{"--port", "8000"}}
	report := chart.List{"python", "-m", "app.report"}
	run := []string{"run", "--task", "a"}
	line := []string{"python", "-m", "app.report"}
	for name, tc := range map[string]struct {
		values        chart.Values
		schedule      chart.Map
		command, args []string
	}{
		"a task":                             {nil, chart.Map{}, nil, run},
		"a task, the agent has a command":    {chart.Values{"command": chart.List{"/agent"}}, chart.Map{}, []string{"/agent"}, run},
		"args":                               {nil, chart.Map{"args": report}, nil, line},
		"args, the agent has args":           {server.With("command", chart.List{}), chart.Map{"args": report}, nil, line},
		"args, the agent has a command":      {server, chart.Map{"args": report}, line, nil},
		"a command":                          {nil, chart.Map{"command": report}, line, nil},
		"a command, the agent has a command": {server, chart.Map{"command": report}, line, nil},
		"a command and args":                 {server, chart.Map{"command": report[:1], "args": report[1:]}, line[:1], line[1:]},
		"a command and no args":              {server, chart.Map{"command": report, "args": chart.List{}}, line, nil},
		"no command":                         {nil, chart.Map{"command": chart.List{}}, nil, run},
	} {
		schedule := chart.Map{"schedule": "@daily", "task": "a"}
		maps.Copy(schedule, tc.schedule)
		cron := charttest.One[*batchv1.CronJob](t, charttest.Render(t, tc.values.With("schedules.a", schedule)))
		container := cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
		assert.Equal(t, tc.command, container.Command, name)
		assert.Equal(t, tc.args, container.Args, name)
	}
}

// Only a Job may own the pods of a schedule: no other object may select them.
func TestScheduledPodsAreSelectedOnlyByThePolicy(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, aSchedule)
	scheduled := labels.Set(charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template.Labels)
	selected := func(selector *metav1.LabelSelector) bool {
		parsed, err := metav1.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		return parsed.Matches(scheduled)
	}
	deployment := charttest.One[*appsv1.Deployment](t, objects)
	assert.False(t, selected(deployment.Spec.Selector), "the Deployment and its autoscaler")
	assert.False(t, selected(charttest.One[*policyv1.PodDisruptionBudget](t, objects).Spec.Selector), "the PodDisruptionBudget")
	assert.False(t, selected(deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector), "the spread")
	assert.False(t, labels.SelectorFromSet(charttest.One[*corev1.Service](t, objects).Spec.Selector).Matches(scheduled), "the Service")
	assert.True(t, selected(&charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec.PodSelector), "the NetworkPolicy")
}
