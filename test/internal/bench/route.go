package bench

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/prober"
)

// Route is the way from the clients to the subject.
type Route string

// The routes. A subject's own Ingress or HTTPRoute is used, or else a plain one. The proxy
// is Traefik, with the settings that the chart's NOTES advise or with its defaults.
const (
	Service   Route = "service"
	Ingress   Route = "ingress"
	HTTPRoute Route = "httproute"
	Defaults  Route = "ingress, proxy's defaults"
)

// Addresses of the proxy's entry points: with the advised settings, and with its defaults.
const (
	AdvisedProxy = "http://traefik.traefik"
	DefaultProxy = "http://traefik.traefik:81"
)

// proxied reports whether the route leads through the proxy.
func (r Route) proxied() bool { return r != Service }

// to completes a load with the address of a subject in a namespace.
func (r Route) to(s *site, load prober.Load) prober.Load {
	switch r {
	case Service:
		load.URL = s.url()
	case Defaults:
		load.URL = DefaultProxy
	default:
		load.URL = AdvisedProxy
	}
	if r.proxied() {
		load.Host = s.host()
	}
	return load
}

func (s *site) host() string { return s.n.Name + ".example.com" }

// through exposes the subject at a host by this route only.
func (s *site) through(r Route) {
	ingresses, routes := chart.All[*networkingv1.Ingress](s.Objects), chart.All[*unstructured.Unstructured](s.Objects)
	s.Objects = without[*unstructured.Unstructured](without[*networkingv1.Ingress](s.Objects))
	service, port := s.service(), s.service().Spec.Ports[0].Port
	switch r {
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
	case HTTPRoute:
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

// editUnrelated adds and changes an unrelated Ingress, which makes the proxy reload its
// configuration.
func (s *site) editUnrelated(t *testing.T) {
	other := plainIngress("unrelated", 80)
	class := "traefik"
	other.Spec.IngressClassName = &class
	for _, host := range []string{"unrelated.example.com", "changed.example.com"} {
		other.Spec.Rules[0].Host = host
		s.applyOnly(t, Subject{Objects: chart.Objects{other}})
	}
}

// restartProxy restarts the proxy, and waits until the rollout is complete.
func (s *site) restartProxy(t *testing.T) {
	s.n.MustKubectl(t, "--namespace=traefik", "rollout", "restart", "deployment/traefik")
	s.n.MustKubectl(t, "--namespace=traefik", "rollout", "status", "deployment/traefik", "--timeout=10m")
}
