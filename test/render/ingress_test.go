package render

import (
	"cmp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestIngressIsCreatedOnceItHasAHost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Values
		want   int
	}{
		"no host":                    {nil, 0},
		"no host, false":             {chart.Values{"ingress.enabled": false}, 0},
		"a host":                     {aHost, 1},
		"a host, null":               {aHost.With("ingress.enabled", nil), 1},
		"a host, true":               {aHost.With("ingress.enabled", true), 1},
		"a host, false":              {aHost.With("ingress.enabled", false), 0},
		"a host, false, GKE's class": {aHost.And(chart.Values{"ingress.enabled": false, "ingress.className": "gce"}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := charttest.Render(t, tc.values)
			assert.Len(t, chart.All[*networkingv1.Ingress](objects), tc.want)
			if tc.want == 0 {
				assert.Empty(t, chart.All[*unstructured.Unstructured](objects), "no BackendConfig")
				assert.Empty(t, charttest.One[*corev1.Service](t, objects).Annotations)
			}
		})
	}
}

// Each controller has its own way to keep a stream open.
func TestIngressTimeoutsByController(t *testing.T) {
	t.Parallel()
	for class, want := range map[string]map[string]string{
		"": {
			"nginx.ingress.kubernetes.io/proxy-read-timeout": "600",
			"nginx.ingress.kubernetes.io/proxy-send-timeout": "600",
			"nginx.ingress.kubernetes.io/proxy-buffering":    "off",
			"nginx.org/proxy-read-timeout":                   "600s",
			"nginx.org/proxy-send-timeout":                   "600s",
			"nginx.org/proxy-buffering":                      "False",
		},
		"traefik": nil,
		"haproxy": {"haproxy.org/timeout-server": "600s", "haproxy-ingress.github.io/timeout-server": "600s"},
		"alb": {
			"alb.ingress.kubernetes.io/target-type":              "ip",
			"alb.ingress.kubernetes.io/healthcheck-path":         "/ready",
			"alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=600",
			"alb.ingress.kubernetes.io/target-group-attributes":  "deregistration_delay.timeout_seconds=630",
		},
		"gce":               {"kubernetes.io/ingress.class": "gce"},
		"gce-internal":      {"kubernetes.io/ingress.class": "gce-internal"},
		"openshift-default": {"haproxy.router.openshift.io/timeout": "600s"},
		"kong":              {"konghq.com/response-buffering": "false"},
		"azure-application-gateway": {
			"appgw.ingress.kubernetes.io/request-timeout":             "630",
			"appgw.ingress.kubernetes.io/connection-draining":         "true",
			"appgw.ingress.kubernetes.io/connection-draining-timeout": "630",
		},
		"azure-alb-external": nil,
		"contour":            nil,
	} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			objects := charttest.Render(t, aHost.And(chart.Values{"agent.maxRunSeconds": 600, "ingress.className": class}))
			ingress := charttest.One[*networkingv1.Ingress](t, objects)
			assert.Equal(t, want, ingress.Annotations)
			isGKE := strings.HasPrefix(class, "gce")
			assert.Equal(t, class != "" && !isGKE, ingress.Spec.IngressClassName != nil, "GKE ignores an Ingress with a class")
			service := charttest.One[*corev1.Service](t, objects)
			if !isGKE {
				assert.Empty(t, chart.All[*unstructured.Unstructured](objects))
				ofService := map[string]map[string]string{"kong": {"konghq.com/read-timeout": "600000", "konghq.com/write-timeout": "600000"}}
				assert.Equal(t, ofService[class], service.Annotations)
				return
			}
			config := unstructuredOf(t, objects, "BackendConfig")
			seconds, _, err := unstructured.NestedFieldNoCopy(config.Object, "spec", "timeoutSec")
			require.NoError(t, err)
			assert.EqualValues(t, 630, seconds)
			assert.Equal(t, map[string]string{"cloud.google.com/backend-config": `{"default":"ai-agent"}`}, service.Annotations)
		})
	}
}

// A load balancer has limits of its own, which a long run must not exceed.
func TestLoadBalancersHaveLimits(t *testing.T) {
	t.Parallel()
	long := aHost.With("agent.maxRunSeconds", 7200)
	alb := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, long.With("ingress.className", "alb"))).Annotations
	assert.Equal(t, "idle_timeout.timeout_seconds=4000", alb["alb.ingress.kubernetes.io/load-balancer-attributes"])
	assert.Equal(t, "deregistration_delay.timeout_seconds=3600", alb["alb.ingress.kubernetes.io/target-group-attributes"])
	gke := charttest.Render(t, long.With("ingress.className", "gce"))
	assert.Equal(t, "3600", field(t, gke, "BackendConfig/ai-agent", ".spec.connectionDraining.drainingTimeoutSec"))
	assert.Equal(t, "7230", field(t, gke, "BackendConfig/ai-agent", ".spec.timeoutSec"))
}

