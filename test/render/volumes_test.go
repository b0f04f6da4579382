package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
)

// perPod gives each pod a claim of its own.
var perPod = volume(claim("ReadWriteOnce", chart.Map{"perPod": true}))

// mountsOf returns the paths at which a container mounts a volume.
func mountsOf(container corev1.Container, volume string) []string {
	var paths []string
	for _, mount := range container.VolumeMounts {
		if mount.Name == volume {
			paths = append(paths, mount.MountPath)
		}
	}
	return paths
}

// helmTemplate renders the chart with helm, whose flags the suites do not have.
func helmTemplate(t *testing.T, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "helm", append([]string{"template", "ai-agent", chart.Dir(), "--kube-version", chart.KubeVersion}, flags...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// An uninstall keeps a claim, unless retain is false. Its annotations and labels are those
// of the values and the chart.
func TestClaimsAreKept(t *testing.T) {
	t.Parallel()
	extra := chart.Map{"annotations": chart.Map{"backup": "daily"}, "labels": chart.Map{"tier": "a"}}
	kept := charttest.One[*corev1.PersistentVolumeClaim](t, charttest.Render(t, volume(claim("ReadWriteMany", extra))))
	assert.Equal(t, "ai-agent-data", kept.Name)
	assert.Equal(t, map[string]string{"backup": "daily", "helm.sh/resource-policy": "keep"}, kept.Annotations)
	assert.Subset(t, kept.Labels, map[string]string{"tier": "a", "app.kubernetes.io/instance": "ai-agent"})
	assert.Equal(t, "1Gi", kept.Spec.Resources.Requests.Storage().String())
	extra["retain"] = false
	deleted := charttest.One[*corev1.PersistentVolumeClaim](t, charttest.Render(t, volume(claim("ReadWriteMany", extra))))
	assert.Equal(t, map[string]string{"backup": "daily"}, deleted.Annotations)

	assert.Contains(t, notesOf(t, volume(claim("ReadWriteMany", nil))), "  ai-agent-data\n")
	assert.Contains(t, notesOf(t, perPod), "  data-ai-agent-*\n")
	assert.NotContains(t, notesOf(t, volume(claim("ReadWriteMany", extra))), "An uninstall keeps")
	assert.NotContains(t, notesOf(t, nil), "An uninstall keeps")
}

// The pods of the server, of workers and of schedules mount a claim, unless they set it to
// null. An existing one is not created.
func TestClaimsAreMounted(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, volume(claim("ReadWriteMany", chart.Map{"subPath": "a", "readOnly": true})).And(aSchedule).And(chart.Values{
		"persistence.shared": chart.Map{"mountPath": "/shared", "existingClaim": "mine"}, "validation.skip": chart.List{"claim-access-unknown"},
		"workers":     chart.Map{"queue": chart.Map{}, "beat": chart.Map{"persistence": chart.Map{"data": nil}}},
		"schedules.b": chart.Map{"schedule": "@daily", "task": "b", "persistence": chart.Map{"data": nil}},
	}))
	assert.Equal(t, "ai-agent-data", charttest.One[*corev1.PersistentVolumeClaim](t, objects).Name)
	pods := map[string]corev1.PodSpec{}
	for name, deployment := range byName(chart.All[*appsv1.Deployment](objects)) {
		pods[name] = deployment.Spec.Template.Spec
	}
	for name, cronJob := range byName(chart.All[*batchv1.CronJob](objects)) {
		pods[name] = cronJob.Spec.JobTemplate.Spec.Template.Spec
	}
	mount := corev1.VolumeMount{Name: "data", MountPath: "/data", SubPath: "a", ReadOnly: true}
	claims := func(pod corev1.PodSpec) []string {
		var names []string
		for _, volume := range pod.Volumes {
			if volume.PersistentVolumeClaim != nil {
				names = append(names, volume.PersistentVolumeClaim.ClaimName)
			}
		}
		return names
	}
	for _, name := range []string{"ai-agent", "ai-agent-queue", "ai-agent-a"} {
		assert.Equal(t, []string{"ai-agent-data", "mine"}, claims(pods[name]), name)
		assert.Contains(t, pods[name].Containers[0].VolumeMounts, mount, name)
	}
	for _, name := range []string{"ai-agent-beat", "ai-agent-b"} {
		assert.Equal(t, []string{"mine"}, claims(pods[name]), name)
		assert.NotContains(t, pods[name].Containers[0].VolumeMounts, mount, name)
	}
}

// A worker's claim is its own, and has its name.
func TestClaimOfAWorker(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, singleton.And(volume(claim("ReadWriteOnce", nil))).And(worker("queue", chart.Map{
		"singleton": true, "persistence": chart.Map{"data": claim("ReadWriteOnce", chart.Map{"mountPath": "/queue"})},
	})))
	claims := byName(chart.All[*corev1.PersistentVolumeClaim](objects))
	require.Len(t, claims, 2)
	assert.Equal(t, "queue", claims["ai-agent-queue-data"].Labels["app.kubernetes.io/component"])
	pod := byName(chart.All[*appsv1.Deployment](objects))["ai-agent-queue"].Spec.Template.Spec
	assert.Equal(t, "ai-agent-queue-data", pod.Volumes[1].PersistentVolumeClaim.ClaimName)
	assert.Equal(t, []string{"/queue"}, mountsOf(pod.Containers[0], "data"))
}

