package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// grpc is an agent with a second port, which its Service has too, and one for health.
var grpc = chart.Values{
	"ports":                  chart.List{chart.Map{"name": "grpc", "containerPort": 50051}, chart.Map{"name": "health", "containerPort": 8081}},
	"service.ports":          chart.List{chart.Map{"name": "grpc", "port": 5000, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"}},
	"readinessProbe":         chart.Map{"httpGet": chart.Map{"path": "/ready", "port": "health"}},
	"serviceMonitor.enabled": true,
}

// A value that YAML may read as something else stays text.
func TestAppProtocolIsText(t *testing.T) {
	t.Parallel()
	service := charttest.One[*corev1.Service](t, charttest.Render(t, chart.Values{"service.appProtocol": "yes"}))
	assert.Equal(t, "yes", *service.Spec.Ports[0].AppProtocol)
}

// The container, the Service and the NetworkPolicy have the further ports, and a probe may
// use one by its name.
func TestFurtherPorts(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, grpc.With("service.appProtocol", "kubernetes.io/ws"))
	container := agentOf(t, grpc)
	assert.Equal(t, []corev1.ContainerPort{
		{Name: "http", ContainerPort: 8000, Protocol: corev1.ProtocolTCP}, {Name: "metrics", ContainerPort: 9090, Protocol: corev1.ProtocolTCP},
		{Name: "grpc", ContainerPort: 50051}, {Name: "health", ContainerPort: 8081},
	}, container.Ports)
	ws, h2c := "kubernetes.io/ws", "kubernetes.io/h2c"
	assert.Equal(t, []corev1.ServicePort{
		{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP, AppProtocol: &ws},
		{Name: "grpc", Port: 5000, TargetPort: intstr.FromString("grpc"), AppProtocol: &h2c},
		{Name: "metrics", Port: 9090, TargetPort: intstr.FromString("metrics"), Protocol: corev1.ProtocolTCP},
	}, charttest.One[*corev1.Service](t, objects).Spec.Ports)
	var admitted []int
	for _, port := range charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec.Ingress[0].Ports {
		admitted = append(admitted, port.Port.IntValue())
	}
	assert.Equal(t, []int{8000, 9090, 50051, 8081}, admitted)
	assert.Empty(t, charttest.Findings(t, chart.Options{Set: grpc}))
}

// A drain waits for the clients of every port that the Service has, and for no others:
// 1F40 is 8000 and C383 is 50051 in the list of connections.
func TestDrainCountsClientsOfTheService(t *testing.T) {
	t.Parallel()
	script := agentOf(t, grpc.With("drain.until", "connections")).Lifecycle.PreStop.Exec.Command[2]
	assert.Contains(t, script, "[0-9A-F]+:(1F40|C383) ")
	assert.Contains(t, agentOf(t, chart.Values{"drain.until": "connections"}).Lifecycle.PreStop.Exec.Command[2], "[0-9A-F]+:1F40 ")
}

// A load balancer gets the number of the port that has the health check.
func TestHealthCheckOfALoadBalancerOnAPortOfItsOwn(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, grpc.And(aHost).With("ingress.className", "alb"))
	ingress := charttest.One[*networkingv1.Ingress](t, objects)
	assert.Equal(t, "8081", ingress.Annotations["alb.ingress.kubernetes.io/healthcheck-port"])
}
