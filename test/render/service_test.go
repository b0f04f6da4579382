package render

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestServiceAndDeploymentSelectTheServingPods(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, nil)
	deployment := charttest.One[*appsv1.Deployment](t, objects)
	pods := labels.Set(deployment.Spec.Template.Labels)
	service := charttest.One[*corev1.Service](t, objects)
	assert.True(t, labels.SelectorFromSet(service.Spec.Selector).Matches(pods), "the Service selects the pods")
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	require.NoError(t, err)
	assert.True(t, selector.Matches(pods), "the Deployment selects the pods")
}

// Every field of a Service can be set, and those that are not set are left to
// Kubernetes.
func TestFieldsOfTheService(t *testing.T) {
	t.Parallel()
	spec := charttest.One[*corev1.Service](t, charttest.Render(t, nil)).Spec
	assert.Equal(t, corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, Selector: spec.Selector,
		Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}},
	}, spec)

	given := chart.Map{
		"type": "LoadBalancer", "nodePort": 30080, "appProtocol": "a",
		"allocateLoadBalancerNodePorts": false, "clusterIP": "10.0.0.1", "externalIPs": chart.List{"192.0.2.1"}, "externalTrafficPolicy": "Local",
		"healthCheckNodePort": 30081, "internalTrafficPolicy": "Local", "ipFamilies": chart.List{"IPv4", "IPv6"}, "ipFamilyPolicy": "PreferDualStack",
		"loadBalancerClass": "a/b", "loadBalancerIP": "192.0.2.2", "loadBalancerSourceRanges": chart.List{"203.0.113.0/24"},
		"publishNotReadyAddresses": true, "sessionAffinity": "ClientIP", "sessionAffinityConfig": chart.Map{"clientIP": chart.Map{"timeoutSeconds": 60}},
		"trafficDistribution": "PreferClose",
	}
	spec = charttest.One[*corev1.Service](t, charttest.Render(t, namedClient.With("service", given))).Spec
	assert.EqualValues(t, 30080, spec.Ports[0].NodePort)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&spec)
	require.NoError(t, err)
	var set []string
	for field := range content {
		set = append(set, field)
	}
	var fields []string
	for field := range reflect.TypeFor[corev1.ServiceSpec]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	assert.Equal(t, "a", *spec.Ports[0].AppProtocol)
	// clusterIPs follows clusterIP, and a Service with a selector has no externalName.
	assert.ElementsMatch(t, fields, append(set, "clusterIPs", "externalName"))
}
