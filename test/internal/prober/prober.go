// Package prober asks an agent for a run from inside the cluster, as a client
// of its Service would: by name, through kube-proxy, from a chosen node.
package prober

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ai-agent/test/internal/cluster"
)

// Image is the sample agent's, which is its own client.
const Image = "ai-agent:1.0.0"

// settle is how long an agent may take to let a new client in.
const settle = 20 * time.Second

// Ask sends a task to the agent at url from a pod on the node and returns the
// streamed answer. The error is the client's, that is, what it wrote before it
// failed.
func Ask(t *testing.T, n *cluster.Namespace, node, url, task string) (string, error) {
	t.Helper()
	pods := n.Client.CoreV1().Pods(n.Name)
	pod, err := pods.Create(t.Context(), askPod(node, url, task), metav1.CreateOptions{})
	require.NoError(t, err)
	name := pod.Name
	cluster.Eventually(t, "the prober's end", 2*time.Minute, func() error {
		pod, err = pods.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			return fmt.Errorf("pod %s is %s: %v", pod.Name, pod.Status.Phase, pod.Status.ContainerStatuses)
		}
		return nil
	})
	failed := pod.Status.Phase == corev1.PodFailed
	output, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{Container: lastRun(pod)}).DoRaw(t.Context())
	require.NoError(t, err)
	if failed {
		return "", errors.New(string(output))
	}
	return string(output), nil
}

// lastRun names the container that got furthest.
func lastRun(pod *corev1.Pod) string {
	if settled := pod.Status.InitContainerStatuses[0].State.Terminated; settled == nil || settled.ExitCode != 0 {
		return pod.Spec.InitContainers[0].Name
	}
	return pod.Spec.Containers[0].Name
}

func askPod(node, url, task string) *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "prober-"},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			RestartPolicy:                corev1.RestartPolicyNever,
			AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   &yes,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			// A new pod's address takes a moment to reach the agent's NetworkPolicy.
			InitContainers: []corev1.Container{container("settle", "check", "--url", url, "--settle", settle.String())},
			Containers:     []corev1.Container{container("prober", "ask", "--url", url, task)},
		},
	}
}

func container(name string, args ...string) corev1.Container {
	yes, no := true, false
	return corev1.Container{
		Name:  name,
		Image: Image,
		Args:  args,
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			"cpu": resource.MustParse("10m"), "memory": resource.MustParse("16Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			ReadOnlyRootFilesystem:   &yes,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}
