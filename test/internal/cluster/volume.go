package cluster

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LocalVolume provides the volume of a claim in this namespace: a folder of a node, which
// must be kind's, because nothing in the cluster provisions volumes. Pods can use it on
// that node only. Unlike a disk, it is never attached, so Kubernetes does not stop a
// second pod of a ReadWriteOnce claim; of a ReadWriteOncePod claim, it does. The volume is
// removed when the test ends.
func (n *Namespace) LocalVolume(t *testing.T, node, claim string, mode corev1.PersistentVolumeAccessMode) {
	t.Helper()
	volumes, name := n.Client().CoreV1().PersistentVolumes(), n.Name+"-"+claim
	folder := "/var/local/" + name
	docker(t.Context(), t, "exec", node, "mkdir", "-p", folder)
	_, err := volumes.Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{runLabel: n.cluster.run.id}},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode}, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			ClaimRef:                      &corev1.ObjectReference{Namespace: n.Name, Name: claim},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			StorageClassName:              "standard",
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		assert.NoError(t, ignoreNotFound(volumes.Delete(ctx, name, metav1.DeleteOptions{})))
		out, err := exec.CommandContext(ctx, "docker", "exec", node, "rm", "-r", folder).CombinedOutput()
		assert.NoError(t, err, string(out))
	})
}
