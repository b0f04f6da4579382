package check

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
	"example.com/ai-agent/test/schemas"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("kube-score", "kube-validate"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// defaults is the chart's own render, with an Ingress, a route and a schedule:
// every check accepts it.
func defaults(t *testing.T) string {
	t.Helper()
	manifest, err := charttest.Template(t, chart.Options{Set: chart.Values{
		"ingress.hosts":        chart.List{chart.Map{"host": "agent.example.com"}},
		"httpRoute.enabled":    true,
		"httpRoute.parentRefs": chart.List{chart.Map{"name": "public"}},
		"schedules.a":          chart.Map{"schedule": "@daily", "task": "a"},
	}})
	require.NoError(t, err)
	return manifest
}

func newSet(t *testing.T) *Set {
	t.Helper()
	set, err := New(charttest.Own(t))
	require.NoError(t, err)
	return set
}

func run(t *testing.T, manifest string) []finding.Finding {
	t.Helper()
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	findings, err := newSet(t).Run(t.Context(), Subject{Manifest: manifest, Objects: objects})
	require.NoError(t, err)
	return findings
}

func TestDefaultsPassEveryCheck(t *testing.T) {
	t.Parallel()
	assert.Empty(t, run(t, defaults(t)))
}

// The API server completes a Service before it validates it.
func TestCompletedServicesPass(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]chart.Values{
		"headless":                 {"service.clusterIP": "None"},
		"an address of its own":    {"service.clusterIP": "10.96.200.10"},
		"a load balancer's checks": {"service.type": "LoadBalancer", "service.externalTrafficPolicy": "Local"},
	} {
		manifest, err := charttest.Template(t, chart.Options{Set: fields})
		require.NoError(t, err)
		assert.Empty(t, run(t, manifest), name)
	}
	manifest, err := charttest.Template(t, chart.Options{Set: chart.Values{"service.clusterIP": "10.96.200"}})
	require.NoError(t, err)
	assert.NotEmpty(t, run(t, manifest), "no address")
}

// Parts of the Deployment as rendered.
const (
	startupProbe = `          startupProbe:
            failureThreshold: 65
            httpGet:
              path: /health
              port: http
            periodSeconds: 1
            terminationGracePeriodSeconds: 10
            timeoutSeconds: 1
`
	envFromBoth = `          envFrom:
            - configMapRef:
                name: "ai-agent-config"
            - secretRef:
                name: "ai-agent-secrets"
`
)

