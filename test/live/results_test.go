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

// results are what a test has recorded so far, in a file of the folder RESULTS.
type results struct {
	file string
	seen bench.Result
	lock sync.Mutex
}

// newResults returns empty results for the file NAME.json.
func newResults(t *testing.T, name string) *results {
	t.Helper()
	version, err := liveCluster().Client().Discovery().ServerVersion()
	require.NoError(t, err)
	folder := cmp.Or(os.Getenv("RESULTS"), repo.Path(".cache", "bench", "smoke"))
	return &results{file: filepath.Join(folder, name+".json"), seen: bench.Result{
		Started: time.Now().UTC(), Commit: commit(t), Machine: machine(t), Kubernetes: version.GitVersion, Scenarios: []bench.Scenario{},
	}}
}

// row returns where the scenario of a plan belongs: scenarios end in any order. Until it
// has ended, it is one that could not be run.
func (r *results) row(p bench.Plan) int {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Scenarios = append(r.seen.Scenarios, p.NotRun())
	return len(r.seen.Scenarios) - 1
}

// add adds a scenario, and writes all so far, because the benchmark may be interrupted.
func (r *results) add(t *testing.T, row int, s bench.Scenario) {
	t.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Scenarios[row] = s
	r.write(t)
}

// grow adds the costs at one size.
func (r *results) grow(t *testing.T, grown ...bench.Growth) {
	t.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Growth = append(r.seen.Growth, grown...)
	r.write(t)
}

// reach adds connections.
func (r *results) reach(t *testing.T, connections []bench.Reach) {
	t.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	r.seen.Reach = append(r.seen.Reach, connections...)
	r.write(t)
}

// write writes the results to the file. The lock is held.
func (r *results) write(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(r.seen)
	require.NoError(t, err)
	require.NoError(t, bench.Validate(text))
	require.NoError(t, os.MkdirAll(filepath.Dir(r.file), 0o755))
	require.NoError(t, os.WriteFile(r.file+".new", text, 0o644))
	require.NoError(t, os.Rename(r.file+".new", r.file))
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
