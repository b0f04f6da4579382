package render

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// job is a job with a name and further fields.
func job(name string, fields chart.Map) chart.Values {
	return chart.Values{"jobs." + name: chart.Merge(chart.Map{"command": chart.List{"migrate"}}, fields)}
}

// aSealedSecret is a Secret that only the release creates.
var aSealedSecret = chart.Values{"secret.sealedSecret.encryptedData": chart.Map{"A": "AgA"}}

// hooksOf returns the names, as Kind/name, of the objects that run at an event.
func hooksOf(t *testing.T, objects chart.Objects, event string) []string {
	t.Helper()
	var names []string
	for _, object := range objects {
		meta, err := apimeta.Accessor(object)
		require.NoError(t, err)
		if slices.Contains(strings.Split(meta.GetAnnotations()["helm.sh/hook"], ","), event) {
			names = append(names, object.GetObjectKind().GroupVersionKind().Kind+"/"+meta.GetName())
		}
	}
	return names
}

// A job has the image, the environment, the security and the placement of the agent, but
// no port, probe or hook, and is no pod that serves.
func TestJobSharesThePodOfTheServer(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, job("migrate", chart.Map{
		"env": chart.List{chart.Map{"name": "A", "value": "2"}}, "args": chart.List{"--all"}, "backoffLimit": 3,
		"resources": chart.Map{"limits": chart.Map{"memory": "3Gi"}},
	}).And(chart.Values{
		"secret.existingSecret": "mine", "nodeSelector.disk": "ssd", "command": chart.List{"/server"},
		"env": chart.List{chart.Map{"name": "A", "value": "1"}, chart.Map{"name": "B", "value": "1"}},
	}))
	migrate := charttest.One[*batchv1.Job](t, objects)
	server := deploymentOf(t, chart.Values{"nodeSelector.disk": "ssd"}).Spec.Template.Spec
	pod := migrate.Spec.Template.Spec
	container := pod.Containers[0]
	assert.Equal(t, "ai-agent-migrate", migrate.Name)
	assert.Equal(t, []string{"migrate"}, container.Command)
	assert.Equal(t, []string{"--all"}, container.Args)
	assert.Equal(t, []corev1.EnvVar{{Name: "B", Value: "1"}, {Name: "A", Value: "2"}}, container.Env[3:])
	assert.Equal(t, "mine", container.EnvFrom[1].SecretRef.Name)
	assert.Equal(t, "3Gi", container.Resources.Limits.Memory().String())
	assert.Equal(t, server.Containers[0].Image, container.Image)
	assert.Equal(t, server.Containers[0].SecurityContext, container.SecurityContext)
	assert.Equal(t, server.SecurityContext, pod.SecurityContext)
	assert.Equal(t, server.NodeSelector, pod.NodeSelector)
	assert.Empty(t, container.Ports)
	assert.Nil(t, container.StartupProbe)
	assert.Nil(t, container.Lifecycle)
	assert.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy)
	assert.EqualValues(t, 3, *migrate.Spec.BackoffLimit)
	assert.EqualValues(t, (2+3)*(300+120), *migrate.Spec.ActiveDeadlineSeconds)
	assert.EqualValues(t, 86400, *migrate.Spec.TTLSecondsAfterFinished, "no uninstall removes a failed Job")
}

// Helm and Argo CD read these annotations: what succeeded is removed, a failed Job stays
// for its logs.
func TestJobIsAHook(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fields         chart.Map
		events, weight string
	}{
		"by default":      {nil, "pre-install,pre-upgrade", "0"},
		"after a rollout": {chart.Map{"hooks": chart.List{"post-install", "post-upgrade"}, "weight": -5}, "post-install,post-upgrade", "-5"},
	} {
		annotations := charttest.One[*batchv1.Job](t, charttest.Render(t, job("a", tc.fields))).Annotations
		assert.Equal(t, tc.events, annotations["helm.sh/hook"], name)
		assert.Equal(t, tc.weight, annotations["helm.sh/hook-weight"], name)
		assert.Equal(t, "before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"], name)
		assert.Equal(t, "hook-failed", annotations["helm.sh/hook-output-log-policy"], name)
	}
}