// defects are texts of a manifest that passes every check, each with what replaces it, by
// the ID of the check that finds it.
var defects = map[string]map[string][2]string{
	"schema": {
		"a mistyped field of a route":      {"backendRequest:", "backendRequests:"},
		"an unknown field of a Deployment": {"maxSurge: 1", "maxSurge: 1\n      maxSurges: 1"},
	},
	"kubernetes": {
		"a lasting success": {"failureThreshold: 65", "failureThreshold: 65\n            successThreshold: 2"},
		"a missing volume":  {"- name: tmp\n              mountPath", "- name: temp\n              mountPath"},
		"an unknown policy": {"stabilizationWindowSeconds: 300", "selectPolicy: None"},
	},
	"pod-security": {
		"privileges":  {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
		"root":        {"runAsNonRoot: true", "runAsNonRoot: false"},
		"host's PIDs": {"enableServiceLinks: false", "hostPID: true"},
	},
	"practice-requests-and-limits": {
		"no memory limit": {"memory: 2Gi", "nvidia.com/gpu: 1"},
		"no CPU request":  {"cpu: 500m\n", "nvidia.com/gpu: 1\n"},
	},
	"practice-three-probes":    {"no startup probe": {startupProbe, ""}},
	"practice-slow-scale-down": {"all pods at once": {"- periodSeconds: 120\n        type: Pods\n        value: 1", "- {periodSeconds: 15, type: Percent, value: 100}"}},
	"practice-env-from":        {"variables set individually": {envFromBoth, ""}},
	"practice-pinned-image":    {"no tag": {"ai-agent:1.1.0", "registry:5000/ai-agent"}},
	"practice-disruption-budget": {
		"for other pods": {"unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels:\n      app: \"ai-agent\"", "unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels:\n      app: other"},
		"for every pod":  {"minAvailable: 1", "minAvailable: 2"},
	},
	"pitfall-memory-limit": {"512Mi": {"memory: 2Gi", "memory: 512Mi"}},
	"pitfall-readiness":    {"the path of liveness": {"path: /ready", "path: /health"}},
	"pitfall-latest-tag":   {"latest": {"ai-agent:1.1.0", "ai-agent:latest"}},
	"pitfall-short-timeouts": {
		"nginx": {`proxy-read-timeout: "300"`, `proxy-read-timeout: "60"`},
		"route": {"request: 330s", "request: 15s"},
	},
	"pitfall-scale-down-window": {"a minute": {"stabilizationWindowSeconds: 300", "stabilizationWindowSeconds: 60"}},
	"pitfall-secrets-in-configmaps": {
		"by its name":        {"MODEL_NAME:", "MODEL_KEY:"},
		"in a URL":           {"postgresql://postgres", "postgresql://me:secret@postgres"},
		"in env":             {"value: \"300\"", "value: ghp_0123456789abcdef"},
		"in a command":       {"- run\n", "- --api-key=abc\n"},
		"in a label of pods": {"version: v1", "version: ghp_0123456789abcdef"},
		"in an annotation":   {"proxy-buffering: \"off\"", "auth: redis://:pw@r"},
	},
	"kube-score": {"writable root": {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}},
}

// At least one defect for each check, in a manifest that passes all of them.
func TestEachCheckFindsItsDefect(t *testing.T) {
	t.Parallel()
	for id, defects := range defects {
		for name, defect := range defects {
			t.Run(id+"/"+name, func(t *testing.T) {
				t.Parallel()
				manifest := defaults(t)
				broken := strings.ReplaceAll(manifest, defect[0], defect[1])
				require.NotEqual(t, manifest, broken, "the manifest does not contain %s", defect[0])
				var found []string
				for _, finding := range runOnly(t, id, broken) {
					assert.NotEmpty(t, finding.Object)
					assert.NotEmpty(t, finding.Problem)
					assert.NotEmpty(t, finding.Fix)
					found = append(found, finding.ID)
				}
				assert.Contains(t, found, id)
			})
		}
	}
}

// A finding of a schema says what is wrong in which field.
func TestSchemaFindingsNameTheField(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(defaults(t), "targetPort: http", "targetPrt: http", 1)
	findings := runOnly(t, "schema", broken)
	require.Len(t, findings, 1)
	assert.Equal(t, "Service/ai-agent-service", findings[0].Object)
	assert.Equal(t, finding.Path{"spec", "ports", "0", "targetPrt"}, findings[0].Path)
	for _, version := range KubernetesVersions() {
		assert.Contains(t, findings[0].Problem, schemas.Minor(version))
	}
	assert.Contains(t, findings[0].Fix, "Did you mean targetPort?")
}

// runOnly runs one check for a manifest that may not decode.
func runOnly(t *testing.T, id, manifest string) []finding.Finding {
	t.Helper()
	objects, _ := chart.Decode(manifest) // a defect that only a schema detects need not decode
	for _, check := range newSet(t).Checks {
		if check.ID == id {
			findings, err := check.Run(t.Context(), Subject{Manifest: manifest, Objects: objects})
			require.NoError(t, err)
			return findings
		}
	}
	t.Fatalf("there is no check %s", id)
	return nil
}

func TestGoodValuesPassEveryCheck(t *testing.T) {
	t.Parallel()
	aHost := chart.List{chart.Map{"host": "a.example.com"}}
	for name, values := range map[string]chart.Values{
		"short runs behind a route":   {"agent.maxRunSeconds": 60, "httpRoute.enabled": true, "httpRoute.parentRefs": chart.List{chart.Map{"name": "public"}}},
		"a name that ends like a key": {"config.MONKEY": "see"},
		"a timeout in days":           {"ingress.className": "haproxy", "ingress.hosts": aHost, "ingress.annotations": chart.Map{"haproxy.org/timeout-server": "1d"}},
		"an autoscaler elsewhere":     {"autoscaling.enabled": false, "replicaCount": nil},
		"a worker with metrics":       {"workers.queue": chart.Map{"metricsPort": 9100}},
		"no scaling down":             {"autoscaling.behavior.scaleDown": chart.Map{"selectPolicy": "Disabled"}},
		"a complete sidecar":          {"extraContainers": chart.List{chart.Map{"image": "proxy:1", "livenessProbe": chart.Map{"httpGet": chart.Map{"path": "/ping", "port": 4180}, "periodSeconds": 5}, "name": "proxy", "ports": chart.List{chart.Map{"containerPort": 4180}}, "readinessProbe": chart.Map{"httpGet": chart.Map{"path": "/ping", "port": 4180}}, "resources": chart.Map{"limits": chart.Map{"cpu": "100m", "memory": "128Mi"}, "requests": chart.Map{"cpu": "10m", "memory": "64Mi"}}, "securityContext": chart.Map{"allowPrivilegeEscalation": false, "capabilities": chart.Map{"drop": chart.List{"ALL"}}, "readOnlyRootFilesystem": true}, "startupProbe": chart.Map{"httpGet": chart.Map{"path": "/ping", "port": 4180}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := charttest.Template(t, chart.Options{Set: values})
			require.NoError(t, err)
			for _, finding := range run(t, manifest) {
				assert.Equal(t, "kube-score", finding.ID, "%+v", finding) // its opinions differ
			}
		})
	}
}

// A worker with a port of its own gets a warning: no Service sends it requests.
func TestProbesOfAWorkerAreItsOwnChoice(t *testing.T) {
	t.Parallel()
	manifest, err := charttest.Template(t, chart.Options{Set: chart.Values{
		"workers.queue": chart.Map{"ports": chart.List{chart.Map{"name": "admin", "containerPort": 8081}}},
	}})
	require.NoError(t, err)
	findings := runOnly(t, "practice-three-probes", manifest)
	require.Len(t, findings, 3)
	for _, f := range findings {
		assert.Equal(t, "Deployment/ai-agent-queue", f.Object)
		assert.Equal(t, finding.Warning, f.Severity)
	}
}

// An exemption that is no longer needed would hide a later defect.
func TestEachExemptionIsNeeded(t *testing.T) {
	t.Parallel()
	stateful := chart.Map{"persistence": chart.Map{"data": chart.Map{"mountPath": "/data", "perPod": true, "spec": chart.Map{
		"accessModes": chart.List{"ReadWriteOnce"}, "resources": chart.Map{"requests": chart.Map{"storage": "1Gi"}},
	}}}}
	manifest, err := charttest.Template(t, chart.Options{
		Files: []string{repo.Path("charts", "ai-agent", "environments", "development.yaml")},
		Set:   chart.Values{"image.tag": "latest", "validation.skip": chart.List{"image-tag-latest"}, "workers.queue": stateful},
	})
	require.NoError(t, err)
	scores, err := runKubeScore(t.Context(), manifest)
	require.NoError(t, err)
	for _, e := range exemptions {
		needed := false
		for _, object := range scores {
			for _, check := range object.Checks {
				matches, err := path.Match(e.object, object.object())
				require.NoError(t, err)
				needed = needed || matches && check.Check.ID == e.check && check.Grade < gradeAllOK && !check.Skipped
			}
		}
		assert.True(t, needed, "%s of %s", e.check, e.object)
		assert.NotEmpty(t, e.reason)
	}
}

const (
	// privileged is a pod that Pod Security "restricted" refuses, with a tag latest.
	privileged = `{metadata: {labels: {a: b}}, spec: {hostNetwork: true, containers: [{name: c, image: "a:latest", securityContext: {privileged: true}}]}}`
	header     = "\n---\napiVersion: %s\nkind: %s\nmetadata: {name: extra}\n"
)

// withObjects returns the manifest of defaults with further objects.
func withObjects(t *testing.T, objects ...string) string {
	t.Helper()
	return defaults(t) + strings.Join(objects, "")
}

func object(apiVersion, kind, fields string) string {
	return fmt.Sprintf(header, apiVersion, kind) + fields
}

// Any object that holds a pod is checked as a Pod is.
func TestPodsOfAnyObjectAreChecked(t *testing.T) {
	t.Parallel()
	pod := strings.Replace(privileged, "{metadata: {labels: {a: b}}, ", "", 1)
	pod = strings.TrimSuffix(pod, "}")
	inTemplate := "spec: {template: " + privileged + "}"
	rollout := `{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: extra}, ` + inTemplate + "}"
	for name, manifest := range map[string]string{
		"Pod":                     object("v1", "Pod", pod),
		"PodTemplate":             object("v1", "PodTemplate", "template: "+privileged),
		"ReplicationController":   object("v1", "ReplicationController", inTemplate),
		"ReplicaSet":              object("apps/v1", "ReplicaSet", inTemplate),
		"Deployment":              object("apps/v1", "Deployment", inTemplate),
		"StatefulSet":             object("apps/v1", "StatefulSet", inTemplate),
		"DaemonSet":               object("apps/v1", "DaemonSet", inTemplate),
		"Job":                     object("batch/v1", "Job", inTemplate),
		"CronJob":                 object("batch/v1", "CronJob", "spec: {jobTemplate: {spec: {template: "+privileged+"}}}"),
		"Rollout":                 object("argoproj.io/v1alpha1", "Rollout", inTemplate),
		"SandboxTemplate":         object("extensions.agents.x-k8s.io/v1alpha1", "SandboxTemplate", "spec: {podTemplate: "+privileged+"}"),
		"JobSet":                  object("jobset.x-k8s.io/v1alpha2", "JobSet", "spec: {replicatedJobs: [{name: a, template: {spec: {template: "+privileged+"}}}]}"),
		"RayCluster":              object("ray.io/v1", "RayCluster", "spec: {headGroupSpec: {template: "+privileged+"}}"),
		"an item of a List":       "\n---\napiVersion: v1\nkind: List\nitems: [" + rollout + "]\n",
		"an item of a typed list": "\n---\napiVersion: apps/v1\nkind: ReplicaSetList\nitems: [{metadata: {name: extra}, " + inTemplate + "}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found []string
			for _, f := range run(t, withObjects(t, manifest)) {
				if strings.HasSuffix(f.Object, "/extra") {
					found = append(found, f.ID)
				}
			}
			assert.Subset(t, found, []string{"pod-security", "practice-requests-and-limits", "pitfall-latest-tag"})
		})
	}
}

// Containers that are no pod, such as the patches in a Prometheus, are not checked.
func TestPatchesOfContainersAreNoPods(t *testing.T) {
	t.Parallel()
	manifest := object("monitoring.coreos.com/v1", "Prometheus", "spec: {containers: [{name: prometheus, args: [a]}]}")
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.Empty(t, pods(objects))
}

// opening is an object in addition to those of the chart, and the finding that it causes, if any.
type opening struct{ objects, id, path string }

func openings() map[string]opening {
	policy := func(fields string) string { return object("networking.k8s.io/v1", "NetworkPolicy", "spec: "+fields) }
	role := func(rule string) string { return object("rbac.authorization.k8s.io/v1", "Role", "rules: ["+rule+"]") }
	bind := func(kind, name string) string {
		return object("rbac.authorization.k8s.io/v1", kind, "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "+name+"}\nsubjects: []\n")
	}
	config := func(name, namespace string) string {
		return "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + namespace + "}\n"
	}
	return map[string]opening{
		"cluster-admin":                    {bind("ClusterRoleBinding", "cluster-admin"), "access-cluster-admin", "roleRef.name"},
		"cluster-admin of a namespace":     {bind("RoleBinding", "cluster-admin"), "access-cluster-admin", "roleRef.name"},
		"the role view":                    {bind("ClusterRoleBinding", "view"), "", ""},
		"all verbs":                        {role("{apiGroups: [''], resources: [pods], verbs: ['*']}"), "access-wildcard-role", "rules[0].verbs"},
		"all resources":                    {role("{apiGroups: [''], resources: ['*'], verbs: [get]}"), "access-wildcard-role", "rules[0].resources"},
		"all groups of one resource":       {role("{apiGroups: ['*'], resources: [pods], verbs: [get]}"), "", ""},
		"all egress":                       {policy("{podSelector: {}, policyTypes: [Egress], egress: [{}]}"), "access-allow-all-policy", "spec.egress[0]"},
		"all ingress":                      {policy("{podSelector: {matchLabels: {app: ai-agent}}, ingress: [{from: []}]}"), "access-allow-all-policy", "spec.ingress[0]"},
		"all addresses":                    {policy("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"), "access-allow-all-policy", "spec.egress[0]"},
		"all addresses but some":           {policy("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}"), "", ""},
		"all addresses of a port":          {policy("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}"), "", ""},
		"all traffic of other pods":        {policy("{podSelector: {matchLabels: {app: other}}, ingress: [{}]}"), "", ""},
		"nothing":                          {policy("{podSelector: {}, policyTypes: [Ingress, Egress]}"), "", ""},
		"a second ConfigMap":               {config("ai-agent-config", `""`), "unique-names", "metadata.name"},
		"a second one in the namespace":    {config("ai-agent-config", "default"), "unique-names", "metadata.name"},
		"a ConfigMap in another namespace": {config("ai-agent-config", "other"), "", ""},
		"two of one List":                  {"\n---\napiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}, {metadata: {name: a}}]\n", "unique-names", "metadata.name"},
		"generated names":                  {strings.Repeat("\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", 2), "", ""},
	}
}

