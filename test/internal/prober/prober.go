// Package prober asks an agent for a run from inside the cluster, as a client
// of its Service would: by name, through kube-proxy, from a chosen node.
package prober

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
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
// 2^49; and it is longer than a new agent's own policy takes to hold, before which
// anybody is answered.
const (
	settle = 2 * time.Minute
	steady = 10 * time.Second
)

// Run is one run to ask for.
type Run struct {
	Node      string // where the client runs; any if empty
	URL       string // of the agent, or of a proxy in front of it
	Host      string // that the proxy knows the agent by; empty without one
	Task      string
	Times     int  // how often the client asks, one run after the other; 0 is once
	MaxTokens int  // length of an answer; 0 is a few words
	Settled   bool // the policies on the way there know the client: a proxy's do
}

// Client is a client that Start started: a container of a pod.
type Client struct{ pod, container string }

// Start starts a client for each run. They share a pod, on the first one's node:
// they begin together, and the cluster has one pod to bring up.
func Start(t *testing.T, n *cluster.Namespace, runs ...Run) []Client {
	t.Helper()
	var containers []corev1.Container
	for i, run := range runs {
		args := []string{"ask", "--lines", "--url", run.URL, "--host", run.Host, "--max-tokens", strconv.Itoa(cmp.Or(run.MaxTokens, 15))}
		args = append(args, slices.Repeat([]string{run.Task}, cmp.Or(run.Times, 1))...)
		containers = append(containers, container(t, fmt.Sprint("run-", i), args...))
	}
	asking := pod(runs[0].Node, containers...)
	if !runs[0].Settled { // a new pod's address takes a moment to reach the agent's NetworkPolicy
		asking.Spec.InitContainers = []corev1.Container{
			container(t, "settle", "check", "--url", runs[0].URL, "--settle", settle.String(), "--steady", steady.String()),
		}
	}
	started, err := n.Client.CoreV1().Pods(n.Name).Create(t.Context(), asking, metav1.CreateOptions{})
	require.NoError(t, err)
	var clients []Client
	for _, c := range containers {
		clients = append(clients, Client{started.Name, c.Name})
	}
	return clients
}

// Await waits for a client that Start started and returns what was streamed.
// The error is the client's, that is, what it wrote before it failed.
func Await(t *testing.T, n *cluster.Namespace, client Client) (string, error) {
	t.Helper()
	failed := false
	cluster.Eventually(t, "the client's end", 8*time.Minute, func() error {
		ended := client.look(t, n).Terminated
		if ended == nil {
			return fmt.Errorf("%s of pod %s has not ended", client.container, client.pod)
		}
		failed = ended.ExitCode != 0
		return nil
	})
	output, err := client.output(t, n)
	require.NoError(t, err)
	if failed {
		return "", errors.New(string(output))
	}
	return strings.Join(strings.Fields(string(output)), " "), nil
}

// AwaitWords waits until a client that Start started has streamed some words of
// its answer, and is still at it.
func AwaitWords(t *testing.T, n *cluster.Namespace, client Client) {
	t.Helper()
	cluster.Eventually(t, "the first words of a run", 4*time.Minute, func() error {
		state := client.look(t, n)
		if state.Waiting != nil {
			return fmt.Errorf("%s of pod %s has not started: %s", client.container, client.pod, state.Waiting.Reason)
		}
		output, err := client.output(t, n)
		require.Nil(t, state.Terminated, "the run was over before it was looked at: %s", output)
		if err == nil && len(bytes.Fields(output)) < 10 {
			err = fmt.Errorf("%s of pod %s has got: %s", client.container, client.pod, output)
		}
		return err
	})
}

// Ask starts a run and awaits it.
func Ask(t *testing.T, n *cluster.Namespace, run Run) (string, error) {
	t.Helper()
	return Await(t, n, Start(t, n, run)[0])
}

// look returns the state of the client. The agent never having settled fails the
// test: then no client started.
func (c Client) look(t *testing.T, n *cluster.Namespace) corev1.ContainerState {
	t.Helper()
	pod, err := n.Client.CoreV1().Pods(n.Name).Get(t.Context(), c.pod, metav1.GetOptions{})
	require.NoError(t, err)
	for _, status := range pod.Status.InitContainerStatuses {
		if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
			output, err := Client{c.pod, status.Name}.output(t, n)
			t.Fatalf("the agent did not answer the client's %s: %s (%v)", status.Name, output, err)
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == c.container {
			return status.State
		}
	}
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: string(pod.Status.Phase)}}
}

func (c Client) output(t *testing.T, n *cluster.Namespace) ([]byte, error) {
	return n.Client.CoreV1().Pods(n.Name).GetLogs(c.pod, &corev1.PodLogOptions{Container: c.container}).DoRaw(t.Context())
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

// pod is a restricted pod whose containers run once.
func pod(node string, containers ...corev1.Container) *corev1.Pod {
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
			Containers: containers,
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
