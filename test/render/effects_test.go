package render

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
)

// effect is what one value changes: a field of an object.
type effect struct {
	set   any          // the value
	in    string       // Kind/name
	at    string       // JSONPath, without its braces
	reads string       // the field with the value set; if empty, anything but what it is without
	given chart.Values // set in both cases
}

var effects = map[string]effect{
	"nameOverride":      {set: "helper", in: "Deployment/ai-agent-helper", at: ".spec.template.metadata.labels.app", reads: "helper"},
	"fullnameOverride":  {set: "mine", in: "Service/mine-service", at: ".metadata.name", reads: "mine-service"},
	"commonLabels":      {set: chart.Map{"team": "a"}, in: "Service/ai-agent-service", at: ".metadata.labels.team", reads: "a"},
	"commonAnnotations": {set: chart.Map{"owner": "a"}, in: "ConfigMap/ai-agent-config", at: ".metadata.annotations.owner", reads: "a"},

	"image.repository": {set: "team/agent", in: deployment, at: agent + ".image", reads: "team/agent:2.0", given: chart.Values{"image.tag": "2.0"}},
	"image.tag":        {set: "1.2.3", in: deployment, at: agent + ".image", reads: "ai-agent:1.2.3"},
	"image.digest":     {set: "sha256:" + strings.Repeat("a", 64), in: deployment, at: agent + ".image", reads: "ai-agent@sha256:" + strings.Repeat("a", 64)},
	"image.pullPolicy": {set: "Always", in: deployment, at: agent + ".imagePullPolicy", reads: "Always"},
	"imagePullSecrets": {set: chart.List{chart.Map{"name": "registry"}}, in: deployment, at: pod + ".imagePullSecrets[0].name", reads: "registry"},

	"agent.maxRunSeconds":        {set: 600, in: deployment, at: pod + ".terminationGracePeriodSeconds", reads: "630"},
	"agent.type":                 {set: "api", in: deployment, at: agent + ".resources.requests.cpu", reads: "250m"},
	"agent.maxStartSeconds":      {set: 600, in: deployment, at: agent + ".startupProbe.failureThreshold", reads: "600"},
	"agent.endpointDelaySeconds": {set: 20, in: deployment, at: agent + ".lifecycle.preStop.sleep.seconds", reads: "20"},

	"sample.enabled": {set: false, in: "ConfigMap/ai-agent-config", at: ".data.REDIS_URL", reads: noField},
	"sample.config":  {set: chart.Map{"A": "b"}, in: "ConfigMap/ai-agent-config", at: ".data.A", reads: "b"},

	"sample.metrics": {set: chart.Map{"runsInFlight": "busy"}, in: "PrometheusRule/ai-agent", at: ".spec.groups[0].rules[0].expr", given: chart.Values{"prometheusRule.enabled": true}},
	"metrics":        {set: chart.Map{"runsInFlight": "busy"}, in: "PrometheusRule/ai-agent", at: ".spec.groups[0].rules[0].expr", given: chart.Values{"prometheusRule.enabled": true}},

	"version":       {set: "v2", in: deployment, at: ".spec.template.metadata.labels.version", reads: "v2"},
	"command":       {set: chart.List{"/bin/agent"}, in: deployment, at: agent + ".command[0]", reads: "/bin/agent"},
	"args":          {set: chart.List{"serve"}, in: deployment, at: agent + ".args[0]", reads: "serve"},
	"containerPort": {set: 9000, in: deployment, at: agent + ".ports[0].containerPort", reads: "9000"},
	"metricsPort":   {set: 9100, in: deployment, at: agent + ".ports[1].containerPort", reads: "9100"},
	"ports":         {set: chart.List{aPort("health", 8081)}, in: deployment, at: agent + ".ports[2].name", reads: "health"},
	"config":        {set: chart.Map{"LOG_LEVEL": "DEBUG"}, in: "ConfigMap/ai-agent-config", at: ".data.LOG_LEVEL", reads: "DEBUG"},

	"secret.existingSecret":                 {set: "mine", in: deployment, at: agent + ".envFrom[1].secretRef.name", reads: "mine"},
	"secret.revision":                       {set: "2", in: deployment, at: `.spec.template.metadata.annotations.checksum/secret-source`},
	"secret.mountPath":                      {set: "/secrets", in: deployment, at: agent + ".volumeMounts[1].mountPath", reads: "/secrets"},
	"secret.stringData":                     {set: chart.Map{"OPENAI_API_KEY": "a"}, in: "Secret/ai-agent-secrets", at: ".data.OPENAI_API_KEY", reads: "YQ=="},
	"secret.externalSecret.enabled":         {set: true, in: "ExternalSecret/ai-agent-secrets", at: ".spec.target.name", reads: "ai-agent-secrets", given: without(aStore, "secret.externalSecret.enabled")},
	"secret.externalSecret.secretStoreRef":  {set: chart.Map{"kind": "SecretStore"}, in: "ExternalSecret/ai-agent-secrets", at: ".spec.secretStoreRef.kind", reads: "SecretStore", given: aStore},
	"secret.externalSecret.refreshInterval": {set: "5m", in: "ExternalSecret/ai-agent-secrets", at: ".spec.refreshInterval", reads: "5m", given: aStore},
	"secret.externalSecret.data":            {set: chart.List{chart.Map{"remoteRef": chart.Map{"key": "a"}, "secretKey": "A"}}, in: "ExternalSecret/ai-agent-secrets", at: ".spec.data[0].secretKey", reads: "A", given: aStore},
	"secret.externalSecret.dataFrom":        {set: chart.List{chart.Map{"extract": chart.Map{"key": "other"}}}, in: "ExternalSecret/ai-agent-secrets", at: ".spec.dataFrom[0].extract.key", reads: "other", given: aStore},
	"secret.sealedSecret.encryptedData":     {set: chart.Map{"A": "sealed"}, in: "SealedSecret/ai-agent-secrets", at: ".spec.encryptedData.A", reads: "sealed"},
	"secret.secretProviderClass.provider":   {set: "vault", in: "SecretProviderClass/ai-agent", at: ".spec.provider", reads: "vault"},
	"secret.secretProviderClass.parameters": {set: chart.Map{"region": "a"}, in: "SecretProviderClass/ai-agent", at: ".spec.parameters.region", reads: "a", given: aProvider},
	"secret.secretProviderClass.data":       {set: chart.List{chart.Map{"key": "A", "objectName": "openai"}}, in: "SecretProviderClass/ai-agent", at: ".spec.secretObjects[0].data[0].key", reads: "A", given: aProvider},

	"env":                           {set: chart.List{chart.Map{"name": "A", "value": "b"}}, in: deployment, at: agent + ".env[3].value", reads: "b"},
	"envFrom":                       {set: chart.List{chart.Map{"configMapRef": chart.Map{"name": "shared"}}}, in: deployment, at: agent + ".envFrom[2].configMapRef.name", reads: "shared"},
	"resources":                     {set: chart.Map{"limits": chart.Map{"memory": "3Gi"}}, in: deployment, at: agent + ".resources.limits.memory", reads: "3Gi"},
	"resizePolicy":                  {set: chart.List{chart.Map{"resourceName": "cpu", "restartPolicy": "NotRequired"}}, in: deployment, at: agent + ".resizePolicy[0].resourceName", reads: "cpu"},
	"livenessProbe":                 {set: chart.Map{"periodSeconds": 31}, in: deployment, at: agent + ".livenessProbe.periodSeconds", reads: "31"},
	"readinessProbe":                {set: chart.Map{"periodSeconds": 7}, in: deployment, at: agent + ".readinessProbe.periodSeconds", reads: "7"},
	"startupProbe":                  {set: chart.Map{"failureThreshold": 120}, in: deployment, at: agent + ".startupProbe.failureThreshold", reads: "120"},
	"drain.until":                   {set: "connections", in: deployment, at: agent + ".lifecycle.preStop.exec.command[0]", reads: "sh"},
	"drain.command":                 {set: chart.List{"/idle"}, in: deployment, at: agent + ".lifecycle.preStop.exec.command[4]", reads: "/idle", given: chart.Values{"drain.until": "command", "drain.command": chart.List{"/other"}}},
	"lifecycle":                     {set: chart.Map{"preStop": chart.Map{"exec": chart.Map{"command": chart.List{"/drain"}}}}, in: deployment, at: agent + ".lifecycle.preStop.exec.command[0]", reads: "/drain"},
	"terminationGracePeriodSeconds": {set: 400, in: deployment, at: pod + ".terminationGracePeriodSeconds", reads: "400"},

	"workers":                 {set: chart.Map{"queue": chart.Map{"args": chart.List{"work"}}}, in: "Deployment/ai-agent-queue", at: agent + ".args[0]", reads: "work"},
	"singleton":               {set: true, in: deployment, at: ".spec.strategy.type", reads: "Recreate"},
	"replicaCount":            {set: 5, in: deployment, at: ".spec.replicas", reads: "5", given: fixedCount},
	"strategy":                {set: chart.Map{"rollingUpdate": chart.Map{"maxSurge": 2}}, in: deployment, at: ".spec.strategy.rollingUpdate.maxSurge", reads: "2"},
	"progressDeadlineSeconds": {set: 900, in: deployment, at: ".spec.progressDeadlineSeconds", reads: "900"},
	"revisionHistoryLimit":    {set: 2, in: deployment, at: ".spec.revisionHistoryLimit", reads: "2"},

	"autoscaling.enabled":                           {set: false, in: hpa, at: ".metadata.name", reads: noObject},
	"autoscaling.minReplicas":                       {set: 3, in: hpa, at: ".spec.minReplicas", reads: "3"},
	"autoscaling.maxReplicas":                       {set: 4, in: hpa, at: ".spec.maxReplicas", reads: "4"},
	"autoscaling.targetCPUUtilizationPercentage":    {set: 50, in: hpa, at: ".spec.metrics[0].resource.target.averageUtilization", reads: "50"},
	"autoscaling.targetMemoryUtilizationPercentage": {set: 50, in: hpa, at: ".spec.metrics[1].resource.target.averageUtilization", reads: "50"},
	"autoscaling.metrics":                           {set: chart.List{chart.Map{"pods": chart.Map{"metric": chart.Map{"name": "agent_runs_in_flight"}, "target": chart.Map{"averageValue": "5", "type": "AverageValue"}}, "type": "Pods"}}, in: hpa, at: ".spec.metrics[2].pods.metric.name", reads: "agent_runs_in_flight"},
	"autoscaling.behavior":                          {set: chart.Map{"scaleUp": chart.Map{"stabilizationWindowSeconds": 0}}, in: hpa, at: ".spec.behavior.scaleUp.stabilizationWindowSeconds", reads: "0"},

	"disruption.eviction":                            {set: "OnUpgrade", in: deployment, at: ".spec.template.metadata.annotations.cluster-autoscaler\\.kubernetes\\.io/safe-to-evict", reads: "false"},
	"podDisruptionBudget.enabled":                    {set: false, in: "PodDisruptionBudget/ai-agent", at: ".metadata.name", reads: noObject},
	"podDisruptionBudget.minAvailable":               {set: "50%", in: "PodDisruptionBudget/ai-agent", at: ".spec.minAvailable", reads: "50%"},
	"podDisruptionBudget.maxUnavailable":             {set: 1, in: "PodDisruptionBudget/ai-agent", at: ".spec.maxUnavailable", reads: "1"},
	"podDisruptionBudget.unhealthyPodEvictionPolicy": {set: "IfHealthyBudget", in: "PodDisruptionBudget/ai-agent", at: ".spec.unhealthyPodEvictionPolicy", reads: "IfHealthyBudget"},

	"service.enabled":     {set: false, in: "Service/ai-agent-service", at: ".metadata.name", reads: noObject, given: noProbes},
	"service.type":        {set: "NodePort", in: "Service/ai-agent-service", at: ".spec.type", reads: "NodePort"},
	"service.port":        {set: 8080, in: "Service/ai-agent-service", at: ".spec.ports[0].port", reads: "8080"},
	"service.annotations": {set: chart.Map{"a": "b"}, in: "Service/ai-agent-service", at: ".metadata.annotations.a", reads: "b"},

	"ingress.enabled":     {set: false, in: "Ingress/ai-agent-ingress", at: ".metadata.name", reads: noObject, given: aHost},
	"ingress.className":   {set: "traefik", in: "Ingress/ai-agent-ingress", at: ".spec.ingressClassName", reads: "traefik", given: aHost},
	"ingress.controller":  {set: "haproxy", in: "Ingress/ai-agent-ingress", at: `.metadata.annotations.haproxy\.org/timeout-server`, reads: "300s", given: aHost},
	"ingress.annotations": {set: chart.Map{"a": "b"}, in: "Ingress/ai-agent-ingress", at: ".metadata.annotations.a", reads: "b", given: aHost},
	"ingress.hosts":       {set: chart.List{chart.Map{"host": "b.example.com"}}, in: "Ingress/ai-agent-ingress", at: ".spec.rules[0].host", reads: "b.example.com", given: aHost},
	"ingress.tls":         {set: chart.List{chart.Map{"secretName": "tls"}}, in: "Ingress/ai-agent-ingress", at: ".spec.tls[0].secretName", reads: "tls", given: aHost},

	"httpRoute.enabled":     {set: true, in: "HTTPRoute/ai-agent", at: ".spec.rules[0].timeouts.request", reads: "330s", given: without(aGateway, "httpRoute.enabled")},
	"httpRoute.parentRefs":  {set: chart.List{chart.Map{"name": "private"}}, in: "HTTPRoute/ai-agent", at: ".spec.parentRefs[0].name", reads: "private", given: aGateway},
	"httpRoute.hostnames":   {set: chart.List{"a.example.com"}, in: "HTTPRoute/ai-agent", at: ".spec.hostnames[0]", reads: "a.example.com", given: aGateway},
	"httpRoute.matches":     {set: chart.List{chart.Map{"path": chart.Map{"type": "Exact", "value": "/a"}}}, in: "HTTPRoute/ai-agent", at: ".spec.rules[0].matches[0].path.value", reads: "/a", given: aGateway},
	"httpRoute.timeouts":    {set: chart.Map{"request": "10m"}, in: "HTTPRoute/ai-agent", at: ".spec.rules[0].timeouts.request", reads: "10m", given: aGateway},
	"httpRoute.annotations": {set: chart.Map{"a": "b"}, in: "HTTPRoute/ai-agent", at: ".metadata.annotations.a", reads: "b", given: aGateway},

	"networkPolicy.enabled":              {set: false, in: policy, at: ".metadata.name", reads: noObject},
	"networkPolicy.ingress.from":         {set: chart.List{chart.Map{"podSelector": chart.Map{"matchLabels": chart.Map{"a": "b"}}}}, in: policy, at: ".spec.ingress[0].from[0].podSelector.matchLabels.a", reads: "b"},
	"networkPolicy.egress.dns":           {set: chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "10.0.0.10/32"}}}, in: policy, at: ".spec.egress[0].to[0].ipBlock.cidr", reads: "10.0.0.10/32"},
	"networkPolicy.egress.dnsPorts":      {set: chart.List{1053}, in: policy, at: ".spec.egress[0].ports[*].port", reads: "1053 1053"},
	"networkPolicy.egress.kubernetesAPI": {set: chart.List{aBlock("192.0.2.1/32")}, in: policy, at: ".spec.egress[5].to[0].ipBlock.cidr", reads: "192.0.2.1/32"},
	"networkPolicy.egress.urls":          {set: chart.List{"amqp://broker:5672"}, in: policy, at: ".spec.egress[4].ports[0].port", reads: "5672"},
	"networkPolicy.egress.cloudIdentity": {set: chart.List{"eks-pod-identity"}, in: policy, at: ".spec.egress[5].to[*].ipBlock.cidr", reads: "169.254.170.23/32 fd00:ec2::23/128"},
	"networkPolicy.egress.https":         {set: false, in: policy, at: ".spec.egress[4].ports[0].port", reads: noField},
	"networkPolicy.extraIngress":         {set: chart.List{chart.Map{"from": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "192.0.2.0/24"}}}}}, in: policy, at: ".spec.ingress[1].from[0].ipBlock.cidr", reads: "192.0.2.0/24"},
	"networkPolicy.extraEgress":          {set: chart.List{chart.Map{"to": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "192.0.2.0/24"}}}}}, in: policy, at: ".spec.egress[5].to[0].ipBlock.cidr", reads: "192.0.2.0/24"},

	"schedules": {set: chart.Map{"a": chart.Map{"schedule": "@hourly", "task": "a"}}, in: "CronJob/ai-agent-a", at: ".spec.schedule", reads: "@hourly"},

	"jobs": {set: chart.Map{"a": chart.Map{"command": chart.List{"migrate"}}}, in: "Job/ai-agent-a", at: agent + ".command[0]", reads: "migrate"},

	"rbac.rules": {set: chart.List{aRight("get", "configmaps")}, in: "Role/ai-agent", at: ".rules[0].resources[0]", reads: "configmaps"},

	"serviceMonitor.enabled":              {set: true, in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].port", reads: "metrics"},
	"serviceMonitor.serviceDiscoveryRole": {set: "", in: "ServiceMonitor/ai-agent", at: ".spec.serviceDiscoveryRole", reads: noField, given: chart.Values{"serviceMonitor.enabled": true}},
	"serviceMonitor.path":                 {set: "/m", in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].path", reads: "/m", given: chart.Values{"serviceMonitor.enabled": true}},
	"serviceMonitor.interval":             {set: "5s", in: "ServiceMonitor/ai-agent", at: ".spec.endpoints[0].interval", reads: "5s", given: chart.Values{"serviceMonitor.enabled": true}},
	"serviceMonitor.labels":               {set: chart.Map{"a": "b"}, in: "ServiceMonitor/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"serviceMonitor.enabled": true}},
	"podMonitor.enabled":                  {set: true, in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].port", reads: "metrics"},
	"podMonitor.path":                     {set: "/m", in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].path", reads: "/m", given: chart.Values{"podMonitor.enabled": true}},
	"podMonitor.interval":                 {set: "5s", in: "PodMonitor/ai-agent", at: ".spec.podMetricsEndpoints[0].interval", reads: "5s", given: chart.Values{"podMonitor.enabled": true}},
	"podMonitor.labels":                   {set: chart.Map{"a": "b"}, in: "PodMonitor/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"podMonitor.enabled": true}},
	"prometheusRule.enabled":              {set: true, in: "PrometheusRule/ai-agent", at: ".spec.groups[0].rules[0].alert", reads: "AIAgentRunInterrupted"},
	"prometheusRule.labels":               {set: chart.Map{"a": "b"}, in: "PrometheusRule/ai-agent", at: ".metadata.labels.a", reads: "b", given: chart.Values{"prometheusRule.enabled": true}},
	"grafanaDashboard.enabled":            {set: true, in: "ConfigMap/ai-agent-dashboard", at: ".metadata.labels.grafana_dashboard", reads: "1"},
	"grafanaDashboard.labels":             {set: chart.Map{"a": "b"}, in: "ConfigMap/ai-agent-dashboard", at: ".metadata.labels.a", reads: "b", given: chart.Values{"grafanaDashboard.enabled": true}},

	"serviceAccount.create":      {set: false, in: "ServiceAccount/ai-agent", at: ".metadata.name", reads: noObject},
	"serviceAccount.automount":   {set: true, in: deployment, at: pod + ".automountServiceAccountToken", reads: "true"},
	"serviceAccount.annotations": {set: chart.Map{"a": "b"}, in: "ServiceAccount/ai-agent", at: ".metadata.annotations.a", reads: "b"},
	"serviceAccount.name":        {set: "mine", in: deployment, at: pod + ".serviceAccountName", reads: "mine"},

	"podAnnotations":         {set: chart.Map{"a": "b"}, in: deployment, at: ".spec.template.metadata.annotations.a", reads: "b"},
	"podLabels":              {set: chart.Map{"a": "b"}, in: deployment, at: ".spec.template.metadata.labels.a", reads: "b"},
	"podSecurityContext":     {set: chart.Map{"runAsUser": 1234}, in: deployment, at: pod + ".securityContext.runAsUser", reads: "1234"},
	"securityContext":        {set: chart.Map{"runAsUser": 1234}, in: deployment, at: agent + ".securityContext.runAsUser", reads: "1234"},
	"tmp.sizeLimit":          {set: "2Gi", in: deployment, at: pod + ".volumes[0].emptyDir.sizeLimit", reads: "2Gi"},
	"writableDirs":           {set: chart.List{"/app/data"}, in: deployment, at: agent + ".volumeMounts[1].subPath", reads: "dirs/app/data"},
	"home":                   {set: "/tmp", in: "ConfigMap/ai-agent-config", at: ".data.HOME", reads: "/tmp"},
	"sharedMemory.sizeLimit": {set: "1Gi", in: deployment, at: pod + ".volumes[1].emptyDir.sizeLimit", reads: "1Gi"},
	"configFiles":            {set: chart.Map{"a": chart.Map{"mountPath": "/etc/a.yaml", "content": "b: c"}}, in: "ConfigMap/ai-agent-files", at: ".data.a", reads: "b: c"},
	"persistence":            {set: chart.Map{"data": claim("ReadWriteMany", nil)}, in: "PersistentVolumeClaim/ai-agent-data", at: ".spec.accessModes[0]", reads: "ReadWriteMany"},
	"volumes":                {set: chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "a"}}, in: deployment, at: pod + ".volumes[1].name", reads: "a"},
	"volumeMounts":           {set: chart.List{chart.Map{"mountPath": "/a", "name": "a"}}, in: deployment, at: agent + ".volumeMounts[1].mountPath", reads: "/a"},
	"initContainers":         {set: chart.List{chart.Map{"image": "a:1", "name": "first"}}, in: deployment, at: pod + ".initContainers[0].name", reads: "first"},
	"extraContainers":        {set: chart.List{chart.Map{"image": "a:1", "name": "proxy"}}, in: deployment, at: pod + ".containers[1].name", reads: "proxy"},

	"nodeSelector":              {set: chart.Map{"disk": "ssd"}, in: deployment, at: pod + ".nodeSelector.disk", reads: "ssd"},
	"tolerations":               {set: chart.List{chart.Map{"key": "a", "operator": "Exists"}}, in: deployment, at: pod + ".tolerations[0].key", reads: "a"},
	"affinity":                  {set: chart.Map{"nodeAffinity": chart.Map{"preferredDuringSchedulingIgnoredDuringExecution": chart.List{chart.Map{"preference": chart.Map{}, "weight": 7}}}}, in: deployment, at: pod + ".affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", reads: "7"},
	"topologySpreadConstraints": {set: chart.List{chart.Map{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}}, in: deployment, at: pod + ".topologySpreadConstraints[*].topologyKey", reads: "rack"},
	"priorityClassName":         {set: "high", in: deployment, at: pod + ".priorityClassName", reads: "high"},
	"runtimeClassName":          {set: "nvidia", in: deployment, at: pod + ".runtimeClassName", reads: "nvidia"},
	"podSpec":                   {set: chart.Map{"hostUsers": false}, in: deployment, at: pod + ".hostUsers", reads: "false"},

	"helmTest.protocol":    {set: "sse", in: "Pod/ai-agent-test-runs", at: ".spec.containers[0].args[4]", reads: "sse"},
	"helmTest.variables":   {set: chart.Map{"RUN_PATH": "/"}, in: "Pod/ai-agent-test-runs", at: ".spec.containers[0].args[6]", reads: "--var=RUN_PATH=/", given: chart.Values{"helmTest.protocol": "sse"}},
	"helmTest.interpreter": {set: "python", in: "Pod/ai-agent-test-config", at: ".spec.containers[0].command[0]", reads: "python"},
	"helmTest.enabled":     {set: false, in: "Pod/ai-agent-test-service", at: ".metadata.name", reads: noObject},
	"helmTest.image":       {set: "check:1", in: "Pod/ai-agent-test-config", at: ".spec.containers[0].image", reads: "check:1"},
	"helmTest.unreachable": {set: chart.List{"10.0.0.1:22", "redis.data:6379"}, in: "Pod/ai-agent-test-policy", at: ".spec.containers[0].args[1]", reads: "10.0.0.1:22,redis.data:6379"},
	"helmTest.command":     {set: chart.List{"/check"}, in: "Pod/ai-agent-test-policy", at: ".spec.containers[0].command[0]", reads: "/check"},

	"extraObjects": {set: chart.List{chart.Map{"apiVersion": "v1", "data": chart.Map{"a": "{{ .Release.Name }}"}, "kind": "ConfigMap", "metadata": chart.Map{"name": "extra"}}}, in: "ConfigMap/extra", at: ".data.a", reads: "ai-agent"},
}

// withoutEffect are values that no object depends on in a render without a cluster:
// TestSkippedRules, TestInstallWithoutReadingSecrets and the cases of sessions-spread are
// about them.
var withoutEffect = []string{"validation.skip", "secret.detectRotation", "agent.sessions"}

// Every value of values.yaml has the effect that its comment promises, and none is
// missing here.
func TestEachValue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.Unmarshal(text, &values))
	paths := leaves(values)
	assert.ElementsMatch(t, paths, append(slices.Collect(maps.Keys(effects)), withoutEffect...))
	for path, effect := range effects {
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

// read renders and returns the field that the effect is about.
func (e effect) read(t *testing.T, values chart.Values) string {
	t.Helper()
	return field(t, renderOnce(t, values), e.in, e.at)
}
