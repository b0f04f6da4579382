package prober

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/cluster"
)

// Load is what `agent load` asks for: how many clients of each kind, at the same time.
type Load struct {
	URL, Host string // as of a Run
	MaxTokens int    // length of a run
	Clients   map[output.Kind]int
}

// Runs returns how many runs are in flight at most.
func (l Load) Runs() (runs int) {
	for kind, clients := range l.Clients {
		if kind.IsRun() {
			runs += clients
		}
	}
	return runs
}

func (l Load) args() []string {
	args := []string{"load", "--url", l.URL, "--host", l.Host, "--max-tokens", fmt.Sprint(l.MaxTokens), "--interval=500ms"}
	for kind, flag := range map[output.Kind]string{
		output.Stream: "streams", output.WebSocket: "websockets", output.GRPC: "grpc", output.Poll: "polls",
		output.Request: "requests", output.KeepAlive: "keep-alive",
	} {
		args = append(args, fmt.Sprintf("--%s=%d", flag, l.Clients[kind]))
	}
	return args
}

// Loading is a load that StartLoad has started: the pod of a Job.
type Loading struct {
	client  Client
	stopped *atomic.Bool
}

// StartLoad starts a load, once the agent answers steadily. Behind a proxy, it does not
// wait, so the first runs may be refused.
func StartLoad(t *testing.T, n *cluster.Namespace, load Load) Loading {
	t.Helper()
	const name = "load"
	asking := pod("", container(t, name, load.args()...))
	if load.Host == "" {
		asking.Spec.InitContainers = []corev1.Container{
			container(t, "settle", "check", "--url", load.URL, "--settle", settle.String(), "--steady", steady.String()),
		}
	}
	retries := int32(0)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
		Spec:       batchv1.JobSpec{BackoffLimit: &retries, Template: corev1.PodTemplateSpec{Spec: asking.Spec}},
	}
	job, err := n.Client().BatchV1().Jobs(n.Name).Create(t.Context(), job, metav1.CreateOptions{})
	require.NoError(t, err)
	started := Loading{Client{n, "", name}, new(atomic.Bool)}
	cluster.Eventually(t, "the pod of the load", time.Minute, func(ctx context.Context) error {
		pods, err := n.Client().CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name})
		if err == nil && len(pods.Items) == 0 {
			err = fmt.Errorf("no pod of Job %s", job.Name)
		}
		if err == nil {
			started.client.pod = pods.Items[0].Name
		}
		return err
	})
	return started
}

// Node returns the name of the node that the load runs on.
func (l Loading) Node(t *testing.T) string {
	t.Helper()
	pod, err := l.client.namespace.Client().CoreV1().Pods(l.client.namespace.Name).Get(t.Context(), l.client.pod, metav1.GetOptions{})
	require.NoError(t, err)
	return pod.Spec.NodeName
}

// Seen returns what the load's clients have seen so far.
func (l Loading) Seen(ctx context.Context) ([]output.Load, error) {
	n := l.client.namespace
	log, err := n.Client().CoreV1().Pods(n.Name).GetLogs(l.client.pod, &corev1.PodLogOptions{Container: l.client.container}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var seen []output.Load
	for line := range bytes.Lines(log) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // the rest of it is being written
		}
		if !bytes.HasPrefix(line, []byte("{")) {
			continue // from standard error: the summary
		}
		var event output.Load
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("not a line of agent load: %q: %w", line, err)
		}
		seen = append(seen, event)
	}
	return seen, nil
}

// InFlight holds if at least this number of runs has started and not ended.
func (l Loading) InFlight(least int) cluster.Condition {
	return func(ctx context.Context) error {
		state, err := l.client.state(ctx)
		if err != nil {
			return err
		}
		if state.Terminated != nil {
			return cluster.Permanent(fmt.Errorf("the load ended with exit code %d: %s", state.Terminated.ExitCode, state.Terminated.Message))
		}
		if state.Running == nil {
			return fmt.Errorf("the load has not started: %v", state.Waiting)
		}
		seen, err := l.Seen(ctx)
		if runs := output.InFlight(seen); err == nil && len(runs) < least {
			err = fmt.Errorf("%d runs in flight, expected %d", len(runs), least)
		}
		return err
	}
}

// Ask asks for a run in the load's pod, and returns how it ended. It does not fail the test.
func (l Loading) Ask(t *testing.T, run Run) (output.Run, error) {
	t.Helper()
	return AskFrom(t, l.client.namespace, l.client.pod, run)
}

// Stop makes the load finish the runs in flight and start no more. It can be called again.
func (l Loading) Stop(t *testing.T) {
	t.Helper()
	if l.stopped.Swap(true) {
		return // a second signal would end it at once
	}
	out, err := l.client.namespace.Exec(t, l.client.pod, "/agent", "stop")
	require.NoError(t, err)
	require.Zero(t, out.Code, out.Stderr)
}

// Await waits until the last run has ended, and returns all that the clients have seen.
func (l Loading) Await(t *testing.T, within time.Duration) []output.Load {
	t.Helper()
	cluster.Eventually(t, "the end of the last run", within, func(ctx context.Context) error {
		state, err := l.client.state(ctx)
		if err == nil && state.Terminated == nil {
			err = fmt.Errorf("pod %s has not ended", l.client.pod)
		}
		if err == nil && state.Terminated.ExitCode != 0 {
			err = cluster.Permanent(fmt.Errorf("the load ended with exit code %d: %s", state.Terminated.ExitCode, state.Terminated.Message))
		}
		return err
	})
	seen, err := l.Seen(t.Context())
	require.NoError(t, err)
	return seen
}