// perPod turns the Deployment into a StatefulSet with the same pod. What names the
// Deployment names the StatefulSet.
func TestPerPodIsAStatefulSet(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, perPod.And(aSchedule).With("commonLabels", chart.Map{"team": "a"}))
	assert.Empty(t, chart.All[*appsv1.Deployment](objects))
	assert.Empty(t, chart.All[*corev1.PersistentVolumeClaim](objects))
	set := charttest.One[*appsv1.StatefulSet](t, objects)
	assert.Nil(t, set.Spec.Replicas, "the autoscaler owns it")
	assert.Equal(t, appsv1.ParallelPodManagement, set.Spec.PodManagementPolicy)
	assert.Equal(t, appsv1.RollingUpdateStatefulSetStrategyType, set.Spec.UpdateStrategy.Type)
	assert.Nil(t, set.Spec.PersistentVolumeClaimRetentionPolicy, "Kubernetes keeps the claims")
	require.Len(t, set.Spec.VolumeClaimTemplates, 1)
	template := set.Spec.VolumeClaimTemplates[0]
	assert.Equal(t, "data", template.Name)
	assert.Equal(t, set.Spec.Selector.MatchLabels, template.Labels, "a change of any other label would fail the upgrade")
	assert.Equal(t, corev1.PersistentVolumeFilesystem, *template.Spec.VolumeMode, "as Kubernetes adds it")

	plain := deploymentOf(t, chart.Values{"commonLabels": chart.Map{"team": "a"}}).Spec
	assert.Equal(t, plain.Selector, set.Spec.Selector)
	assert.Equal(t, plain.Template.Labels, set.Spec.Template.Labels)
	assert.Equal(t, plain.Template.Spec.Volumes, set.Spec.Template.Spec.Volumes)
	assert.Equal(t, plain.Template.Spec.TerminationGracePeriodSeconds, set.Spec.Template.Spec.TerminationGracePeriodSeconds)
	assert.Equal(t, []string{"/data"}, mountsOf(set.Spec.Template.Spec.Containers[0], "data"))
	assert.Equal(t, []string{"controller-revision-hash"}, set.Spec.Template.Spec.TopologySpreadConstraints[0].MatchLabelKeys)

	assert.Equal(t, "StatefulSet", charttest.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects).Spec.ScaleTargetRef.Kind)
	assert.Equal(t, set.Spec.Selector, charttest.One[*policyv1.PodDisruptionBudget](t, objects).Spec.Selector)
	job := charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template.Spec
	assert.Equal(t, template.Spec, job.Volumes[1].Ephemeral.VolumeClaimTemplate.Spec, "each pod of a schedule has its own, too")

	objects = charttest.Render(t, volume(claim("ReadWriteOnce", chart.Map{"perPod": true, "retain": false})))
	retention := charttest.One[*appsv1.StatefulSet](t, objects).Spec.PersistentVolumeClaimRetentionPolicy
	assert.Equal(t, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, retention.WhenDeleted)
	assert.Equal(t, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, retention.WhenScaled)
}

