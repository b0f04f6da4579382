package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestPodIsRestrictedAndWritesOnlyToTmp(t *testing.T) {
	t.Parallel()
	pod := podSpecOf(t, nil)
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.EqualValues(t, 10001, *pod.SecurityContext.RunAsUser)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	agent := pod.Containers[0]
	assert.False(t, *agent.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, *agent.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []corev1.Capability{"ALL"}, agent.SecurityContext.Capabilities.Drop)
	assert.Equal(t, []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}}, agent.VolumeMounts)
	assert.Equal(t, "1Gi", pod.Volumes[0].EmptyDir.SizeLimit.String())
	assert.False(t, *pod.EnableServiceLinks)
}

func TestServiceAccountMountsNoToken(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, nil)
	account := charttest.One[*corev1.ServiceAccount](t, objects)
	assert.False(t, *account.AutomountServiceAccountToken)
	pod := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec
	assert.Equal(t, account.Name, pod.ServiceAccountName)
	assert.False(t, *pod.AutomountServiceAccountToken)
}

// A probe has one handler: one in the values replaces the default.
func TestOwnProbeHandlerReplacesTheDefault(t *testing.T) {
	t.Parallel()
	probe := agentOf(t, chart.Values{"livenessProbe": chart.Map{"exec": chart.Map{"command": chart.List{"/alive"}}}}).LivenessProbe
	assert.Nil(t, probe.HTTPGet)
	assert.NotNil(t, probe.Exec)
}

func TestOwnTmpVolumeReplacesTheDefault(t *testing.T) {
	t.Parallel()
	volumes := podSpecOf(t, chart.Values{"volumes": chart.List{chart.Map{"emptyDir": chart.Map{"medium": "Memory"}, "name": "tmp"}}}).Volumes
	require.Len(t, volumes, 1)
	assert.Equal(t, corev1.StorageMediumMemory, volumes[0].EmptyDir.Medium)
}

func TestOwnMountAtTmpReplacesTheDefault(t *testing.T) {
	t.Parallel()
	mounts := agentOf(t, chart.Values{
		"volumes":      chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "scratch"}},
		"volumeMounts": chart.List{chart.Map{"mountPath": "/tmp/", "name": "scratch"}},
	}).VolumeMounts
	assert.Equal(t, []corev1.VolumeMount{{Name: "scratch", MountPath: "/tmp/"}}, mounts)
}