// A load balancer's health check requests the port and path of the readiness probe.
func TestLoadBalancersCheckWhatTheReadinessProbeDoes(t *testing.T) {
	t.Parallel()
	const port = "alb.ingress.kubernetes.io/healthcheck-port"
	for asked, want := range map[any]string{"http": "", 8000: "", "metrics": "9090", 7000: "7000"} {
		values := aHost.With("readinessProbe.httpGet", chart.Map{"path": "/up", "port": asked})
		alb := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, values.With("ingress.className", "alb"))).Annotations
		assert.Equal(t, want, alb[port])
		gke := charttest.Render(t, values.With("ingress.className", "gce"))
		assert.Equal(t, cmp.Or(want, "8000"), field(t, gke, "BackendConfig/ai-agent", ".spec.healthCheck.port"))
		assert.Equal(t, "/up", field(t, gke, "BackendConfig/ai-agent", ".spec.healthCheck.requestPath"))
		assert.Equal(t, "HTTP", field(t, gke, "BackendConfig/ai-agent", ".spec.healthCheck.type"))
		var admitted []string
		for _, port := range charttest.One[*networkingv1.NetworkPolicy](t, gke).Spec.Ingress[0].Ports {
			admitted = append(admitted, port.Port.String())
		}
		assert.Contains(t, admitted, cmp.Or(want, "8000"))
	}
	encrypted := aHost.With("readinessProbe.httpGet.scheme", "HTTPS")
	gke := charttest.Render(t, encrypted.With("ingress.className", "gce"))
	assert.Equal(t, "HTTPS", field(t, gke, "BackendConfig/ai-agent", ".spec.healthCheck.type"))
	alb := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, encrypted.With("ingress.className", "alb"))).Annotations
	assert.Equal(t, "HTTPS", alb["alb.ingress.kubernetes.io/healthcheck-protocol"])
}

// The controller's name takes precedence over what the class resembles.
func TestControllerIsRecognized(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Values
		nginx  bool
	}{
		"by AKS's managed class":      {chart.Values{"ingress.className": "webapprouting.kubernetes.azure.com"}, true},
		"by a part of the class":      {chart.Values{"ingress.className": "nginx-internal"}, true},
		"by the older annotation":     {chart.Values{"ingress.annotations": chart.Map{"kubernetes.io/ingress.class": "nginx"}}, true},
		"by its name":                 {chart.Values{"ingress.className": "internal", "ingress.controller": "nginx"}, true},
		"by its name, not its class":  {chart.Values{"ingress.className": "nginx-internal", "ingress.controller": "traefik"}, false},
		"not, if its class is unlike": {chart.Values{"ingress.className": "internal"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			annotations := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, aHost.And(tc.values))).Annotations
			_, has := annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]
			assert.Equal(t, tc.nginx, has)
		})
	}
}

func TestOwnIngressAnnotationsTakePrecedence(t *testing.T) {
	t.Parallel()
	ingress := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, aHost.With(
		"ingress.annotations", chart.Map{"nginx.ingress.kubernetes.io/proxy-read-timeout": "900"},
	)))
	assert.Equal(t, "900", ingress.Annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])
	assert.Equal(t, "300", ingress.Annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"])
}

// An Ingress and an HTTPRoute expose the API for runs, and nothing else unless the
// values say so: metrics and readiness are not for the world.
func TestOnlyRunsAreExposed(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, aHost.And(aGateway))
	assert.Equal(t, "/v1 Prefix", field(t, objects, "Ingress/ai-agent-ingress", ".spec.rules[*].http.paths[*]['path','pathType']"))
	assert.Equal(t, "PathPrefix /v1", field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[*].matches[*].path['type','value']"))

	everyPath := chart.List{chart.Map{"path": "/"}}
	objects = charttest.Render(t, aGateway.And(chart.Values{
		"ingress.hosts":     chart.List{chart.Map{"host": "a.example.com", "paths": everyPath}},
		"httpRoute.matches": chart.List{chart.Map{"path": chart.Map{"value": "/"}}},
	}))
	assert.Equal(t, "/", field(t, objects, "Ingress/ai-agent-ingress", ".spec.rules[*].http.paths[*].path"))
	assert.Equal(t, "/", field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[*].matches[*].path.value"))
}

// A rule without a host is for every host, as is common behind a load balancer.
func TestRuleWithoutAHost(t *testing.T) {
	t.Parallel()
	for _, host := range []chart.Map{{}, {"host": ""}, {"host": nil}} {
		ingress := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, namedClient.And(chart.Values{
			"ingress.className": "alb", "ingress.hosts": chart.List{host},
		})))
		require.Len(t, ingress.Spec.Rules, 1)
		assert.Empty(t, ingress.Spec.Rules[0].Host)
		assert.Len(t, ingress.Spec.Rules[0].HTTP.Paths, 1)
	}
}
