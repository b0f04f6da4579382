package live

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/apiserver"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
)

// What kube-validate refuses is what the API server refuses: the same fields of the
// same objects, for the same reason. Both accept every values file of the chart and all
// good values, and refuse each of the bad ones.
func TestKubeValidateAgreesWithTheAPIServer(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for _, file := range charttest.ValuesFiles(t) {
		refused := compare(t, n, chart.Options{Files: []string{file}})
		assert.Empty(t, refused, file)
	}
	for _, values := range goodValues() {
		refused := compare(t, n, chart.Options{Set: values})
		assert.Empty(t, refused, "%v", values)
	}
	bad := badValues()
	require.GreaterOrEqual(t, len(bad), 40)
	for _, values := range bad {
		refused := compare(t, n, chart.Options{Set: values})
		assert.NotEmpty(t, refused, "%v", values)
	}
}

// compare returns the refusals of a render, on which both must agree.
func compare(t *testing.T, n *cluster.Namespace, options chart.Options) []apiserver.Refusal {
	t.Helper()
	manifest, broken := charttest.Own(t).RenderAnyway(options)
	require.Empty(t, broken, "%v", options.Set)
	objects, err := chart.Manifests(manifest)
	require.NoError(t, err)
	ask := func(whom func(context.Context, [][]byte) (apiserver.Answer, error)) apiserver.Answer {
		answer, err := whom(t.Context(), objects)
		require.NoError(t, err, "%v", options.Set)
		return answer
	}
	createServiceAccounts(t, n, objects)
	server := ask(apiserver.Cluster{Context: n.Options().ContextName, Namespace: n.Name}.Ask)
	command := ask(apiserver.Command)
	for object, why := range server.Unchecked {
		_, isCustom := command.Unchecked[object]
		assert.True(t, isCustom, "%s: %s", objects[object], why)
	}
	// Admission comes first: the cluster may lack the PriorityClass of a pod.
	admitted := func(refusals []apiserver.Refusal) []apiserver.Refusal {
		return slices.DeleteFunc(slices.Clone(refusals), func(refusal apiserver.Refusal) bool {
			return slices.ContainsFunc(server.Refusals, func(r apiserver.Refusal) bool { return r.Object == refusal.Object && r.Field == nil })
		})
	}
	assert.ElementsMatch(t, admitted(command.Refusals), admitted(server.Refusals), "%v", options.Set)
	for _, refusal := range command.Refusals {
		assert.NotEmpty(t, refusal.Field, "%v", options.Set)
	}
	return command.Refusals
}

// createServiceAccounts creates the ServiceAccounts of pods, without which an API server
// does not come to validate them.
func createServiceAccounts(t *testing.T, n *cluster.Namespace, objects [][]byte) {
	t.Helper()
	accounts := n.Client().CoreV1().ServiceAccounts(n.Name)
	for _, object := range objects {
		var pod corev1.Pod
		if err := yaml.Unmarshal(object, &pod); err != nil || pod.Kind != "Pod" || pod.Spec.ServiceAccountName == "" {
			continue
		}
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: pod.Spec.ServiceAccountName}}
		if _, err := accounts.Create(t.Context(), account, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
			require.NoError(t, err)
		}
	}
}

// goodValues are values that an API server completes before it validates them.
func goodValues() []chart.Values {
	return []chart.Values{
		{"service.clusterIP": "None"},
		{"service.clusterIP": "10.96.200.10"},
		{"service.type": "LoadBalancer", "service.externalTrafficPolicy": "Local"},
		{"service.type": "NodePort", "service.externalTrafficPolicy": "Local"},
		{"extraObjects": chart.List{
			chart.Map{"apiVersion": "v1", "kind": "Service", "metadata": chart.Map{"name": "extra"}, "spec": chart.Map{
				"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": chart.List{chart.Map{"port": 80}}}},
			chart.Map{"apiVersion": "v1", "kind": "Service", "metadata": chart.Map{"name": "names"}, "spec": chart.Map{"type": "ExternalName", "externalName": "db.example.com"}},
		}},
	}
}