// A finding for each object that opens more than an agent needs, or has the name of
// another one.
func TestObjectsThatOpenOrOverwrite(t *testing.T) {
	t.Parallel()
	for name, tc := range openings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var have []string
			for _, f := range run(t, withObjects(t, tc.objects)) {
				if f.ID == "kube-score" {
					continue // it has an opinion about policies of other pods
				}
				have = append(have, f.ID+" "+f.Path.String())
			}
			if tc.id == "" {
				assert.Empty(t, have)
				return
			}
			assert.Equal(t, []string{tc.id + " " + tc.path}, have)
		})
	}
}

// Each check has a defect that it finds, and its ID is no other's.
func TestEachCheckHasADefect(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, rule := range newSet(t).Rules() {
		assert.False(t, seen[rule.ID], "%s is the ID of two rules", rule.ID)
		seen[rule.ID] = true
	}
	found := map[string]bool{}
	for id := range defects {
		found[id] = true
	}
	for _, o := range openings() {
		found[o.id] = true
	}
	delete(found, "") // of objects that cause no finding
	checks := map[string]bool{}
	for _, check := range newSet(t).Checks {
		checks[check.ID] = true
	}
	assert.Equal(t, checks, found)
}

// An error is reported with all others that are not about the same value.
func TestAnErrorHidesNoOther(t *testing.T) {
	t.Parallel()
	set := newSet(t)
	other := chart.Values{"strategy.rollingUpdate.maxUnavailable": "abc"}
	for name, tc := range map[string]struct {
		values chart.Values
		ids    []string
	}{
		"nothing":                   {nil, nil},
		"a violation of the schema": {chart.Values{"agent.type": "huge"}, []string{"values-schema"}},
		"an error of the chart":     {chart.Values{"image.tag": "latest"}, []string{"image-tag-latest"}},
		"a template":                {chart.Values{"extraObjects": chart.List{`{{ include "nothing" . }}`}}, []string{"render"}},
		"an object":                 {chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "kind": "ConfigMap", "metadata": chart.Map{"name": "a"}, "dta": chart.Map{}}}}, []string{"schema"}},
		"an unknown kind":           {chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "kind": "Servce", "metadata": chart.Map{"name": "a"}}}}, []string{"decode"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := set.Validate(t.Context(), chart.Options{Set: tc.values})
			require.NoError(t, err)
			assert.Equal(t, tc.ids, finding.IDs(result.Findings), "%+v", result.Findings)
			assert.Empty(t, result.Remaining)
			assert.Equal(t, set.Rules(), result.Evaluated)

			result, err = set.Validate(t.Context(), chart.Options{Set: tc.values.And(other)})
			require.NoError(t, err)
			values := map[string]string{}
			for _, f := range result.Findings {
				values[f.Value.String()] = f.ID
			}
			assert.Equal(t, "kubernetes", values["strategy.rollingUpdate.maxUnavailable"], "%+v", result.Findings)
			for _, id := range tc.ids {
				assert.Contains(t, finding.IDs(result.Findings), id)
			}
		})
	}
}

