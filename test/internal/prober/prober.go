// Package prober asks an agent for a run from inside the cluster, as a client
// of its Service would: by name, through kube-proxy, from a chosen node.
package prober

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// Image returns the sample agent's, which is its own client: what the chart runs
// when no value is set.
func Image(t *testing.T) string {
	t.Helper()
	metadata, err := chart.Own(t).Metadata()
	require.NoError(t, err)
	return metadata.Name + ":" + metadata.AppVersion
}

// A new client is known to an agent's NetworkPolicy once each node of the agents
// has learned of it. Each of two agents is asked in steady, but for one chance in
// 2^24.
const (
	settle = 30 * time.Second
	steady = 5 * time.Second
)

// client names the container that asks.
const client = "prober"

// Run is one run to ask for.
type Run struct {
	Node      string // where the client runs; any if empty
	URL       string // of the agent, or of a proxy in front of it
	Host      string // that the proxy knows the agent by; empty without one
	Task      string
	MaxTokens int // length of the answer; 0 leaves it to the agent
}

// Start starts the client of a run and returns the name of its pod.
func Start(t *testing.T, n *cluster.Namespace, run Run) string {
	t.Helper()
	pod, err := n.Client.CoreV1().Pods(n.Name).Create(t.Context(), run.pod(t), metav1.CreateOptions{})
	require.NoError(t, err)
	return pod.Name
}

// Await waits for a client that Start started and returns the streamed answer.
// The error is the client's, that is, what it wrote before it failed.
func Await(t *testing.T, n *cluster.Namespace, name string) (string, error) {
	t.Helper()
	pods := n.Client.CoreV1().Pods(n.Name)
	var pod *corev1.Pod
	cluster.Eventually(t, "the prober's end", 8*time.Minute, func() (err error) {
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
	return strings.Join(strings.Fields(string(output)), " "), nil
}

// AwaitWords waits until a client that Start started has streamed some words of
// its answer, and is still at it.
func AwaitWords(t *testing.T, n *cluster.Namespace, name string) {
	t.Helper()
	cluster.Eventually(t, "the first words of a run", 4*time.Minute, func() error {
		pod, err := n.Client.CoreV1().Pods(n.Name).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.Status.Phase == corev1.PodPending {
			return fmt.Errorf("client %s has not started", name)
		}
		output, err := n.Client.CoreV1().Pods(n.Name).GetLogs(name, &corev1.PodLogOptions{Container: client}).DoRaw(t.Context())
		if err == nil && len(bytes.Fields(output)) < 10 {
			err = fmt.Errorf("client %s is %s and has got: %s", name, pod.Status.Phase, output)
		}
		require.NotEqual(t, corev1.PodSucceeded, pod.Status.Phase, "the run was over before it was looked at")
		return err
	})
}

// Ask starts a run and awaits it.
func Ask(t *testing.T, n *cluster.Namespace, run Run) (string, error) {
	t.Helper()
	return Await(t, n, Start(t, n, run))
}

// lastRun names the container that got furthest.
func lastRun(pod *corev1.Pod) string {
	for _, status := range pod.Status.InitContainerStatuses {
		if settled := status.State.Terminated; settled == nil || settled.ExitCode != 0 {
			return status.Name
		}
	}
	return pod.Spec.Containers[0].Name
}

// Listen starts a pod that answers on a port and from which a test can ask, and
// waits until it runs.
func Listen(t *testing.T, n *cluster.Namespace, port int) *corev1.Pod {
	t.Helper()
	pods := n.Client.CoreV1().Pods(n.Name)
	pod, err := pods.Create(t.Context(), pod("", container(t, "listener", "llm", fmt.Sprint("--addr=:", port))), metav1.CreateOptions{})
	require.NoError(t, err)
	cluster.Eventually(t, "a listener", time.Minute, func() error {
		pod, err = pods.Get(t.Context(), pod.Name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("pod %s is %s", pod.Name, pod.Status.Phase)
		}
		return err
	})
	return pod
}

func (r Run) pod(t *testing.T) *corev1.Pod {
	asking := pod(r.Node, container(t, client, "ask", "--lines", "--url", r.URL, "--host", r.Host, "--max-tokens", strconv.Itoa(r.MaxTokens), r.Task))
	if r.Host == "" { // a new pod's address takes a moment to reach the agent's NetworkPolicy; a proxy's is known
		asking.Spec.InitContainers = []corev1.Container{container(t, "settle", "check", "--url", r.URL, "--settle", settle.String(), "--steady", steady.String())}
	}
	return asking
}

// pod is a restricted pod of one container that runs once.
func pod(node string, only corev1.Container) *corev1.Pod {
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
			Containers: []corev1.Container{only},
		},
	}
}

func container(t *testing.T, name string, args ...string) corev1.Container {
	yes, no := true, false
	return corev1.Container{
		Name:  name,
		Image: Image(t),
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