// Only the worker that asks for claims of its pods is a StatefulSet.
func TestStatefulWorker(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("queue", chart.Map{"persistence": chart.Map{"data": claim("ReadWriteOnce", chart.Map{"perPod": true})}}))
	assert.Equal(t, "ai-agent", charttest.One[*appsv1.Deployment](t, objects).Name)
	assert.Equal(t, "ai-agent-queue", charttest.One[*appsv1.StatefulSet](t, objects).Name)
}

// A rollout of a StatefulSet waits for the runs of one pod after the other.
func TestNotesTellOfStatefulSets(t *testing.T) {
	t.Parallel()
	notes := notesOf(t, perPod.And(fixedCount))
	assert.Contains(t, notes, "one pod after the other")
	assert.Contains(t, notes, "--timeout 21m", "3 × (65 + 10 + 330) s + 60 s")
}

// The alerts and the dashboard are about the pods of the StatefulSet.
func TestAlertsOfAStatefulSet(t *testing.T) {
	t.Parallel()
	manifest, err := charttest.Template(t, chart.Options{Set: perPod.And(chart.Values{"prometheusRule.enabled": true, "podMonitor.enabled": true, "grafanaDashboard.enabled": true})})
	require.NoError(t, err)
	assert.Contains(t, manifest, `kube_statefulset_replicas{namespace=\"default\", statefulset=\"ai-agent\"} > kube_statefulset_status_replicas_available{`)
	assert.Contains(t, manifest, `kube_statefulset_status_replicas_available{namespace=\"default\", statefulset=\"ai-agent\"} > 0 unless`)
	assert.Contains(t, manifest, `pod=~\"ai-agent-[0-9]+\"`)
	assert.Contains(t, manifest, `kube_statefulset_replicas{namespace=\"default\", statefulset=\"ai-agent\"}", "legendFormat": "desired"`)
	assert.NotContains(t, manifest, "kube_deployment")
}