// What one value causes in several objects is one finding, which names the value.
func TestRefusalsNameTheValue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Values
		want   []string // paths of values
	}{
		"probes": {
			chart.Values{"livenessProbe": chart.Map{"successThreshold": 2}, "readinessProbe": chart.Map{"terminationGracePeriodSeconds": 10}},
			[]string{"livenessProbe.successThreshold", "readinessProbe.terminationGracePeriodSeconds"},
		},
		"mounts": {
			chart.Values{
				"volumes":      chart.List{chart.Map{"name": "a", "emptyDir": chart.Map{}}, chart.Map{"name": "b", "emptyDir": chart.Map{}}},
				"volumeMounts": chart.List{chart.Map{"name": "a", "mountPath": "/x"}, chart.Map{"name": "nope", "mountPath": "/y"}},
			},
			[]string{"volumeMounts[1].name"},
		},
		"a toleration of all pods": {
			chart.Values{"tolerations": chart.List{chart.Map{"key": "a", "operator": "Exists", "value": "b"}}},
			[]string{"tolerations[0].operator"},
		},
		"a device without a limit": {chart.Values{"resources.requests": chart.Map{"nvidia.com/gpu": 1}}, []string{"resources"}},
		"the autoscaler": {
			chart.Values{"autoscaling.behavior.scaleDown": chart.Map{"selectPolicy": "Bogus", "policies": chart.List{chart.Map{"type": "Pods", "value": 1, "periodSeconds": 3600}}}},
			[]string{"autoscaling.behavior.scaleDown.policies[0].periodSeconds", "autoscaling.behavior.scaleDown.selectPolicy"},
		},
		"schedules": {
			chart.Values{
				"schedules.typo": chart.Map{"schedule": "61 25 * * *", "task": "a"},
				"schedules.zone": chart.Map{"schedule": "0 9 * * 1", "timeZone": "Europe/Berlln", "task": "a"},
			},
			[]string{"schedules.typo.schedule", "schedules.zone.timeZone"},
		},
		"names": {
			chart.Values{"config": chart.Map{"A B": "x"}, "env": chart.List{chart.Map{"name": "A=B", "value": "1"}}, "secret.existingSecret": "My_Secret"},
			[]string{"config[\"A B\"]", "env[0].name", "secret.existingSecret"},
		},
		"a host": {
			chart.Values{"ingress.hosts": chart.List{chart.Map{"host": "https://Agent.example.com"}}}, []string{"ingress.hosts[0].host"},
		},
		"an address": {
			chart.Values{"networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "banana"}}}}}},
			[]string{"networkPolicy.extraEgress[0].to[0].ipBlock.cidr"},
		},
		"an object": {
			chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "kind": "ConfigMap", "metadata": chart.Map{"name": "A_B"}}}},
			[]string{"extraObjects[0].metadata.name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := newSet(t).Validate(t.Context(), chart.Options{Set: tc.values})
			require.NoError(t, err)
			var have []string
			for _, f := range result.Findings {
				if f.Value != nil || f.ID == chart.SchemaRule.ID { // the chart may refuse some values itself
					have = append(have, cmp.Or(f.Value.String(), f.Path.String()))
				}
			}
			slices.Sort(have)
			for _, want := range tc.want {
				found := slices.ContainsFunc(have, func(path string) bool { return strings.HasPrefix(path, want) })
				assert.True(t, found, "%s is not among %v: %+v", want, have, result.Findings)
			}
			assert.Len(t, have, len(tc.want), "%v", have)
		})
	}
}

