package render

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// Objects of the default release, and paths in them.
const (
	deployment = "Deployment/ai-agent"
	pod        = ".spec.template.spec"
	agent      = pod + ".containers[0]"
	hpa        = "HorizontalPodAutoscaler/ai-agent-hpa"
	policy     = "NetworkPolicy/ai-agent"
)

// Values on which others depend.
var (
	aHost       = chart.Values{"ingress.hosts": chart.List{chart.Map{"host": "agent.example.com"}}}
	aGateway    = chart.Values{"httpRoute.enabled": true, "httpRoute.parentRefs": chart.List{chart.Map{"name": "public"}}}
	aSchedule   = chart.Values{"schedules.a": chart.Map{"schedule": "@daily", "task": "a"}}
	aProvider   = chart.Values{"secret.secretProviderClass.provider": "aws"}
	namedClient = chart.Values{"networkPolicy.ingress.from": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "10.0.0.0/16"}}}}
	fixedCount  = chart.Values{"autoscaling.enabled": false}
	aStore      = chart.Values{
		"secret.externalSecret.enabled": true, "secret.externalSecret.secretStoreRef.name": "vault",
		"secret.externalSecret.dataFrom": chart.List{chart.Map{"extract": chart.Map{"key": "all"}}},
	}
	podsOnly = chart.Values{"networkPolicy.ingress.from": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}}
)

// Values about volumes.
var (
	singleton = chart.Values{"singleton": true}
	onePod    = chart.Values{"autoscaling.enabled": false, "replicaCount": 1, "podDisruptionBudget.enabled": false}
	noSurge   = chart.Values{"strategy.rollingUpdate": chart.Map{"maxSurge": 0, "maxUnavailable": 1}}
)

const atModes = "persistence.data.spec.accessModes"

// volume is the volume data in persistence.
func volume(fields chart.Map) chart.Values {
	if fields == nil {
		return chart.Values{"persistence.data": nil}
	}
	return chart.Values{"persistence.data": fields}
}

// claim describes a volume that the chart creates, with further fields.
func claim(accessMode string, fields chart.Map) chart.Map {
	all := chart.Map{"mountPath": "/data", "spec": chart.Map{
		"accessModes": chart.List{accessMode}, "resources": chart.Map{"requests": chart.Map{"storage": "1Gi"}},
	}}
	maps.Copy(all, fields)
	return all
}

// mountOf is a volume of the user's at a path.
func mountOf(path string) chart.Values {
	return chart.Values{
		"volumes":      chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "mine"}},
		"volumeMounts": chart.List{chart.Map{"mountPath": path, "name": "mine"}},
	}
}

// aFile is a file in configFiles.
func aFile(content string) chart.Values {
	return chart.Values{"configFiles.main": chart.Map{"mountPath": "/etc/agent/config.yaml", "content": content}}
}

// egressOn allows a port of a private range, in a rule of the user. The port can have
// further fields: names, each followed by its value.
func egressOn(port int, fields ...any) chart.Values {
	allowed := chart.Map{"port": port}
	for field := range slices.Chunk(fields, 2) {
		allowed[field[0].(string)] = field[1]
	}
	return extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/16")}, "ports": chart.List{allowed}})
}

func extraEgress(rule chart.Map) chart.Values {
	return chart.Values{"networkPolicy.extraEgress": chart.List{rule}}
}

// aBlock is a peer of a NetworkPolicy.
func aBlock(cidr string, except ...any) chart.Map {
	block := chart.Map{"cidr": cidr}
	if len(except) > 0 {
		block["except"] = chart.List(except)
	}
	return chart.Map{"ipBlock": block}
}

// variable sets a variable in env.
func variable(name, value string) chart.Values {
	return chart.Values{"env": chart.List{chart.Map{"name": name, "value": value}}}
}

// secretVariable is a variable that the values do not have.
func secretVariable(name string) chart.Map {
	return chart.Map{"name": name, "valueFrom": chart.Map{"secretKeyRef": chart.Map{"name": "a", "key": "b"}}}
}

// identity annotates the ServiceAccount.
func identity(annotation string) chart.Values {
	return chart.Values{"serviceAccount.annotations": chart.Map{annotation: "a"}}
}

// projected mounts a token.
func projected(token chart.Map) chart.Values {
	return chart.Values{"volumes": chart.List{chart.Map{"name": "token", "projected": chart.Map{"sources": chart.List{chart.Map{"serviceAccountToken": token}}}}}}
}

// everything enables what is disabled by default, so that every template renders
// an object.
var everything = aHost.And(aGateway).And(aSchedule).And(chart.Values{
	"serviceMonitor.enabled": true, "prometheusRule.enabled": true, "grafanaDashboard.enabled": true,
})

// deploymentOf renders values and returns the Deployment.
func deploymentOf(t *testing.T, values chart.Values) *appsv1.Deployment {
	t.Helper()
	return charttest.One[*appsv1.Deployment](t, charttest.Render(t, values))
}

// podSpecOf renders values and returns the pod of the Deployment.
func podSpecOf(t *testing.T, values chart.Values) corev1.PodSpec {
	t.Helper()
	return deploymentOf(t, values).Spec.Template.Spec
}

// agentOf renders values and returns the agent's container.
func agentOf(t *testing.T, values chart.Values) corev1.Container {
	t.Helper()
	return podSpecOf(t, values).Containers[0]
}

// rendered has the objects of values that many cases start from.
var rendered sync.Map

// renderOnce renders the same values only once.
func renderOnce(t *testing.T, values chart.Values) chart.Objects {
	t.Helper()
	render := sync.OnceValues(func() (chart.Objects, error) {
		manifest, err := charttest.Template(t, chart.Options{Set: values})
		if err != nil {
			return nil, err
		}
		return chart.Decode(manifest)
	})
	known, _ := rendered.LoadOrStore(fmt.Sprint(values), render)
	objects, err := known.(func() (chart.Objects, error))()
	require.NoError(t, err)
	return objects
}

// unstructuredOf returns the only custom resource of a kind.
func unstructuredOf(t *testing.T, objects chart.Objects, kind string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, object := range chart.All[*unstructured.Unstructured](objects) {
		if object.GetKind() == kind {
			found = append(found, object)
		}
	}
	require.Len(t, found, 1, kind)
	return found[0]
}

// What field returns if there is nothing.
const (
	noObject = "(no such object)"
	noField  = "(no such field)"
)

// field returns the value at a JSONPath, without its braces, of the object
// Kind/name.
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
