package render

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
)

// effect is what one value does: set to JSON, with whatever else must be given,
// it makes one field of one object read differently.
type effect struct {
	set   string       // JSON
	in    string       // Kind/name
	at    string       // JSONPath, without the braces
	reads string       // as the JSONPath prints it; anything else than before if empty
	given chart.Values // before and after
}

const (
	deployment = "Deployment/ai-agent"
	pod        = ".spec.template.spec"
	agent      = pod + ".containers[0]"
	hpa        = "HorizontalPodAutoscaler/ai-agent-hpa"
	policy     = "NetworkPolicy/ai-agent"
)

var (
	aHost      = chart.Values{"ingress.hosts": `[{"host": "a.example.com"}]`}
	aGateway   = chart.Values{"httpRoute.enabled": "true", "httpRoute.parentRefs": `[{"name": "public"}]`}
	aStore     = chart.Values{"secret.externalSecret.enabled": "true", "secret.externalSecret.secretStoreRef.name": `"vault"`, "secret.externalSecret.dataFrom": `[{"extract": {"key": "all"}}]`}
	aProvider  = chart.Values{"secret.secretProviderClass.provider": `"aws"`}
	fixedCount = chart.Values{"autoscaling.enabled": "false"}
)

var effects = map[string]effect{
	"nameOverride":      {set: `"helper"`, in: "Deployment/ai-agent-helper", at: ".spec.template.metadata.labels.app", reads: "helper"},
	"fullnameOverride":  {set: `"mine"`, in: "Service/mine-service", at: ".metadata.name", reads: "mine-service"},
	"commonLabels":      {set: `{"team": "a"}`, in: "Service/ai-agent-service", at: ".metadata.labels.team", reads: "a"},
	"commonAnnotations": {set: `{"owner": "a"}`, in: "ConfigMap/ai-agent-config", at: ".metadata.annotations.owner", reads: "a"},

	"image.repository": {set: `"team/agent"`, in: deployment, at: agent + ".image", reads: "team/agent:2.0", given: chart.Values{"image.tag": `"2.0"`}},
	"image.tag":        {set: `"1.2.3"`, in: deployment, at: agent + ".image", reads: "ai-agent:1.2.3"},
	"image.digest":     {set: `"sha256:` + strings.Repeat("a", 64) + `"`, in: deployment, at: agent + ".image", reads: "ai-agent@sha256:" + strings.Repeat("a", 64)},
	"image.pullPolicy": {set: `"Always"`, in: deployment, at: agent + ".imagePullPolicy", reads: "Always"},
	"imagePullSecrets": {set: `[{"name": "registry"}]`, in: deployment, at: pod + ".imagePullSecrets[0].name", reads: "registry"},

	"agent.maxRunSeconds":        {set: "600", in: deployment, at: pod + ".terminationGracePeriodSeconds", reads: "630"},
	"agent.type":                 {set: `"api"`, in: deployment, at: agent + ".resources.requests.cpu", reads: "250m"},
	"agent.endpointDelaySeconds": {set: "20", in: deployment, at: agent + ".lifecycle.preStop.sleep.seconds", reads: "20"},

	"version":       {set: `"v2"`, in: deployment, at: ".spec.template.metadata.labels.version", reads: "v2"},
	"command":       {set: `["/bin/agent"]`, in: deployment, at: agent + ".command[0]", reads: "/bin/agent"},
	"args":          {set: `["serve"]`, in: deployment, at: agent + ".args[0]", reads: "serve"},
	"containerPort": {set: "9000", in: deployment, at: agent + ".ports[0].containerPort", reads: "9000"},
	"config":        {set: `{"LOG_LEVEL": "DEBUG"}`, in: "ConfigMap/ai-agent-config", at: ".data.LOG_LEVEL", reads: "DEBUG"},

	"secret.existingSecret":                 {set: `"mine"`, in: deployment, at: agent + ".envFrom[1].secretRef.name", reads: "mine"},
	"secret.revision":                       {set: `"2"`, in: deployment, at: `.spec.template.metadata.annotations.checksum/secret`},
	"secret.mountPath":                      {set: `"/secrets"`, in: deployment, at: agent + ".volumeMounts[1].mountPath", reads: "/secrets"},
	"secret.stringData":                     {set: `{"OPENAI_API_KEY": "a"}`, in: "Secret/ai-agent-secrets", at: ".data.OPENAI_API_KEY", reads: "YQ=="},
	"secret.externalSecret.enabled":         {set: "true", in: "ExternalSecret/ai-agent-secrets", at: ".spec.target.name", reads: "ai-agent-secrets", given: without(aStore, "secret.externalSecret.enabled")},
	"secret.externalSecret.secretStoreRef":  {set: `{"kind": "SecretStore"}`, in: "ExternalSecret/ai-agent-secrets", at: ".spec.secretStoreRef.kind", reads: "SecretStore", given: aStore},
	"secret.externalSecret.refreshInterval": {set: `"5m"`, in: "ExternalSecret/ai-agent-secrets", at: ".spec.refreshInterval", reads: "5m", given: aStore},
	"secret.externalSecret.data":            {set: `[{"secretKey": "A", "remoteRef": {"key": "a"}}]`, in: "ExternalSecret/ai-agent-secrets", at: ".spec.data[0].secretKey", reads: "A", given: aStore},
	"secret.externalSecret.dataFrom":        {set: `[{"extract": {"key": "other"}}]`, in: "ExternalSecret/ai-agent-secrets", at: ".spec.dataFrom[0].extract.key", reads: "other", given: aStore},
	"secret.sealedSecret.encryptedData":     {set: `{"A": "sealed"}`, in: "SealedSecret/ai-agent-secrets", at: ".spec.encryptedData.A", reads: "sealed"},
	"secret.secretProviderClass.provider":   {set: `"vault"`, in: "SecretProviderClass/ai-agent", at: ".spec.provider", reads: "vault"},
	"secret.secretProviderClass.parameters": {set: `{"region": "a"}`, in: "SecretProviderClass/ai-agent", at: ".spec.parameters.region", reads: "a", given: aProvider},
	"secret.secretProviderClass.data":       {set: `[{"objectName": "openai", "key": "A"}]`, in: "SecretProviderClass/ai-agent", at: ".spec.secretObjects[0].data[0].key", reads: "A", given: aProvider},

	"env":                           {set: `[{"name": "A", "value": "b"}]`, in: deployment, at: agent + ".env[0].value", reads: "b"},
	"envFrom":                       {set: `[{"configMapRef": {"name": "shared"}}]`, in: deployment, at: agent + ".envFrom[2].configMapRef.name", reads: "shared"},
	"resources":                     {set: `{"limits": {"memory": "3Gi"}}`, in: deployment, at: agent + ".resources.limits.memory", reads: "3Gi"},
	"resizePolicy":                  {set: `[{"resourceName": "cpu", "restartPolicy": "NotRequired"}]`, in: deployment, at: agent + ".resizePolicy[0].resourceName", reads: "cpu"},
	"livenessProbe":                 {set: `{"periodSeconds": 7}`, in: deployment, at: agent + ".livenessProbe.periodSeconds", reads: "7"},
	"readinessProbe":                {set: `{"periodSeconds": 7}`, in: deployment, at: agent + ".readinessProbe.periodSeconds", reads: "7"},
	"startupProbe":                  {set: `{"failureThreshold": 120}`, in: deployment, at: agent + ".startupProbe.failureThreshold", reads: "120"},
	"lifecycle":                     {set: `{"preStop": {"exec": {"command": ["/drain"]}}}`, in: deployment, at: agent + ".lifecycle.preStop.exec.command[0]", reads: "/drain"},
	"terminationGracePeriodSeconds": {set: "400", in: deployment, at: pod + ".terminationGracePeriodSeconds", reads: "400"},

	"replicaCount":            {set: "5", in: deployment, at: ".spec.replicas", reads: "5", given: fixedCount},
	"strategy":                {set: `{"rollingUpdate": {"maxSurge": 2}}`, in: deployment, at: ".spec.strategy.rollingUpdate.maxSurge", reads: "2"},
	"progressDeadlineSeconds": {set: "900", in: deployment, at: ".spec.progressDeadlineSeconds", reads: "900"},
	"revisionHistoryLimit":    {set: "2", in: deployment, at: ".spec.revisionHistoryLimit", reads: "2"},

	"autoscaling.enabled":                           {set: "false", in: hpa, at: ".metadata.name", reads: noObject},
	"autoscaling.minReplicas":                       {set: "3", in: hpa, at: ".spec.minReplicas", reads: "3"},
	"autoscaling.maxReplicas":                       {set: "4", in: hpa, at: ".spec.maxReplicas", reads: "4"},
	"autoscaling.targetCPUUtilizationPercentage":    {set: "50", in: hpa, at: ".spec.metrics[0].resource.target.averageUtilization", reads: "50"},
	"autoscaling.targetMemoryUtilizationPercentage": {set: "50", in: hpa, at: ".spec.metrics[1].resource.target.averageUtilization", reads: "50"},
	"autoscaling.metrics":                           {set: `[{"type": "Pods", "pods": {"metric": {"name": "agent_runs_in_flight"}, "target": {"type": "AverageValue", "averageValue": "5"}}}]`, in: hpa, at: ".spec.metrics[2].pods.metric.name", reads: "agent_runs_in_flight"},
	"autoscaling.behavior":                          {set: `{"scaleUp": {"stabilizationWindowSeconds": 0}}`, in: hpa, at: ".spec.behavior.scaleUp.stabilizationWindowSeconds", reads: "0"},

	"podDisruptionBudget.enabled":                    {set: "false", in: "PodDisruptionBudget/ai-agent", at: ".metadata.name", reads: noObject},
	"podDisruptionBudget.minAvailable":               {set: `"50%"`, in: "PodDisruptionBudget/ai-agent", at: ".spec.minAvailable", reads: "50%"},
	"podDisruptionBudget.maxUnavailable":             {set: "1", in: "PodDisruptionBudget/ai-agent", at: ".spec.maxUnavailable", reads: "1"},
	"podDisruptionBudget.unhealthyPodEvictionPolicy": {set: `"IfHealthyBudget"`, in: "PodDisruptionBudget/ai-agent", at: ".spec.unhealthyPodEvictionPolicy", reads: "IfHealthyBudget"},

	"service.type":                {set: `"NodePort"`, in: "Service/ai-agent-service", at: ".spec.type", reads: "NodePort", given: chart.Values{"networkPolicy.enabled": "false"}},
	"service.port":                {set: "8080", in: "Service/ai-agent-service", at: ".spec.ports[0].port", reads: "8080"},
	"service.trafficDistribution": {set: `"PreferClose"`, in: "Service/ai-agent-service", at: ".spec.trafficDistribution", reads: "PreferClose"},
	"service.annotations":         {set: `{"a": "b"}`, in: "Service/ai-agent-service", at: ".metadata.annotations.a", reads: "b"},

	"ingress.enabled":     {set: "false", in: "Ingress/ai-agent-ingress", at: ".metadata.name", reads: noObject, given: aHost},
	"ingress.className":   {set: `"traefik"`, in: "Ingress/ai-agent-ingress", at: ".spec.ingressClassName", reads: "traefik", given: aHost},
	"ingress.controller":  {set: `"haproxy"`, in: "Ingress/ai-agent-ingress", at: `.metadata.annotations.haproxy\.org/timeout-server`, reads: "300s", given: aHost},
	"ingress.annotations": {set: `{"a": "b"}`, in: "Ingress/ai-agent-ingress", at: ".metadata.annotations.a", reads: "b", given: aHost},
	"ingress.hosts":       {set: `[{"host": "b.example.com"}]`, in: "Ingress/ai-agent-ingress", at: ".spec.rules[0].host", reads: "b.example.com", given: aHost},
	"ingress.tls":         {set: `[{"secretName": "tls"}]`, in: "Ingress/ai-agent-ingress", at: ".spec.tls[0].secretName", reads: "tls", given: aHost},

	"httpRoute.enabled":     {set: "true", in: "HTTPRoute/ai-agent", at: ".spec.rules[0].timeouts.request", reads: "330s", given: without(aGateway, "httpRoute.enabled")},
	"httpRoute.parentRefs":  {set: `[{"name": "private"}]`, in: "HTTPRoute/ai-agent", at: ".spec.parentRefs[0].name", reads: "private", given: aGateway},
	"httpRoute.hostnames":   {set: `["a.example.com"]`, in: "HTTPRoute/ai-agent", at: ".spec.hostnames[0]", reads: "a.example.com", given: aGateway},
	"httpRoute.matches":     {set: `[{"path": {"type": "Exact", "value": "/v1"}}]`, in: "HTTPRoute/ai-agent", at: ".spec.rules[0].matches[0].path.value", reads: "/v1", given: aGateway},
	"httpRoute.timeouts":    {set: `{"request": "10m"}`, in: "HTTPRoute/ai-agent", at: ".spec.rules[0].timeouts.request", reads: "10m", given: aGateway},
	"httpRoute.annotations": {set: `{"a": "b"}`, in: "HTTPRoute/ai-agent", at: ".metadata.annotations.a", reads: "b", given: aGateway},

	"networkPolicy.enabled":      {set: "false", in: policy, at: ".metadata.name", reads: noObject},
	"networkPolicy.ingress.from": {set: `[{"podSelector": {"matchLabels": {"a": "b"}}}]`, in: policy, at: ".spec.ingress[0].from[0].podSelector.matchLabels.a", reads: "b"},
	"networkPolicy.egress.dns":   {set: `[{"ipBlock": {"cidr": "10.0.0.10/32"}}]`, in: policy, at: ".spec.egress[0].to[0].ipBlock.cidr", reads: "10.0.0.10/32"},
	"networkPolicy.egress.https": {set: "false", in: policy, at: ".spec.egress[4].ports[0].port", reads: noField},
	"networkPolicy.extraIngress": {set: `[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]`, in: policy, at: ".spec.ingress[1].from[0].ipBlock.cidr", reads: "192.0.2.0/24"},
	"networkPolicy.extraEgress":  {set: `[{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]`, in: policy, at: ".spec.egress[5].to[0].ipBlock.cidr", reads: "192.0.2.0/24"},

	"schedules": {set: `{"a": {"schedule": "@hourly", "task": "a"}}`, in: "CronJob/ai-agent-a", at: ".spec.schedule", reads: "@hourly"},

	"serviceMonitor.enabled":   {set: "true", in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].port", reads: "http"},
	"serviceMonitor.path":      {set: `"/m"`, in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].path", reads: "/m", given: chart.Values{"serviceMonitor.enabled": "true"}},
	"serviceMonitor.interval":  {set: `"5s"`, in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].interval", reads: "5s", given: chart.Values{"serviceMonitor.enabled": "true"}},
	"serviceMonitor.labels":    {set: `{"a": "b"}`, in: "ServiceMonitor/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"serviceMonitor.enabled": "true"}},
	"podMonitor.enabled":       {set: "true", in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].port", reads: "http"},
	"podMonitor.path":          {set: `"/m"`, in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].path", reads: "/m", given: chart.Values{"podMonitor.enabled": "true"}},
	"podMonitor.interval":      {set: `"5s"`, in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].interval", reads: "5s", given: chart.Values{"podMonitor.enabled": "true"}},
	"podMonitor.labels":        {set: `{"a": "b"}`, in: "PodMonitor/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"podMonitor.enabled": "true"}},
	"prometheusRule.enabled":   {set: "true", in: "PrometheusRule/ai-agent", at: ".spec.groups[0].rules[0].alert", reads: "AIAgentRunCut"},
	"prometheusRule.labels":    {set: `{"a": "b"}`, in: "PrometheusRule/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"prometheusRule.enabled": "true"}},
	"grafanaDashboard.enabled": {set: "true", in: "ConfigMap/ai-agent-dashboard", at: ".metadata.labels.grafana_dashboard", reads: "1"},
	"grafanaDashboard.labels":  {set: `{"a": "b"}`, in: "ConfigMap/ai-agent-dashboard", at: ".metadata.labels.a", reads: "b", given: chart.Values{"grafanaDashboard.enabled": "true"}},

	"serviceAccount.create":      {set: "false", in: "ServiceAccount/ai-agent", at: ".metadata.name", reads: noObject},
	"serviceAccount.automount":   {set: "true", in: deployment, at: pod + ".automountServiceAccountToken", reads: "true"},
	"serviceAccount.annotations": {set: `{"a": "b"}`, in: "ServiceAccount/ai-agent", at: ".metadata.annotations.a", reads: "b"},
	"serviceAccount.name":        {set: `"mine"`, in: deployment, at: pod + ".serviceAccountName", reads: "mine"},

	"podAnnotations":     {set: `{"a": "b"}`, in: deployment, at: ".spec.template.metadata.annotations.a", reads: "b"},
	"podLabels":          {set: `{"a": "b"}`, in: deployment, at: ".spec.template.metadata.labels.a", reads: "b"},
	"podSecurityContext": {set: `{"runAsUser": 1234}`, in: deployment, at: pod + ".securityContext.runAsUser", reads: "1234"},
	"securityContext":    {set: `{"runAsUser": 1234}`, in: deployment, at: agent + ".securityContext.runAsUser", reads: "1234"},
	"tmp.sizeLimit":      {set: `"1Gi"`, in: deployment, at: pod + ".volumes[0].emptyDir.sizeLimit", reads: "1Gi"},
	"volumes":            {set: `[{"name": "a", "emptyDir": {}}]`, in: deployment, at: pod + ".volumes[1].name", reads: "a"},
	"volumeMounts":       {set: `[{"name": "a", "mountPath": "/a"}]`, in: deployment, at: agent + ".volumeMounts[1].mountPath", reads: "/a"},
	"initContainers":     {set: `[{"name": "first", "image": "a:1"}]`, in: deployment, at: pod + ".initContainers[0].name", reads: "first"},
	"extraContainers":    {set: `[{"name": "beside", "image": "a:1"}]`, in: deployment, at: pod + ".containers[1].name", reads: "beside"},

	"nodeSelector":              {set: `{"disk": "ssd"}`, in: deployment, at: pod + ".nodeSelector.disk", reads: "ssd"},
	"tolerations":               {set: `[{"key": "a", "operator": "Exists"}]`, in: deployment, at: pod + ".tolerations[0].key", reads: "a"},
	"affinity":                  {set: `{"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "preference": {}}]}}`, in: deployment, at: pod + ".affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", reads: "7"},
	"topologySpreadConstraints": {set: `[{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]`, in: deployment, at: pod + ".topologySpreadConstraints[*].topologyKey", reads: "rack"},
	"priorityClassName":         {set: `"high"`, in: deployment, at: pod + ".priorityClassName", reads: "high"},
	"runtimeClassName":          {set: `"nvidia"`, in: deployment, at: pod + ".runtimeClassName", reads: "nvidia"},
	"podSpec":                   {set: `{"hostUsers": false}`, in: deployment, at: pod + ".hostUsers", reads: "false"},

	"helmTest.enabled": {set: "false", in: "Pod/ai-agent-test-service", at: ".metadata.name", reads: noObject},
	"helmTest.image":   {set: `"check:1"`, in: "Pod/ai-agent-test-config", at: ".spec.containers[0].image", reads: "check:1"},
	"helmTest.command": {set: `["/check"]`, in: "Pod/ai-agent-test-policy", at: ".spec.containers[0].command[0]", reads: "/check"},

	"extraObjects": {set: `[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"a": "{{ .Release.Name }}"}}]`, in: "ConfigMap/extra", at: ".data.a", reads: "ai-agent"},
}

// Every value of values.yaml does what it says, and nothing is left out here.
func TestEachValue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.Unmarshal(text, &values))
	paths := leaves(values)
	assert.Len(t, paths, len(effects)+len(unread), "each value has one effect here")
	for _, path := range paths {
		effect, ok := effects[path]
		if !ok {
			assert.Contains(t, unread, path, "a value without an effect")
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			before := effect.read(t, effect.given)
			after := effect.read(t, effect.given.With(path, effect.set))
			assert.NotEqual(t, before, after)
			if effect.reads != "" {
				assert.Equal(t, effect.reads, after)
			}
		})
	}
}

