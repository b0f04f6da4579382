package render

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// specification has every field of every manifest and fragment in the
// specification with its value and, if the chart differs, what it has and why. The
// host of a registry is left out of the image.
var specification = []struct {
	in, at, value string
	ours, why     string // both empty if the chart has the specification's value
}{
	{"Deployment/ai-agent", ".apiVersion", "apps/v1", "", ""},
	{"Deployment/ai-agent", ".kind", "Deployment", "", ""},
	{"Deployment/ai-agent", ".metadata.name", "ai-agent", "", ""},
	{"Deployment/ai-agent", ".metadata.labels.app", "ai-agent", "", ""},
	{"Deployment/ai-agent", ".metadata.labels.version", "v1", "", ""},
	{"Deployment/ai-agent", ".spec.replicas", "3", noField, "the autoscaler owns the number, which a fixed one would reset at every upgrade; autoscaling.enabled=false sets it"},
	{"Deployment/ai-agent", ".spec.selector.matchLabels.app", "ai-agent", "", ""},
	{"Deployment/ai-agent", ".spec.template.metadata.labels.app", "ai-agent", "", ""},
	{"Deployment/ai-agent", ".spec.template.metadata.labels.version", "v1", "", ""},
	{"Deployment/ai-agent", agent + ".name", "agent", "", ""},
	{"Deployment/ai-agent", agent + ".image", "myorg/ai-agent:1.0.0", "ai-agent:1.1.0", "the sample agent is built here: no third-party image runs"},
	{"Deployment/ai-agent", agent + ".ports[0].containerPort", "8000", "", ""},
	{"Deployment/ai-agent", agent + ".ports[0].name", "http", "", ""},
	{"Deployment/ai-agent", agent + ".envFrom[0].configMapRef.name", "agent-config", "ai-agent-config", "two releases can share a namespace"},
	{"Deployment/ai-agent", agent + ".envFrom[1].secretRef.name", "agent-secrets", "ai-agent-secrets", "two releases can share a namespace"},
	{"Deployment/ai-agent", agent + ".resources.requests.cpu", "500m", "", ""},
	{"Deployment/ai-agent", agent + ".resources.requests.memory", "512Mi", "", ""},
	{"Deployment/ai-agent", agent + ".resources.limits.cpu", "2000m", "2", "the same amount"},
	{"Deployment/ai-agent", agent + ".resources.limits.memory", "2Gi", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.httpGet.path", "/health", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.httpGet.port", "http", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.initialDelaySeconds", "10", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.periodSeconds", "30", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.timeoutSeconds", "5", "", ""},
	{"Deployment/ai-agent", agent + ".livenessProbe.failureThreshold", "3", "", ""},
	{"Deployment/ai-agent", agent + ".readinessProbe.httpGet.path", "/ready", "", ""},
	{"Deployment/ai-agent", agent + ".readinessProbe.httpGet.port", "http", "", ""},
	{"Deployment/ai-agent", agent + ".readinessProbe.initialDelaySeconds", "5", noField, "this probe starts after the startup probe: an agent that starts at once is Ready at once"},
	{"Deployment/ai-agent", agent + ".readinessProbe.periodSeconds", "10", "", ""},
	{"Deployment/ai-agent", agent + ".readinessProbe.timeoutSeconds", "5", "", ""},
	{"Deployment/ai-agent", agent + ".readinessProbe.failureThreshold", "3", "", ""},
	{"Deployment/ai-agent", agent + ".startupProbe.httpGet.path", "/health", "", ""},
	{"Deployment/ai-agent", agent + ".startupProbe.httpGet.port", "http", "", ""},
	{"Deployment/ai-agent", agent + ".startupProbe.initialDelaySeconds", "5", noField, "checked every second within the same 5 + 5 × 12 = 65 s"},
	{"Deployment/ai-agent", agent + ".startupProbe.periodSeconds", "5", "1", "checked every second within the same 65 s"},
	{"Deployment/ai-agent", agent + ".startupProbe.failureThreshold", "12", "65", "checked every second within the same 65 s"},
	{"Deployment/ai-agent", ".spec.template.spec.restartPolicy", "Always", "", ""},

	{"ConfigMap/ai-agent-config", ".apiVersion", "v1", "", ""},
	{"ConfigMap/ai-agent-config", ".kind", "ConfigMap", "", ""},
	{"ConfigMap/ai-agent-config", ".metadata.name", "agent-config", "ai-agent-config", "two releases can share a namespace"},
	{"ConfigMap/ai-agent-config", ".data.MODEL_NAME", "gpt-4o-mini", "", ""},
	{"ConfigMap/ai-agent-config", ".data.TEMPERATURE", "0.7", "", ""},
	{"ConfigMap/ai-agent-config", ".data.MAX_TOKENS", "4096", "", ""},
	{"ConfigMap/ai-agent-config", ".data.ENABLE_STREAMING", "true", "", ""},
	{"ConfigMap/ai-agent-config", ".data.ENABLE_TRACING", "true", "", ""},
	{"ConfigMap/ai-agent-config", ".data.REDIS_URL", "redis://redis-service:6379", "", ""},
	{"ConfigMap/ai-agent-config", ".data.DATABASE_URL", "postgresql://postgres:5432/agents", "", ""},
	{"ConfigMap/ai-agent-config", ".data.LOG_LEVEL", "INFO", "", ""},

	{"Secret/ai-agent-secrets", ".apiVersion", "v1", "", ""},
	{"Secret/ai-agent-secrets", ".kind", "Secret", "", ""},
	{"Secret/ai-agent-secrets", ".metadata.name", "agent-secrets", "ai-agent-secrets", "two releases can share a namespace"},
	{"Secret/ai-agent-secrets", ".type", "Opaque", "", ""},
	{"Secret/ai-agent-secrets", ".data.OPENAI_API_KEY", "c2stcHJvai0uLi4=", "", ""},
	{"Secret/ai-agent-secrets", ".data.LANGSMITH_API_KEY", "bHN2Ml8uLi4=", "", ""},

	{"Deployment/ai-agent", agent + ".startupProbe.httpGet.port", "8000", "http", "the same port by its name, as in the specification's Deployment"},
	{"Deployment/ai-agent", agent + ".livenessProbe.httpGet.port", "8000", "http", "the same port by its name, as in the specification's Deployment"},
	{"Deployment/ai-agent", agent + ".readinessProbe.httpGet.port", "8000", "http", "the same port by its name, as in the specification's Deployment"},

	{"HorizontalPodAutoscaler/ai-agent-hpa", ".apiVersion", "autoscaling/v2", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".kind", "HorizontalPodAutoscaler", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".metadata.name", "ai-agent-hpa", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.scaleTargetRef.apiVersion", "apps/v1", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.scaleTargetRef.kind", "Deployment", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.scaleTargetRef.name", "ai-agent", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.minReplicas", "2", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.maxReplicas", "10", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[0].type", "Resource", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[0].resource.name", "cpu", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[0].resource.target.type", "Utilization", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[0].resource.target.averageUtilization", "70", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[1].type", "Resource", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[1].resource.name", "memory", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[1].resource.target.type", "Utilization", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.metrics[1].resource.target.averageUtilization", "80", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleUp.stabilizationWindowSeconds", "60", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleUp.policies[0].type", "Pods", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleUp.policies[0].value", "2", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleUp.policies[0].periodSeconds", "60", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleDown.stabilizationWindowSeconds", "300", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleDown.policies[0].type", "Pods", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleDown.policies[0].value", "1", "", ""},
	{"HorizontalPodAutoscaler/ai-agent-hpa", ".spec.behavior.scaleDown.policies[0].periodSeconds", "120", "", ""},

	{"Service/ai-agent-service", ".apiVersion", "v1", "", ""},
	{"Service/ai-agent-service", ".kind", "Service", "", ""},
	{"Service/ai-agent-service", ".metadata.name", "ai-agent-service", "", ""},
	{"Service/ai-agent-service", ".spec.type", "ClusterIP", "", ""},
	{"Service/ai-agent-service", ".spec.selector.app", "ai-agent", "", ""},
	{"Service/ai-agent-service", ".spec.ports[0].name", "http", "", ""},
	{"Service/ai-agent-service", ".spec.ports[0].port", "80", "", ""},
	{"Service/ai-agent-service", ".spec.ports[0].targetPort", "8000", "http", "the same port by its name: only containerPort has the number"},
	{"Service/ai-agent-service", ".spec.ports[0].protocol", "TCP", "", ""},

	{"Ingress/ai-agent-ingress", ".apiVersion", "networking.k8s.io/v1", "", ""},
	{"Ingress/ai-agent-ingress", ".kind", "Ingress", "", ""},
	{"Ingress/ai-agent-ingress", ".metadata.name", "ai-agent-ingress", "", ""},
	{"Ingress/ai-agent-ingress", ".metadata.annotations.nginx\\.ingress\\.kubernetes\\.io/proxy-read-timeout", "300", "", ""},
	{"Ingress/ai-agent-ingress", ".metadata.annotations.nginx\\.ingress\\.kubernetes\\.io/proxy-send-timeout", "300", "", ""},
	{"Ingress/ai-agent-ingress", ".spec.rules[0].host", "agent.example.com", "", ""},
	{"Ingress/ai-agent-ingress", ".spec.rules[0].http.paths[0].path", "/", "/v1", "metrics and readiness are not for the world"},
	{"Ingress/ai-agent-ingress", ".spec.rules[0].http.paths[0].pathType", "Prefix", "", ""},
	{"Ingress/ai-agent-ingress", ".spec.rules[0].http.paths[0].backend.service.name", "ai-agent-service", "", ""},
	{"Ingress/ai-agent-ingress", ".spec.rules[0].http.paths[0].backend.service.port.number", "80", "", ""},
}

// The default render, with the Ingress and the keys of the specification, has its
// values except for the differences in the table.
func TestSpecificationParity(t *testing.T) {
	t.Parallel()
	keys := chart.Map{"LANGSMITH_API_KEY": "lsv2_...", "OPENAI_API_KEY": "sk-proj-..."}
	objects := charttest.Render(t, aHost.With("secret.stringData", keys))
	for _, expected := range specification {
		t.Run(expected.in+expected.at, func(t *testing.T) {
			t.Parallel()
			have := field(t, objects, expected.in, expected.at)
			if expected.why == "" {
				assert.Equal(t, expected.value, have)
				return
			}
			assert.Equal(t, expected.ours, have, expected.why)
			assert.NotEqual(t, expected.value, have, "this is no difference")
		})
	}
}