// No message quotes a value that may be a secret, whatever refuses it.
func TestRefusalsQuoteNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "sk-n0t-t0-be-s33n"
	for name, values := range map[string]chart.Values{
		"a Secret": {"extraObjects": chart.List{chart.Map{
			"apiVersion": "v1", "kind": "Secret", "metadata": chart.Map{"name": "a"}, "type": "kubernetes.io/dockerconfigjson",
			"stringData": chart.Map{".dockerconfigjson": secret, secret + "/": "a"},
		}}},
		"a label":         {"podLabels": chart.Map{"a": secret + "!"}},
		"a header":        {"livenessProbe": chart.Map{"httpGet": chart.Map{"httpHeaders": chart.List{chart.Map{"name": "a b", "value": secret}}}}},
		"a host":          {"ingress.hosts": chart.List{chart.Map{"host": "https://me:" + secret + "@example.com"}}},
		"a mount":         {"volumeMounts": chart.List{chart.Map{"name": "tmp", "mountPath": "/a", "subPath": "../" + secret}}},
		"a service":       {"service.annotations": chart.Map{"a b": secret}},
		"a broken Secret": {"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "kind": "Secret", "metadata": chart.Map{"name": "a"}, "data": chart.Map{"A": secret}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := newSet(t).Validate(t.Context(), chart.Options{Set: values})
			require.NoError(t, err)
			assert.NotEmpty(t, result.Findings)
			for _, f := range result.Findings {
				assert.NotContains(t, f.Problem+f.Fix, secret)
			}
		})
	}
}

