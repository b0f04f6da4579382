package render

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// Mistakes in single values are reported by the schema, each at its path.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	schedule := func(key string, value any) chart.Values {
		fields := chart.Map{"schedule": "@daily", "task": "a"}
		fields[key] = value
		return chart.Values{"schedules.a": fields}
	}
	for name, tc := range map[string]struct {
		values chart.Values
		at     []string
	}{
		"a digest in the tag":               {chart.Values{"image.tag": "1.2.3@sha256:0"}, []string{"image.tag"}},
		"a name with a capital":             {chart.Values{"fullnameOverride": "My_Agent"}, []string{"fullnameOverride"}},
		"an account without room for -hook": {chart.Values{"serviceAccount.name": strings.Repeat("a", 249)}, []string{"serviceAccount.name"}},
		"a name with a space":               {chart.Values{"nameOverride": "Team Agent"}, []string{"nameOverride"}},
		"a label with a space":              {chart.Values{"commonLabels.team": "a b"}, []string{"commonLabels.team"}},
		"a quantity with a space":           {chart.Values{"resources.limits.memory": "2 Gi"}, []string{"resources.limits.memory"}},
		"a size of /tmp in words":           {chart.Values{"tmp.sizeLimit": "big"}, []string{"tmp.sizeLimit"}},
		"a budget in words":                 {chart.Values{"podDisruptionBudget.minAvailable": "abc"}, []string{"podDisruptionBudget.minAvailable"}},
		"a run of weeks":                    {chart.Values{"agent.maxRunSeconds": 1000000}, []string{"agent.maxRunSeconds"}},
		"an object without a kind":          {chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": "v1"}}}, []string{"extraObjects[0].kind"}},
		"a test image without a tag":        {chart.Values{"helmTest.image": "check"}, []string{"helmTest.image"}},
		"a relative mount path":             {chart.Values{"secret.mountPath": "secrets"}, []string{"secret.mountPath"}},
		"an interval without a unit":        {chart.Values{"serviceMonitor.interval": "30"}, []string{"serviceMonitor.interval"}},
		"an unknown key":                    {chart.Values{"foo": 1}, []string{"foo"}},
		"a mistyped key of agent":           {chart.Values{"agent.maxRunSecond": 1}, []string{"agent.maxRunSecond"}},
		"a mistyped key of image":           {chart.Values{"image.tags": "1"}, []string{"image.tags"}},
		"a mistyped field of a probe":       {chart.Values{"livenessProbe.periodSecond": 1}, []string{"livenessProbe.periodSecond"}},
		"a mistyped field of resources":     {chart.Values{"resources.request.cpu": "1"}, []string{"resources.request"}},
		"a mistyped field of podSpec":       {chart.Values{"podSpec.hostUser": false}, []string{"podSpec.hostUser"}},
		"a mistyped field of a peer":        {chart.Values{"networkPolicy.ingress.from": chart.List{chart.Map{"podSelectors": chart.Map{}}}}, []string{"networkPolicy.ingress.from[0].podSelectors"}},
		"a mistyped field of a toleration":  {chart.Values{"tolerations": chart.List{chart.Map{"kye": "a"}}}, []string{"tolerations[0].kye"}},
		"a mistyped field of a schedule":    {schedule("timezone", "UTC"), []string{"schedules.a.timezone"}},
		"a mistyped field of a policy":      {chart.Values{scaleDown + ".policies": chart.List{chart.Map{"kind": "Pods"}}}, []string{scaleDown + ".policies[0].kind", scaleDown + ".policies[0].periodSeconds", scaleDown + ".policies[0].type", scaleDown + ".policies[0].value"}},
		"a mistyped field of a host":        {chart.Values{"ingress.hosts": chart.List{chart.Map{"name": "a"}}}, []string{"ingress.hosts[0].name"}},
		"a mistyped source of secrets":      {chart.Values{"secret.existingSecrets": "a"}, []string{"secret.existingSecrets"}},
		"a mistyped field of a volume":      {chart.Values{"volumes": chart.List{chart.Map{"emptydir": chart.Map{}, "name": "a"}}}, []string{"volumes[0].emptydir"}},
		"a mistyped field of env":           {chart.Values{"env": chart.List{chart.Map{"name": "a", "val": "b"}}}, []string{"env[0].val"}},
		"an event that is no hook":          {chart.Values{"jobs.a": chart.Map{"hooks": chart.List{"pre-sync"}}}, []string{"jobs.a.hooks[0]"}},
		"an unknown type of agent":          {chart.Values{"agent.type": "huge"}, []string{"agent.type"}},
		"a run of no time":                  {chart.Values{"agent.maxRunSeconds": 0}, []string{"agent.maxRunSeconds"}},
		"a run with a unit":                 {chart.Values{"agent.maxRunSeconds": "5m"}, []string{"agent.maxRunSeconds"}},
		"a digest without sha256":           {chart.Values{"image.digest": "abc"}, []string{"image.digest"}},
		"an empty repository":               {chart.Values{"image.repository": ""}, []string{"image.repository"}},
		"an unknown pull policy":            {chart.Values{"image.pullPolicy": "Sometimes"}, []string{"image.pullPolicy"}},
		"a port out of range":               {chart.Values{"service.port": 70000}, []string{"service.port"}},
		"an unknown type of Service":        {chart.Values{"service.type": "Cluster"}, []string{"service.type"}},
		"an unknown controller":             {chart.Values{"ingress.controller": "apache"}, []string{"ingress.controller"}},
		"a mistyped timeout of a route":     {chart.Values{"httpRoute.timeouts": chart.Map{"requests": "400s"}}, []string{"httpRoute.timeouts.requests"}},
		"a negative budget":                 {chart.Values{"podDisruptionBudget.minAvailable": -1}, []string{"podDisruptionBudget.minAvailable"}},
		"a schedule in words":               {schedule("schedule", "every day"), []string{"schedules.a.schedule"}},
		"a schedule of four fields":         {schedule("schedule", "0 8 * *"), []string{"schedules.a.schedule"}},
		"no grace period":                   {chart.Values{"terminationGracePeriodSeconds": 0}, []string{"terminationGracePeriodSeconds"}},
		"the run budget removed":            {chart.Values{"agent.maxRunSeconds": nil}, []string{"agent.maxRunSeconds"}},
		"a negative number of pods":         {chart.Values{"replicaCount": -1}, []string{"replicaCount"}},
		"an autoscaler of less than none":   {chart.Values{"autoscaling.minReplicas": -1}, []string{"autoscaling.minReplicas"}},
		"a target with a percent sign":      {chart.Values{"autoscaling.targetCPUUtilizationPercentage": "70%"}, []string{"autoscaling.targetCPUUtilizationPercentage"}},
		"an unknown concurrency policy":     {schedule("concurrencyPolicy", "Never"), []string{"schedules.a.concurrencyPolicy"}},
		"a path without a slash":            {chart.Values{"ingress.hosts": chart.List{chart.Map{"host": "a.example.com", "paths": chart.List{chart.Map{"path": "v1"}}}}}, []string{"ingress.hosts[0].paths[0].path"}},
		"a list in config":                  {chart.Values{"config.MODELS": chart.List{"a"}}, []string{"config.MODELS"}},
		"an unknown eviction policy":        {chart.Values{"podDisruptionBudget.unhealthyPodEvictionPolicy": "Never"}, []string{"podDisruptionBudget.unhealthyPodEvictionPolicy"}},
		"a timeout of a route in words":     {chart.Values{"httpRoute.timeouts": chart.Map{"request": "5 minutes"}}, []string{"httpRoute.timeouts.request"}},
		"three mistakes, all reported":      {chart.Values{"agent.type": "huge", "service.port": 0, "foo": 1}, []string{"agent.type", "foo", "service.port"}},
		"an enabled Ingress, in quotes":     {chart.Values{"ingress.enabled": "true"}, []string{"ingress.enabled"}},
		"a rule to skip, not in a list":     {chart.Values{"validation.skip": "image-tag-latest"}, []string{"validation.skip"}},
		"servers to test, not in a list":    {chart.Values{"helmTest.unreachable": "a:443"}, []string{"helmTest.unreachable"}},
		"values of a parent, not a mapping": {chart.Values{"global": "a"}, []string{"global"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, err := charttest.Own(t).Findings(chart.Options{Set: tc.values})
			require.NoError(t, err)
			var at []string
			for _, f := range findings {
				assert.Equal(t, chart.SchemaRule.ID, f.ID)
				at = append(at, f.Path.String())
			}
			slices.Sort(at)
			assert.Equal(t, tc.at, at)
			_, err = charttest.Template(t, chart.Options{Set: tc.values})
			var invalid *chart.SchemaError
			require.ErrorAs(t, err, &invalid)
		})
	}
}

