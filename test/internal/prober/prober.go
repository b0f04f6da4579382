// Package prober asks an agent for runs from inside the cluster, as a client of its
// Service does: by name, through kube-proxy, from a chosen node.
package prober

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/repo"
)

// A client's node learns of the endpoints of a new Service only after some time, and a
// NetworkPolicy that names pods must learn of the client: before it asks, the client must
// get answers for as long as steady. It then has reached each of two agents, but for one
// case in 2^49. It is also longer than a new agent's policy takes to take effect: until
// then anybody is answered.
const (
	settle = 2 * time.Minute
	steady = 10 * time.Second
)

// Run is one run to ask for.
type Run struct {
	Node      string // where the client runs; any if empty
	URL       string // of the agent, or of a proxy in front of it
	Host      string // that the proxy routes by; empty without one
	Task      string
	Times     int  // how often the client asks, in sequence; 0 means once
	MaxTokens int  // length of an answer; 0 means a few words
	Settled   bool // whether to ask at once, instead of waiting for steady answers
	Client    Program
}

// Program is a client that speaks another protocol than `agent ask`, and prints what that
// prints. Of a Run, it replaces what asks, and Settled has to be set where the URL does not
// answer HTTP.
type Program struct {
	Image   string // empty: `agent ask`
	Command []string
}

func (r Run) args() []string {
	args := []string{"ask", "--output", "json", "--url", r.URL, "--host", r.Host, "--max-tokens", strconv.Itoa(cmp.Or(r.MaxTokens, 15))}
	return append(args, slices.Repeat([]string{r.Task}, cmp.Or(r.Times, 1))...)
}

// Client is a client that Start has started: a container of a pod.
type Client struct {
	namespace      *cluster.Namespace
	pod, container string
}

// Start starts a client for each run. They share a pod on the first one's node: they
// start together, and the cluster has only one pod to start.
func Start(t *testing.T, n *cluster.Namespace, runs ...Run) []Client {
	t.Helper()
	var containers []corev1.Container
	for i, run := range runs {
		asking := container(t, fmt.Sprint("run-", i), run.args()...)
		if program := run.Client; program.Image != "" {
			asking.Image, asking.Command, asking.Args = program.Image, program.Command, nil
			// An interpreter uses all the CPU that it gets when it starts, and leaves the next
			// container of the pod too little: see container.
			asking.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("200m")
		}
		containers = append(containers, asking)
	}
	asking := pod(runs[0].Node, containers...)
	if !runs[0].Settled {
		asking.Spec.InitContainers = []corev1.Container{
			container(t, "settle", "check", "--url", runs[0].URL, "--settle", settle.String(), "--steady", steady.String()),
		}
	}
	started, err := n.Client().CoreV1().Pods(n.Name).Create(t.Context(), asking, metav1.CreateOptions{})
	require.NoError(t, err)
	var clients []Client
	for _, c := range containers {
		clients = append(clients, Client{n, started.Name, c.Name})
	}
	return clients
}

// Await waits until a client has ended, and returns its runs. The last one tells how it
// ended; the exit code must tell the same.
func (c Client) Await(t *testing.T) []output.Run {
	t.Helper()
	var end corev1.ContainerStateTerminated
	cluster.Eventually(t, "the client's end", 8*time.Minute, func(ctx context.Context) error {
		state, err := c.state(ctx)
		if err != nil {
			return err
		}
		if state.Terminated == nil {
			return fmt.Errorf("%s of pod %s has not ended", c.container, c.pod)
		}
		end = *state.Terminated
		return nil
	})
	runs, err := c.runs(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, runs, "%s of pod %s ended with exit code %d and no run: %s %s", c.container, c.pod, end.ExitCode, end.Reason, end.Message)
	last := runs[len(runs)-1]
	require.EqualValues(t, last.Outcome.ExitCode(), end.ExitCode, "the exit code after the outcome %q: %s", last.Outcome, last.Error)
	return runs
}

// AwaitTokens waits until the client's run streams.
func (c Client) AwaitTokens(t *testing.T) {
	t.Helper()
	cluster.Eventually(t, "the first tokens of a run", 4*time.Minute, func(ctx context.Context) error {
		state, err := c.state(ctx)
		if err != nil {
			return err
		}
		if state.Waiting != nil {
			return fmt.Errorf("%s of pod %s has not started: %s", c.container, c.pod, state.Waiting.Reason)
		}
		runs, err := c.runs(ctx)
		if err != nil {
			return err
		}
		if state.Terminated != nil {
			return cluster.Permanent(fmt.Errorf("%s of pod %s ended before its run was seen to stream: %+v", c.container, c.pod, runs))
		}
		if len(runs) == 0 || runs[0].Tokens < 10 {
			return fmt.Errorf("%s of pod %s has received %+v", c.container, c.pod, runs)
		}
		return nil
	})
}