// What a job needs exists before it and with the content of its own revision, whichever
// source the Secret has. All of it is removed with the hook. A job after the release
// needs none of it.
func TestHookHasObjectsOfItsOwn(t *testing.T) {
	t.Parallel()
	common := []string{"NetworkPolicy/ai-agent-hook", "ServiceAccount/ai-agent-hook", "ConfigMap/ai-agent-hook-config", "Job/ai-agent-a"}
	for name, tc := range map[string]struct {
		values chart.Values
		also   []string
		secret string
	}{
		"values":              {nil, []string{"Secret/ai-agent-hook-secrets"}, "ai-agent-hook-secrets"},
		"existingSecret":      {chart.Values{"secret.existingSecret": "mine"}, nil, "mine"},
		"externalSecret":      {aStore, []string{"ExternalSecret/ai-agent-hook-secrets"}, "ai-agent-hook-secrets"},
		"secretProviderClass": {aProvider.With("secret.secretProviderClass.data", chart.List{chart.Map{"key": "A", "objectName": "a"}}), []string{"SecretProviderClass/ai-agent-hook"}, "ai-agent-hook-secrets"},
	} {
		objects := charttest.Render(t, tc.values.And(job("a", nil)))
		assert.ElementsMatch(t, append(tc.also, common...), hooksOf(t, objects, "pre-install"), name)
		pod := charttest.One[*batchv1.Job](t, objects).Spec.Template.Spec
		assert.Equal(t, "ai-agent-hook", pod.ServiceAccountName, name)
		assert.Equal(t, "ai-agent-hook-config", pod.Containers[0].EnvFrom[0].ConfigMapRef.Name, name)
		assert.Equal(t, tc.secret, pod.Containers[0].EnvFrom[1].SecretRef.Name, name)
		for _, volume := range pod.Volumes {
			if volume.CSI != nil {
				assert.Equal(t, "ai-agent-hook", volume.CSI.VolumeAttributes["secretProviderClass"])
			}
		}
		for _, object := range objects {
			meta, err := apimeta.Accessor(object)
			require.NoError(t, err)
			if strings.Contains(meta.GetName(), "-hook") {
				weight, err := strconv.Atoi(meta.GetAnnotations()["helm.sh/hook-weight"])
				require.NoError(t, err)
				assert.Less(t, weight, -99, "before the first job")
				assert.Equal(t, "before-hook-creation,hook-succeeded", meta.GetAnnotations()["helm.sh/hook-delete-policy"], meta.GetName())
			}
		}
	}
	configs := byName(chart.All[*corev1.ConfigMap](charttest.Render(t, job("a", nil).With("config.A", "b"))))
	assert.Equal(t, configs["ai-agent-config"].Data, configs["ai-agent-hook-config"].Data)

	after := charttest.Render(t, job("a", chart.Map{"hooks": chart.List{"post-install", "post-upgrade"}}))
	assert.Equal(t, []string{"Job/ai-agent-a"}, hooksOf(t, after, "post-upgrade"))
	assert.Equal(t, "ai-agent", charttest.One[*batchv1.Job](t, after).Spec.Template.Spec.ServiceAccountName)
	assert.Empty(t, hooksOf(t, charttest.Render(t, nil), "pre-install"), "without jobs")
}

// A job that runs before the release has files of its own, and no claims: they may not
// exist yet, or be in use. A schedule has both.
func TestJobHasFilesButNoClaims(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, job("migrate", nil).And(chart.Values{
		"configFiles.main":  chart.Map{"mountPath": "/etc/main.yaml", "content": "a: b\n"},
		"persistence.data":  chart.Map{"mountPath": "/data", "spec": chart.Map{"accessModes": chart.List{"ReadWriteMany"}, "resources": chart.Map{"requests": chart.Map{"storage": "1Gi"}}}},
		"schedules.nightly": chart.Map{"schedule": "0 1 * * *", "task": "report"},
	}))
	sources := func(pod corev1.PodSpec) (found []string) {
		for _, volume := range pod.Volumes {
			switch {
			case volume.ConfigMap != nil:
				found = append(found, volume.ConfigMap.Name)
			case volume.PersistentVolumeClaim != nil:
				found = append(found, volume.PersistentVolumeClaim.ClaimName)
			}
		}
		return found
	}
	migrate := chart.All[*batchv1.Job](objects)[0].Spec.Template.Spec
	assert.Equal(t, []string{"ai-agent-hook-files"}, sources(migrate))
	assert.Equal(t, []string{"/etc/main.yaml"}, mountsOf(migrate.Containers[0], "files"))
	assert.Empty(t, mountsOf(migrate.Containers[0], "data"))
	assert.Contains(t, hooksOf(t, objects, "pre-install"), "ConfigMap/ai-agent-hook-files")
	for _, config := range chart.All[*corev1.ConfigMap](objects) {
		if strings.HasSuffix(config.Name, "-files") {
			assert.Equal(t, map[string]string{"main": "a: b\n"}, config.Data, config.Name)
		}
	}
	nightly := chart.All[*batchv1.CronJob](objects)[0].Spec.JobTemplate.Spec.Template.Spec
	assert.Equal(t, []string{"ai-agent-files", "ai-agent-data"}, sources(nightly))
}