// A list of objects has no metadata.
func TestExtraObjectMayBeAList(t *testing.T) {
	t.Parallel()
	item := chart.Map{"apiVersion": "v1", "kind": "ConfigMap", "metadata": chart.Map{"name": "a"}}
	manifest, err := charttest.Template(t, chart.Options{Set: chart.Values{
		"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "kind": "List", "items": chart.List{item}}},
	}})
	require.NoError(t, err)
	assert.Contains(t, manifest, "kind: List")
}

// podSpec adds fields to the pod. It must not repeat one that the chart sets, nor
// have one that a Deployment refuses.
func TestPodSpecTakesNoFieldOfTheChart(t *testing.T) {
	t.Parallel()
	chartSets := fieldsOfPods(t)
	deploymentRefuses := []string{"activeDeadlineSeconds", "ephemeralContainers"}
	deprecatedName := "serviceAccount" // of serviceAccountName, which Kubernetes would set to it
	refused := append(chartSets, append(deploymentRefuses, deprecatedName)...)
	accepted := newDrawer(t).resolve("#/$defs/kubernetes.json/$defs/PodSpec")["properties"].(map[string]any)
	for field := range reflect.TypeFor[corev1.PodSpec]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		_, isAccepted := accepted[name]
		assert.Equal(t, slices.Contains(refused, name), !isAccepted, name)
	}
	assert.Len(t, refused, 19)
	for _, name := range refused {
		findings, err := charttest.Own(t).Findings(chart.Options{Set: chart.Values{"podSpec": chart.Map{name: nil}}})
		require.NoError(t, err)
		require.NotEmpty(t, findings, name)
		assert.Equal(t, "podSpec."+name, findings[0].Path.String())
	}
}

// fieldsOfPods returns the fields that the chart sets in pods of the agent: with
// every value that has a field of its own.
func fieldsOfPods(t *testing.T) []string {
	t.Helper()
	values := placed.And(chart.Values{
		"imagePullSecrets": chart.List{chart.Map{"name": "registry"}},
		"initContainers":   chart.List{chart.Map{"name": "first", "image": "a:1"}},
	})
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(deploymentOf(t, values))
	require.NoError(t, err)
	spec := content["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	var names []string
	for name := range spec {
		names = append(names, name)
	}
	return names
}