// Asking fails if the client has ended.
func (c Client) Asking(ctx context.Context) error {
	state, err := c.state(ctx)
	if err == nil && state.Terminated != nil {
		err = fmt.Errorf("%s of pod %s has ended", c.container, c.pod)
	}
	return err
}

// Ask starts a client for a run, and waits until it has ended.
func Ask(t *testing.T, n *cluster.Namespace, run Run) []output.Run {
	t.Helper()
	return Start(t, n, run)[0].Await(t)
}

// AskFrom asks for a run in a pod that Listen has started, and returns how it ended. It
// does not fail the test.
func AskFrom(t *testing.T, n *cluster.Namespace, pod string, run Run) (output.Run, error) {
	t.Helper()
	asked, err := n.Exec(t, pod, append([]string{"/agent"}, run.args()...)...)
	if err != nil {
		return output.Run{}, err
	}
	runs, err := output.ReadRuns([]byte(asked.Stdout))
	if err == nil && len(runs) == 0 {
		err = errors.New(asked.Stderr)
	}
	if err != nil {
		return output.Run{}, err
	}
	return runs[len(runs)-1], nil
}

// state returns the state of the client's container. While the agent does not answer
// the client's pod steadily, no client starts.
func (c Client) state(ctx context.Context) (corev1.ContainerState, error) {
	pod, err := c.namespace.Client().CoreV1().Pods(c.namespace.Name).Get(ctx, c.pod, metav1.GetOptions{})
	if err != nil {
		return corev1.ContainerState{}, err
	}
	if len(pod.Status.ContainerStatuses) == 0 && pod.Status.Phase == corev1.PodFailed { // refused by its node
		return corev1.ContainerState{}, cluster.Permanent(fault(pod))
	}
	for _, status := range pod.Status.InitContainerStatuses {
		if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
			return corev1.ContainerState{}, cluster.Permanent(fmt.Errorf("pod %s did not get steady answers: %s ended with exit code %d", c.pod, status.Name, ended.ExitCode))
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == c.container {
			return status.State, nil
		}
	}
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: string(pod.Status.Phase)}}, nil
}

func (c Client) runs(ctx context.Context) ([]output.Run, error) {
	log, err := c.namespace.Client().CoreV1().Pods(c.namespace.Name).GetLogs(c.pod, &corev1.PodLogOptions{Container: c.container}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	return output.ReadRuns(log)
}

// Listen starts a pod with labels that answers on a port, and in which commands of the
// sample agent can be run, and waits until it runs. It is that of a Deployment, which
// replaces a pod that its node refuses or cannot start.
func Listen(t *testing.T, n *cluster.Namespace, port int, labels map[string]string) *corev1.Pod {
	t.Helper()
	name := "listener-" + rand.String(5)
	own := map[string]string{"listener": name}
	template := corev1.PodTemplateSpec{Spec: pod("", container(t, "listener", "llm", fmt.Sprint("--addr=:", port))).Spec}
	template.Labels = maps.Clone(own)
	maps.Copy(template.Labels, labels)
	template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	deployment := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: own}, Template: template}}
	deployment.Name = name
	_, err := n.Client().AppsV1().Deployments(n.Name).Create(t.Context(), deployment, metav1.CreateOptions{})
	require.NoError(t, err)
	var running *corev1.Pod
	cluster.Eventually(t, "a listener", 2*time.Minute, func(ctx context.Context) error {
		pods, err := n.Client().CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{LabelSelector: "listener=" + name})
		if err != nil {
			return err
		}
		err = fmt.Errorf("%s has no pod", name)
		for i := range pods.Items {
			if running = &pods.Items[i]; running.Status.Phase == corev1.PodRunning {
				return nil
			}
			err = fault(running)
		}
		return err
	})
	return running
}

// fault says why a pod does not run, as far as its status tells.
func fault(pod *corev1.Pod) error {
	why := fmt.Sprintf("pod %s on node %q is %s: %s %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase, pod.Status.Reason, pod.Status.Message)
	for _, status := range pod.Status.ContainerStatuses {
		switch state := status.State; {
		case state.Waiting != nil:
			why += fmt.Sprintf("; %s waits: %s %s", status.Name, state.Waiting.Reason, state.Waiting.Message)
		case state.Terminated != nil:
			why += fmt.Sprintf("; %s ended with exit code %d: %s %s", status.Name, state.Terminated.ExitCode, state.Terminated.Reason, state.Terminated.Message)
		}
	}
	return errors.New(why)
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
	t.Helper()
	image, err := repo.AgentImage()
	require.NoError(t, err)
	yes, no := true, false
	return corev1.Container{
		Name:  name,
		Image: image,
		Args:  args,
		// With cgroup v1, runc freezes a container to start it, and gives up ("unable to freeze",
		// exit code 128) if the container gets hardly any CPU meanwhile.
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			"cpu": resource.MustParse("50m"), "memory": resource.MustParse("16Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			ReadOnlyRootFilesystem:   &yes,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}
