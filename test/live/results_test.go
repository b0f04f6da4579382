package live

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/repo"
)

// results are what a test has measured so far.
type results struct {
	lock sync.Mutex
	seen bench.Result
}

// newResults returns empty results. They are written when the test ends, even if it fails:
// to the file RESULTS, or to one in .cache/bench.
func newResults(t *testing.T, otherwise string) *results {
	t.Helper()
	version, err := liveCluster().Client().Discovery().ServerVersion()
	require.NoError(t, err)
	r := &results{seen: bench.Result{Started: time.Now().UTC(), Commit: commit(t), Machine: machine(t), Kubernetes: version.GitVersion}}
	t.Cleanup(func() { r.write(t, cmp.Or(os.Getenv("RESULTS"), repo.Path(".cache", "bench", otherwise))) })
	return r
}

func (r *results) add(s bench.Scenario) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Scenarios = append(r.seen.Scenarios, s)
}

func (r *results) grow(grown ...bench.Growth) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Growth = append(r.seen.Growth, grown...)
}

// write writes the results to a file.
func (r *results) write(t *testing.T, file string) {
	text, err := json.Marshal(r.seen)
	require.NoError(t, err)
	require.NoError(t, bench.Validate(text))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, text, 0o644))
	t.Logf("the results are in %s", file)
}

// commit returns what git has checked out.
func commit(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", repo.Path(), "describe", "--always", "--dirty", "--exclude=*").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func machine(t *testing.T) bench.Machine {
	t.Helper()
	nodes, err := liveCluster().Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return bench.Machine{CPUs: runtime.NumCPU(), Memory: nodes.Items[0].Status.Capacity.Memory().Value(), OS: nodes.Items[0].Status.NodeInfo.OSImage}
}