// A warning of the chart is a finding next to those of the checks.
func TestWarningsOfTheChartAreFindings(t *testing.T) {
	t.Parallel()
	result, err := newSet(t).Validate(t.Context(), chart.Options{Set: chart.Values{
		"agent.maxRunSeconds": 900, "resources.limits.memory": "512Mi",
	}})
	require.NoError(t, err)
	ids := finding.IDs(result.Findings)
	assert.Contains(t, ids, "run-exceeds-node-drain")
	assert.Contains(t, ids, "pitfall-memory-limit")
}

// Skipping a rule of the chart must not leave an error of the check that asks for
// the same.
func TestSkippedRulesAreNotesOfTheirTwins(t *testing.T) {
	t.Parallel()
	for id, values := range map[string]chart.Values{
		"image-tag-latest":       {"image.tag": "latest"},
		"helm-test-image-latest": {"helmTest.image": "check:latest"},
		"config-credential":      {"config.API_TOKEN": "a"},
		"sidecar-image-tag": {"extraContainers": chart.List{chart.Map{
			"name": "a", "image": "a",
			"resources":       chart.Map{"limits": chart.Map{"cpu": 1, "memory": "1Gi"}, "requests": chart.Map{"cpu": 1, "memory": "1Gi"}},
			"securityContext": chart.Map{"allowPrivilegeEscalation": false, "capabilities": chart.Map{"drop": chart.List{"ALL"}}},
		}}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			result, err := newSet(t).Validate(t.Context(), chart.Options{Set: values.With("validation.skip", chart.List{id})})
			require.NoError(t, err)
			assert.False(t, finding.HasErrors(result.Findings), "%+v", result.Findings)
			assert.Greater(t, len(result.Findings), 1, "the rule and its twin are notes")
		})
	}
}

func TestEachTwinIsASkippableRule(t *testing.T) {
	t.Parallel()
	rules, err := charttest.Own(t).Rules()
	require.NoError(t, err)
	skippable := map[string]bool{}
	for _, rule := range rules {
		skippable[rule.ID] = rule.Skippable
	}
	twins := 0
	for _, check := range newSet(t).Checks {
		for _, twin := range check.twins {
			assert.True(t, skippable[twin], twin)
			twins++
		}
	}
	assert.Positive(t, twins)
}
