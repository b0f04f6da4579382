package check

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("kube-score"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// defaults is the chart's own render, with the seed's Ingress, a route and a
// sidecar: what every check must be content with.
func defaults(t *testing.T) string {
	t.Helper()
	manifest, err := chart.Template(t, chart.Options{Set: chart.Values{
		"ingress.hosts":        `[{"host": "agent.example.com"}]`,
		"httpRoute.enabled":    "true",
		"httpRoute.parentRefs": `[{"name": "public"}]`,
		"schedules.a":          `{"schedule": "@daily", "task": "a"}`,
	}})
	require.NoError(t, err)
	return manifest
}

func run(t *testing.T, manifest string) []Finding {
	t.Helper()
	set, err := New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	findings, err := set.Run(t.Context(), Subject{Manifest: manifest, Objects: objects})
	require.NoError(t, err)
	return findings
}

func TestDefaultsPassEveryCheck(t *testing.T) {
	t.Parallel()
	assert.Empty(t, run(t, defaults(t)))
}

// Parts of the Deployment, as they are rendered.
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

// One defect for each check, put into a manifest that passes all of them.
func TestEachCheckFindsItsDefect(t *testing.T) {
	t.Parallel()
	for id, defects := range map[string]map[string][2]string{
		"schema": {
			"a route's field misspelt": {"backendRequest:", "backendRequests:"},
			"no percentage":            {"maxSurge: 1", "maxSurge: 1\n      maxSurges: 1"},
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
		"practice-slow-scale-down": {"half and more": {"- periodSeconds: 120\n        type: Pods\n        value: 1", "- {periodSeconds: 15, type: Percent, value: 100}"}},
		"practice-env-from":        {"one by one": {envFromBoth, "          env: [{name: A, value: a}]\n"}},
		"practice-pinned-image":    {"no tag": {"ai-agent:1.0.0", "registry:5000/ai-agent"}},
		"practice-disruption-budget": {
			"of other pods": {"unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels:\n      app: \"ai-agent\"", "unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels:\n      app: other"},
			"of all pods":   {"minAvailable: 1", "minAvailable: 2"},
		},
		"pitfall-memory-limit": {"512Mi": {"memory: 2Gi", "memory: 512Mi"}},
		"pitfall-readiness":    {"as liveness": {"path: /ready", "path: /health"}},
		"pitfall-latest-tag":   {"latest": {"ai-agent:1.0.0", "ai-agent:latest"}},
		"pitfall-short-timeouts": {
			"nginx": {`proxy-read-timeout: "300"`, `proxy-read-timeout: "60"`},
			"route": {"request: 330s", "request: 15s"},
		},
		"pitfall-scale-down-window": {"a minute": {"stabilizationWindowSeconds: 300", "stabilizationWindowSeconds: 60"}},
		"pitfall-secrets-in-configmaps": {
			"by its name": {"MODEL_NAME:", "MODEL_KEY:"},
			"in a URL":    {"postgresql://postgres", "postgresql://me:secret@postgres"},
		},
		"kube-score": {"writable root": {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}},
	} {
		for name, defect := range defects {
			t.Run(id+"/"+name, func(t *testing.T) {
				t.Parallel()
				manifest := defaults(t)
				broken := strings.ReplaceAll(manifest, defect[0], defect[1])
				require.False(t, manifest == broken, "the manifest has nothing like %s", defect[0])
				var found []string
				for _, finding := range runOnly(t, id, broken) {
					assert.NotEmpty(t, finding.Object)
					assert.NotEmpty(t, finding.Problem)
					assert.NotEmpty(t, finding.Fix)
					found = append(found, finding.Check)
				}
				assert.Contains(t, found, id)
			})
		}
	}
}

// A finding of a schema says where and what, not only that something is wrong.
func TestSchemaFindingsNameTheField(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(defaults(t), "targetPort: http", "targetPrt: http", 1)
	findings := runOnly(t, "schema", broken)
	require.Len(t, findings, 1)
	assert.Equal(t, "Service/ai-agent-service", findings[0].Object)
	assert.Equal(t, "spec.ports.0", findings[0].Field)
	assert.Contains(t, findings[0].Problem, "additional properties 'targetPrt' not allowed (Kubernetes 1.34, 1.35, 1.36, 1.37)")
}

// runOnly runs one check over what may not decode.
func runOnly(t *testing.T, id, manifest string) []Finding {
	t.Helper()
	set, err := New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	objects, _ := chart.Decode(manifest) // a defect that only a schema sees need not decode
	for _, check := range set.Checks {
		if check.ID == id {
			findings, err := check.Run(t.Context(), Subject{Manifest: manifest, Objects: objects})
			require.NoError(t, err)
			return findings
		}
	}
	t.Fatalf("no check %s", id)
	return nil
}

// Near misses that are right.
func TestGoodValuesPassEveryCheck(t *testing.T) {
	t.Parallel()
	aHost := `[{"host": "a.example.com"}]`
	for name, values := range map[string]chart.Values{
		"short runs behind a route": {"agent.maxRunSeconds": "60", "httpRoute.enabled": "true", "httpRoute.parentRefs": `[{"name": "public"}]`},
		"a monkey is no key":        {"config.MONKEY": `"see"`},
		"HAProxy in days":           {"ingress.className": `"haproxy"`, "ingress.hosts": aHost, "ingress.annotations": `{"haproxy.org/timeout-server": "1d"}`},
		"another autoscaler":        {"autoscaling.enabled": "false", "replicaCount": "null"},
		"no scaling down":           {"autoscaling.behavior.scaleDown": `{"selectPolicy": "Disabled"}`},
		"a sidecar with its own way": {"extraContainers": `[{"name": "proxy", "image": "proxy:1", "ports": [{"containerPort": 4180}], "startupProbe": {"httpGet": {"path": "/ping", "port": 4180}},
			"livenessProbe": {"httpGet": {"path": "/ping", "port": 4180}, "periodSeconds": 5}, "readinessProbe": {"httpGet": {"path": "/ping", "port": 4180}},
			"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "128Mi"}},
			"securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := chart.Template(t, chart.Options{Set: values})
			require.NoError(t, err)
			for _, finding := range run(t, manifest) {
				assert.Equal(t, "kube-score", finding.Check, "%+v", finding) // whose opinions are its own
			}
		})
	}
}

// An exemption that nothing needs any more hides what comes next.
func TestEachExemptionIsNeeded(t *testing.T) {
	t.Parallel()
	manifest, err := chart.Template(t, chart.Options{Files: []string{repo.Path("charts", "ai-agent", "environments", "development.yaml")}})
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

func TestEachCheckHasADefect(t *testing.T) {
	t.Parallel()
	set, err := New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	text, err := os.ReadFile(repo.Path("test", "internal", "check", "check_test.go"))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, check := range set.Checks {
		assert.Contains(t, string(text), `"`+check.ID+`":`)
		assert.False(t, seen[check.ID], check.ID)
		seen[check.ID] = true
	}
}
