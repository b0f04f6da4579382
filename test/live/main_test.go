// Package live proves the chart's promises in a real cluster: that of `make test`, or
// for a single test that of `make up`. Every promise has a control that removes the
// protection and must detect the damage.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/repo"
)

// connection is this run's; the functions in this file hand it out.
var connection *cluster.Cluster

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := repo.UseTools("helm", cluster.HelmCommand(), "kubectl", "kube-validate"); err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if connection, err = cluster.Connect(ctx); err != nil {
		return 0, err
	}
	leave := func() error { return connection.Close(context.WithoutCancel(ctx)) }
	unregister := context.AfterFunc(ctx, func() { // so that the next run need not wait to remove what is left
		fmt.Fprintln(os.Stderr, errors.Join(context.Cause(ctx), leave()))
		os.Exit(1)
	})
	code = m.Run()
	if unregister() {
		err = leave()
	}
	return code, err
}

// newNamespace returns a namespace for one test, with these servers in it.
func newNamespace(t *testing.T, servers ...string) *cluster.Namespace {
	t.Helper()
	return connection.Namespace(t, servers...)
}

// liveCluster is for tests of the cluster as a whole, and for those that use something
// that it has only once.
func liveCluster() *cluster.Cluster { return connection }

// workers returns the names of the nodes that agents may run on.
func workers(t *testing.T) []string {
	t.Helper()
	return observe.Workers(t, connection.Client())
}

// eachHelm runs a test with Helm 3 and with Helm 4, at the same time.
func eachHelm(t *testing.T, test func(t *testing.T, helm string)) {
	t.Helper()
	require.NoError(t, repo.UseTools("helm4"))
	for _, helm := range []string{"helm", "helm4"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			test(t, helm)
		})
	}
}

const serviceURL = "http://ai-agent-service"

// requireDone fails unless all runs are done and have this number of tokens each.
func requireDone(t *testing.T, runs []output.Run, tokens int) {
	t.Helper()
	for _, run := range runs {
		require.Equal(t, output.Done, run.Outcome, run.Error)
		require.Equal(t, tokens, run.Tokens)
	}
}

// check runs the command check of the sample agent in a pod.
func check(t *testing.T, n *cluster.Namespace, pod string, expectations ...string) (output.Checks, error) {
	t.Helper()
	var checks output.Checks
	ran, err := n.Exec(t, pod, append([]string{"/agent", "check", "--output=json"}, expectations...)...)
	if err != nil {
		return checks, err
	}
	if ran.Code != 0 && ran.Code != output.ExitCheckFailed {
		return checks, fmt.Errorf("agent check in %s ended with exit code %d: %s", pod, ran.Code, ran.Stderr)
	}
	return checks, json.Unmarshal([]byte(ran.Stdout), &checks)
}

// inAgent reports whether an expectation is met in a pod of the release ai-agent.
func inAgent(t *testing.T, n *cluster.Namespace, expectation string) bool {
	t.Helper()
	checks, err := check(t, n, "deployment/ai-agent", expectation)
	require.NoError(t, err)
	return checks.OK
}

// broken copies the chart and puts a defect into it: in a template, it replaces from
// with to.
func broken(t *testing.T, template, from, to string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "ai-agent")
	require.NoError(t, os.CopyFS(folder, os.DirFS(chart.Dir())))
	replaceIn(t, folder, template, from, to)
	return folder
}

// replaceIn replaces text that a template of a chart in a folder has.
func replaceIn(t *testing.T, folder, template, from, to string) {
	t.Helper()
	file := filepath.Join(folder, "templates", template)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
}