// badValues are values that an API server refuses, from all kinds of fields.
func badValues() []chart.Values {
	object := func(apiVersion, kind string, fields chart.Map) chart.Values {
		fields["apiVersion"], fields["kind"] = apiVersion, kind
		if fields["metadata"] == nil {
			fields["metadata"] = chart.Map{"name": "extra"}
		}
		return chart.Values{"extraObjects": chart.List{fields}}
	}
	schedule := func(field string, value any) chart.Values {
		return chart.Values{"schedules.a": chart.Map{"schedule": "@daily", "task": "a"}, "schedules.a." + field: value}
	}
	pod := chart.Map{"spec": chart.Map{"containers": chart.List{chart.Map{"name": "A", "image": "a:1"}}}}
	bad := []chart.Values{
		{"livenessProbe.successThreshold": 2},
		{"livenessProbe.periodSeconds": -1},
		{"readinessProbe.terminationGracePeriodSeconds": 10},
		{"readinessProbe.httpGet.path": "ready", "readinessProbe.httpGet.port": 70000},
		{"startupProbe.httpGet.port": "a_b"},
		{"livenessProbe.httpGet.httpHeaders": chart.List{chart.Map{"name": "a b", "value": "c"}}},
		{"volumeMounts": chart.List{chart.Map{"name": "nope", "mountPath": "/y"}}},
		{"volumes": chart.List{chart.Map{"name": "a", "configMap": chart.Map{"name": "a", "defaultMode": 4096}}}},
		{"volumeMounts": chart.List{chart.Map{"name": "tmp", "mountPath": "/a", "subPath": "../b"}}},
		{"volumes": chart.List{chart.Map{"name": "A", "emptyDir": chart.Map{}}}},
		{"volumes": chart.List{chart.Map{"name": "a", "emptyDir": chart.Map{}, "configMap": chart.Map{"name": "a"}}}},
		{"volumes": chart.List{chart.Map{"name": "a", "emptyDir": chart.Map{"sizeLimit": "-1"}}}},
		{"tolerations": chart.List{chart.Map{"key": "a", "operator": "Exists", "value": "b"}}},
		{"tolerations": chart.List{chart.Map{"operator": "Equal", "value": "b"}}},
		{"tolerations": chart.List{chart.Map{"key": "a", "effect": "Never"}}},
		{"resources.requests": chart.Map{"nvidia.com/gpu": 1}},
		{"resources.requests": chart.Map{"memory": "8Gi"}},
		{"resources.limits": chart.Map{"no": 1}},
		{"env": chart.List{chart.Map{"name": "A=B", "value": "1"}}},
		{"env": chart.List{chart.Map{"name": "A", "value": "1", "valueFrom": chart.Map{"fieldRef": chart.Map{"fieldPath": "metadata.name"}}}}},
		{"env": chart.List{chart.Map{"name": "A", "valueFrom": chart.Map{"fieldRef": chart.Map{"fieldPath": "metadata.nothing"}}}}},
		{"envFrom": chart.List{chart.Map{"prefix": "A"}}},
		{"config": chart.Map{"A B": "x"}},
		{"podLabels": chart.Map{"a": "b c"}},
		{"podAnnotations": chart.Map{"a b": "c"}},
		{"commonLabels": chart.Map{"a/b/c": "d"}},
		{"nodeSelector": chart.Map{"a b": "c"}},
		{"affinity": chart.Map{"podAffinity": chart.Map{"requiredDuringSchedulingIgnoredDuringExecution": chart.List{chart.Map{"topologyKey": ""}}}}},
		{"topologySpreadConstraints": chart.List{chart.Map{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "Never"}}},
		{"priorityClassName": "A_B"},
		{"runtimeClassName": "A_B"},
		{"podSecurityContext.supplementalGroups": chart.List{-1}},
		{"podSecurityContext.fsGroup": -1},
		{"podSecurityContext.fsGroupChangePolicy": "Sometimes"},
		{"securityContext.capabilities": chart.Map{"drop": chart.List{"ALL"}}, "securityContext.procMount": "Other"},
		{"strategy.rollingUpdate.maxUnavailable": "abc"},
		{"strategy.rollingUpdate.maxUnavailable": "120%"},
		{"autoscaling.behavior.scaleDown.selectPolicy": "Bogus"},
		{"autoscaling.behavior.scaleDown.policies": chart.List{chart.Map{"type": "Pods", "value": 1, "periodSeconds": 3600}}},
		{"autoscaling.behavior.scaleUp.policies": chart.List{chart.Map{"type": "Runs", "value": 0, "periodSeconds": 60}}},
		{"autoscaling.minReplicas": 5, "autoscaling.maxReplicas": 4},
		{"ingress.hosts": chart.List{chart.Map{"host": "https://Agent.example.com"}}},
		{"ingress.hosts": chart.List{chart.Map{"host": "a.example.com"}}, "ingress.className": "A_B"},
		{"secret.existingSecret": "My_Secret"},
		{"serviceAccount.create": false, "serviceAccount.name": "arn:aws:x", "helmTest.enabled": false}, // no pods, which admission refuses first
		{"networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "banana"}}}}}},
		{"networkPolicy.extraEgress": chart.List{chart.Map{"ports": chart.List{chart.Map{"port": 1, "protocol": "HTTP"}}}}},
		{"networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{chart.Map{}}}}},
		schedule("schedule", "61 25 * * *"),
		schedule("schedule", "TZ=UTC 0 9 * * 1"),
		schedule("timeZone", "Europe/Berlln"),
		object("v1", "ConfigMap", chart.Map{"metadata": chart.Map{"name": "A_B"}}),
		object("v1", "Service", chart.Map{"spec": chart.Map{"ports": chart.List{chart.Map{"port": 80}, chart.Map{"port": 81}}}}),
		object("v1", "Service", chart.Map{"spec": chart.Map{"ports": chart.List{chart.Map{"port": 0}}, "type": "Public"}}),
		object("v1", "Service", chart.Map{"spec": chart.Map{"ports": chart.List{chart.Map{"port": 80}}, "clusterIP": "banana"}}),
		object("v1", "PersistentVolumeClaim", chart.Map{"spec": chart.Map{"accessModes": chart.List{"Any"}}}),
		object("v1", "PodTemplate", chart.Map{"template": pod}),
		object("apps/v1", "StatefulSet", chart.Map{"spec": chart.Map{"serviceName": "a", "selector": chart.Map{"matchLabels": chart.Map{"a": "b"}}, "template": pod}}),
		object("batch/v1", "Job", chart.Map{"spec": chart.Map{"template": pod, "backoffLimit": -1}}),
		object("policy/v1", "PodDisruptionBudget", chart.Map{"spec": chart.Map{"minAvailable": 1, "maxUnavailable": 1}}),
		object("rbac.authorization.k8s.io/v1", "RoleBinding", chart.Map{"roleRef": chart.Map{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": chart.List{chart.Map{"kind": "Robot", "name": "a"}}}),
	}
	for i, port := range []int{-1, 65536} {
		bad = append(bad, object("networking.k8s.io/v1", "Ingress", chart.Map{"metadata": chart.Map{"name": "extra" + strconv.Itoa(i)}, "spec": chart.Map{
			"defaultBackend": chart.Map{"service": chart.Map{"name": "a", "port": chart.Map{"number": port}}},
		}}))
	}
	return bad
}