// rendered has the objects of values that many effects start from.
var rendered sync.Map

func renderOnce(t *testing.T, values chart.Values) func() (chart.Objects, error) {
	render := sync.OnceValues(func() (chart.Objects, error) {
		manifest, err := chart.Template(t, chart.Options{Set: values, APIVersions: chart.MonitoringAPIs})
		if err != nil {
			return nil, err
		}
		return chart.Decode(manifest)
	})
	known, _ := rendered.LoadOrStore(fmt.Sprint(values), render)
	return known.(func() (chart.Objects, error))
}

// read renders and returns what stands where the effect looks.
func (e effect) read(t *testing.T, values chart.Values) string {
	t.Helper()
	objects, err := renderOnce(t, values)()
	require.NoError(t, err)
	return field(t, objects, e.in, e.at)
}

const (
	noObject = "(no such object)"
	noField  = "(nothing there)"
)

// field returns what a JSONPath, without its braces, finds in the object Kind/name.
func field(t *testing.T, objects chart.Objects, in, at string) string {
	t.Helper()
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		require.NoError(t, err)
		metadata, _ := content["metadata"].(map[string]any)
		if in != fmt.Sprintf("%s/%s", content["kind"], metadata["name"]) {
			continue
		}
		path := jsonpath.New(at)
		require.NoError(t, path.Parse("{"+at+"}"))
		var found bytes.Buffer
		if path.Execute(&found, content) != nil {
			return noField
		}
		return found.String()
	}
	return noObject
}

// without returns a copy of values that lacks one.
func without(values chart.Values, path string) chart.Values {
	left := chart.Values{}
	for name, value := range values {
		if name != path {
			left[name] = value
		}
	}
	return left
}