// A StatefulSet, a claim and files pass every check: the schemas of Kubernetes, Pod
// Security "restricted", and the practices.
func TestVolumesPassEveryCheck(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	manifest, err := charttest.Template(t, chart.Options{Set: perPod.And(aSchedule).And(aFile("a: b")).And(chart.Values{
		"persistence.models": claim("ReadWriteMany", chart.Map{"mountPath": "/models"}), "writableDirs": chart.List{"/app"}, "sharedMemory.sizeLimit": "64Mi",
		"volumes":      chart.List{chart.Map{"name": "prompts", "image": chart.Map{"reference": "registry.example.com/team/prompts:1", "pullPolicy": "IfNotPresent"}}},
		"volumeMounts": chart.List{chart.Map{"name": "prompts", "mountPath": "/prompts", "readOnly": true}},
	})})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	findings, err := set.Run(t.Context(), check.Subject{Manifest: manifest, Objects: objects})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

// writableDirs are folders of the volume of /tmp, which then is a folder of it, too, so
// that neither contains the other. Its size is requested, whatever is mounted at /tmp.
func TestWritableDirsShareTheVolumeOfTmp(t *testing.T) {
	t.Parallel()
	dirs := chart.Values{"writableDirs": chart.List{"/app/data", "/app/cache/"}}
	agent := agentOf(t, dirs)
	assert.Equal(t, []corev1.VolumeMount{
		{Name: "tmp", MountPath: "/tmp", SubPath: "tmp"}, {Name: "tmp", MountPath: "/app/data", SubPath: "dirs/app/data"},
		{Name: "tmp", MountPath: "/app/cache/", SubPath: "dirs/app/cache"},
	}, agent.VolumeMounts)
	agent = agentOf(t, dirs.And(mountOf("/tmp")))
	assert.Equal(t, "1Gi", agent.Resources.Requests.StorageEphemeral().String())
	assert.NotContains(t, mountsOf(agent, "tmp"), "/tmp")
}

// home sets HOME, and the name of the user; config takes precedence.
func TestHome(t *testing.T) {
	t.Parallel()
	assert.Subset(t, configOf(t, chart.Values{"home": "/app"}).Data, map[string]string{"HOME": "/app", "USER": "agent"})
	assert.Subset(t, configOf(t, chart.Values{"home": "/app", "config.USER": "me"}).Data, map[string]string{"HOME": "/app", "USER": "me"})
	assert.NotContains(t, configOf(t, nil).Data, "HOME")
}

// A change of a file replaces all pods, and a change of nothing none.
func TestConfigFilesReplacePods(t *testing.T) {
	t.Parallel()
	annotations := func(values chart.Values) map[string]string {
		return deploymentOf(t, values).Spec.Template.Annotations
	}
	first := annotations(aFile("a: b"))
	assert.Equal(t, first, annotations(aFile("a: b")))
	assert.NotEqual(t, first["checksum/files"], annotations(aFile("a: c"))["checksum/files"])
	assert.NotContains(t, annotations(nil), "checksum/files")
	objects := charttest.Render(t, aFile("a: b").And(aSchedule).And(worker("queue", nil)))
	for _, deployment := range chart.All[*appsv1.Deployment](objects) {
		assert.Equal(t, []string{"/etc/agent/config.yaml"}, mountsOf(deployment.Spec.Template.Spec.Containers[0], "files"), deployment.Name)
	}
	job := charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template
	assert.Equal(t, first["checksum/files"], job.Annotations["checksum/files"])
	assert.Equal(t, []string{"/etc/agent/config.yaml"}, mountsOf(job.Spec.Containers[0], "files"))
}

// The content of a file can come from a file: --set-file.
func TestConfigFileFromAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("a: [b, c]\n\"d\": 1.10\n"), 0o600))
	out := helmTemplate(t, "--set", "configFiles.main.mountPath=/etc/a.yaml", "--set-file", "configFiles.main.content="+file, "--show-only", "templates/configmap-files.yaml")
	objects, err := chart.Decode(out)
	require.NoError(t, err)
	assert.Equal(t, "a: [b, c]\n\"d\": 1.10\n", charttest.One[*corev1.ConfigMap](t, objects).Data["main"])
}

// null removes a user or a group: OpenShift assigns them, and an image may have its own.
// With a group and a claim, the kubelet changes the group of files only where it differs.
func TestUserAndGroupCanBeRemoved(t *testing.T) {
	t.Parallel()
	out := helmTemplate(t, "--set", "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null")
	objects, err := chart.Decode(out)
	require.NoError(t, err)
	context := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.SecurityContext
	assert.Equal(t, &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}, context)

	assert.Nil(t, podSpecOf(t, nil).SecurityContext.FSGroupChangePolicy)
	data := volume(claim("ReadWriteMany", nil))
	assert.Equal(t, corev1.FSGroupChangeOnRootMismatch, *podSpecOf(t, data).SecurityContext.FSGroupChangePolicy)
	assert.Equal(t, corev1.FSGroupChangeAlways, *podSpecOf(t, data.With("podSecurityContext.fsGroupChangePolicy", "Always")).SecurityContext.FSGroupChangePolicy)
	assert.Nil(t, podSpecOf(t, data.With("podSecurityContext.fsGroup", nil)).SecurityContext.FSGroupChangePolicy)
}
