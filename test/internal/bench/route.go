package bench

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
)

// Route is the way from the clients to the subject.
type Route string

// The routes. Ingress, HTTPRoute, H2C and Defaults lead through Traefik: with the settings that
// the chart's NOTES advise, or with its defaults. By H2C, it speaks HTTP/2 to the Service, as
// gRPC needs; by the others HTTP/1.1, as WebSockets need. A subject's own Ingress or HTTPRoute is
// used, or else a plain one. The other proxies forward to the subject's Service: with the
// settings that README recommends, or with their defaults.
const (
	Service         Route = "service"
	Ingress         Route = "ingress"
	HTTPRoute       Route = "httproute"
	H2C             Route = "httproute, h2c"
	Defaults        Route = "ingress, proxy's defaults"
	Nginx           Route = "nginx"
	NginxDefaults   Route = "nginx, its defaults"
	HAProxy         Route = "haproxy"
	HAProxyDefaults Route = "haproxy, its defaults"
	Caddy           Route = "caddy"
	CaddyDefaults   Route = "caddy, its defaults"
)

// Proxied are the routes through a proxy that has the subject's namespace to itself.
var Proxied = []Route{Nginx, NginxDefaults, HAProxy, HAProxyDefaults, Caddy, CaddyDefaults}

// Addresses of Traefik's entry points: with the advised settings, and with its defaults.
const (
	AdvisedProxy = "http://traefik.traefik"
	DefaultProxy = "http://traefik.traefik:81"
)

// Defaults reports whether the route leads through a proxy with its default settings.
func (r Route) Defaults() bool { return strings.HasSuffix(string(r), "defaults") }

// InTraefik reports whether the route leads through Traefik, which other tests share.
func (r Route) InTraefik() bool { return r == Ingress || r == HTTPRoute || r == H2C || r == Defaults }

// Has reports whether the comparison has a disturbance for this route. Of those that are not
// the proxy's own, only a rollout of the subject is compared behind a proxy.
func (r Route) Has(d Disturbance) bool {
	switch {
	case r == Service:
		return !d.Proxy
	case d.Name == "unrelated Ingress":
		return r.InTraefik() && r != H2C
	case d.Long:
		return r.Defaults()
	default:
		return d.Proxy || d.Name == "rollout" && !r.Defaults()
	}
}

// to completes a load with the address of a subject in a namespace, and leaves out the clients
// whose protocol the route does not carry.
func (r Route) to(s *site, load prober.Load) prober.Load {
	load.Clients = maps.Clone(load.Clients)
	switch r {
	case Service:
	case H2C:
		delete(load.Clients, output.WebSocket)
	default:
		delete(load.Clients, output.GRPC)
	}
	switch {
	case r == Service:
		load.URL = s.url()
	case r == Defaults:
		load.URL = DefaultProxy
	case r.InTraefik():
		load.URL = AdvisedProxy
	default:
		load.URL = "http://proxy"
	}
	if r.InTraefik() {
		load.Host = s.host()
	}
	return load
}

func (s *site) host() string { return s.n.Name + ".example.com" }

// expose exposes the subject by its route only.
func (s *site) expose() {
	ingresses, routes := chart.All[*networkingv1.Ingress](s.Objects), chart.All[*unstructured.Unstructured](s.Objects)
	s.Objects = without[*unstructured.Unstructured](without[*networkingv1.Ingress](s.Objects))
	service, port := s.service(), s.service().Spec.Ports[0].Port
	if s.route == H2C {
		protocol := "kubernetes.io/h2c"
		service.Spec.Ports[0].AppProtocol = &protocol
	}
	switch s.route {
	case Ingress, Defaults:
		if len(ingresses) == 0 {
			ingresses = []*networkingv1.Ingress{plainIngress(service.Name, port)}
		}
		class := "traefik"
		for _, ingress := range ingresses {
			ingress.Spec.IngressClassName = &class
			ingress.Spec.Rules[0].Host = s.host()
			s.Objects = append(s.Objects, ingress)
		}
	case HTTPRoute, H2C:
		route := plainRoute(service.Name, port)
		for _, object := range routes {
			if object.GetKind() == "HTTPRoute" {
				route = object
			}
		}
		spec := route.Object["spec"].(chart.Map)
		spec["hostnames"] = chart.List{s.host()}
		spec["parentRefs"] = chart.List{chart.Map{"name": "traefik", "namespace": "traefik"}}
		s.Objects = append(s.Objects, route)
	}
}

func plainIngress(service string, port int32) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: service},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: service, Port: networkingv1.ServiceBackendPort{Number: port},
				}},
			}}},
		}}}},
	}
}

func plainRoute(service string, port int32) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: chart.Map{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": chart.Map{"name": service},
		"spec": chart.Map{"rules": chart.List{chart.Map{"backendRefs": chart.List{chart.Map{"name": service, "port": int64(port)}}}}},
	}}
}

// editUnrelated adds and changes an Ingress with another host name, and waits each time until
// the proxy has reloaded its configuration.
func (s *site) editUnrelated(t *testing.T, load prober.Loading) {
	other := plainIngress(s.service().Name, s.service().Spec.Ports[0].Port)
	class := "traefik"
	other.Name, other.Spec.IngressClassName = "unrelated", &class
	for _, name := range []string{"unrelated.", "changed."} {
		host := name + s.host()
		other.Spec.Rules[0].Host = host
		s.applyOnly(t, Subject{Objects: chart.Objects{other}})
		cluster.Eventually(t, "the proxy's route for "+host, 2*time.Minute, func(context.Context) error {
			asked, err := load.Ask(t, prober.Run{URL: AdvisedProxy, Host: host, Task: "say hello", MaxTokens: 1})
			if err == nil && asked.Outcome != output.Done {
				err = fmt.Errorf("%s: %s", asked.Outcome, asked.Error)
			}
			return err
		})
	}
}

// restartProxy restarts the proxy, and waits until its old pods are gone: one accepts requests
// until its preStop hook has ended.
func (s *site) restartProxy(t *testing.T) {
	n, name := s.n, "proxy"
	if s.route.InTraefik() {
		n, name = s.n.Cluster().Existing("traefik"), "traefik"
	}
	n.MustKubectl(t, "rollout", "restart", "deployment/"+name)
	cluster.Eventually(t, "the end of the old proxy", settledWithin, func(ctx context.Context) error {
		_, err := observe.Settled(ctx, n, metav1.ListOptions{FieldSelector: "metadata.name=" + name}, metav1.ListOptions{LabelSelector: "app=" + name})
		return err
	})
}