// A pod that leaves out a claim has an empty folder where an init container mounts the
// claim, and no policy that would restart its container: Kubernetes would refuse both.
func TestJobAndScheduleAreValidPods(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, job("migrate", nil).And(volume(claim("ReadWriteMany", nil))).And(chart.Values{
		"initContainers":    chart.List{chart.Map{"name": "seed", "image": "seed:1", "volumeMounts": chart.List{chart.Map{"name": "data", "mountPath": "/data"}}}},
		"resizePolicy":      chart.List{chart.Map{"resourceName": "memory", "restartPolicy": "RestartContainer"}},
		"schedules.nightly": chart.Map{"schedule": "0 1 * * *", "task": "report", "persistence": chart.Map{"data": nil}},
	}))
	pods := []corev1.PodSpec{chart.All[*batchv1.Job](objects)[0].Spec.Template.Spec, chart.All[*batchv1.CronJob](objects)[0].Spec.JobTemplate.Spec.Template.Spec}
	for _, pod := range pods {
		data := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "data" })
		require.GreaterOrEqual(t, data, 0)
		assert.NotNil(t, pod.Volumes[data].EmptyDir)
		assert.Empty(t, pod.Containers[0].ResizePolicy)
	}
	server := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec
	assert.Len(t, server.Containers[0].ResizePolicy, 1)
	assert.Equal(t, 1, len(slices.DeleteFunc(server.Volumes, func(v corev1.Volume) bool { return v.Name != "data" || v.PersistentVolumeClaim == nil })))
}

// Only its Job and the policies select the pod of a job. That of the hook selects nothing
// else: it is gone when the agent runs.
func TestJobPodsAreSelectedOnlyByThePolicies(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, job("a", nil).And(worker("queue", nil)).And(aSchedule))
	pod := labels.Set(charttest.One[*batchv1.Job](t, objects).Spec.Template.Labels)
	server := labels.Set(deploymentOf(t, nil).Spec.Template.Labels)
	selects := func(selector *metav1.LabelSelector, pod labels.Set) bool {
		parsed, err := metav1.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		return parsed.Matches(pod)
	}
	assert.False(t, labels.SelectorFromSet(charttest.One[*corev1.Service](t, objects).Spec.Selector).Matches(pod), "the Service")
	for _, budget := range chart.All[*policyv1.PodDisruptionBudget](objects) {
		assert.False(t, selects(budget.Spec.Selector, pod), budget.Name)
	}
	policies := byName(chart.All[*networkingv1.NetworkPolicy](objects))
	assert.True(t, selects(&policies["ai-agent"].Spec.PodSelector, pod))
	assert.True(t, selects(&policies["ai-agent-hook"].Spec.PodSelector, pod))
	assert.False(t, selects(&policies["ai-agent-hook"].Spec.PodSelector, server))
	assert.Equal(t, policies["ai-agent"].Spec.Egress, policies["ai-agent-hook"].Spec.Egress)
}

// The policy allows the servers that the env of a job or of a schedule names, and the rules
// about the environment report both.
func TestEnvironmentOfJobsAndSchedules(t *testing.T) {
	t.Parallel()
	env := func(name, value string) chart.Map {
		return chart.Map{"env": chart.List{chart.Map{"name": name, "value": value}}}
	}
	for part, fields := range map[string]chart.Map{"jobs": {"command": chart.List{"a"}}, "schedules": {"command": chart.List{"a"}, "schedule": "@daily"}} {
		with := func(own chart.Map) chart.Values { return chart.Values{part + ".a": chart.Merge(fields, own)} }
		var ports []string
		for _, rule := range byName(chart.All[*networkingv1.NetworkPolicy](charttest.Render(t, with(env("DATABASE_URL", "postgresql://db:6543/a")))))["ai-agent"].Spec.Egress {
			for _, port := range rule.Ports {
				ports = append(ports, port.Port.String())
			}
		}
		assert.Contains(t, ports, "6543", part)
		assert.Contains(t, ports, "5432", "the server's")

		for want, own := range map[string]chart.Map{
			"run-budget-override " + part + ".a.env[0]": env("MAX_RUN_SECONDS", "9"),
			"url-unreadable " + part + ".a.env[0]":      env("DATABASE_URL", "db"),
		} {
			var found []string
			for _, f := range charttest.Findings(t, chart.Options{Set: with(own)}) {
				if f.Severity == finding.Error {
					found = append(found, f.ID+" "+f.Path.String())
				}
			}
			assert.Equal(t, []string{want}, found)
		}
	}
}

// Helm waits for each job: its timeout must not be shorter.
func TestNotesTellOfJobs(t *testing.T) {
	t.Parallel()
	assert.NotContains(t, notesOf(t, job("a", nil)), "--timeout 61m")
	assert.Contains(t, notesOf(t, job("a", chart.Map{"activeDeadlineSeconds": 3600})), "--timeout 61m")
}
