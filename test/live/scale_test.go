package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/scale"
)

const (
	perNamespace = 50 // releases
	samples      = 5  // releases that are measured at each size
	podsEach     = 3  // of a release in a rollout
)

// Costs of one more release. Those of the API cover an install, an upgrade that replaces
// the pods, and an uninstall.
const (
	installTime   = "install (s)" // until helm returns
	readyTime     = "all pods Ready (s)"
	upgradeTime   = "upgrade (s)"
	uninstallTime = "uninstall (s)"
	helmRequests  = "API requests by Helm"
	helmTraffic   = "API traffic of Helm (KiB)"
	apiWrites     = "API writes by all clients"
	objects       = "objects"
	storedSize    = "size in etcd, without Helm's Secret (KiB)"
	recordSize    = "Helm's Secret, per revision (KiB)"
	diskSize      = "etcd file with history (KiB)"
	idleRequests  = "API requests per minute when idle"
	hpaTime       = "HPA sync (ms)"
	hpaSyncs      = "syncs of its HPA per minute"
)

const (
	enough = 10 // releases: the smallest number at which costs are compared
	// many is the smallest number of releases at which a cost of the whole cluster, divided
	// by that number, says more about a release than about the cluster.
	many = 100
)

// What one more release costs the API server and etcd does not depend on how many there
// are, from ten on. Control: with a template that lists the namespace's Secrets, it does.
func TestScale(t *testing.T) {
	if os.Getenv("BENCH") != "scale" {
		t.Skip("`make scale` runs it")
	}
	t.Parallel()
	sizes := sizesFromEnv(t)
	results := newResults(t, "scale")
	items, err := scale.Items(charttest.Own(t), []int{1, 10, 100, 1000})
	require.NoError(t, err)
	results.grow(t, items...)

	liveCluster().Exclusive(t)
	f := newFleet(t, slices.Max(sizes))
	listing := broken(t, "deployment.yaml", "{{-", `{{- $_ := lookup "v1" "Secret" .Release.Namespace "" }}{{-`)
	var own, control []bench.Growth
	for _, size := range sizes {
		f.grow(t, size)
		own = append(own, f.measure(t))
		results.grow(t, own[len(own)-1])
		control = append(control, bench.Growth{Of: "releases", Size: size, Costs: f.sample(t, "control", listing)})
		t.Log(own[len(own)-1], "control:", control[len(control)-1].Costs[helmTraffic])
	}
	assert.Empty(t, scale.Bends(own, enough, 0.2, helmRequests, helmTraffic, apiWrites, objects, storedSize, recordSize))
	assert.NotEmpty(t, scale.Bends(control, enough, 0.2, helmTraffic), "control: %v", control)
}

// sizesFromEnv returns the numbers of releases in the environment variable RELEASES.
func sizesFromEnv(t *testing.T) (sizes []int) {
	t.Helper()
	text := os.Getenv("RELEASES")
	compared := 0
	for part := range strings.SplitSeq(text, ",") {
		size, err := strconv.Atoi(part)
		require.NoError(t, err, "RELEASES=%s: write whole numbers, separated by commas", text)
		require.True(t, size > 0 && (len(sizes) == 0 || size >= 2*sizes[len(sizes)-1]), "RELEASES=%s: each number must be at least twice the previous one", text)
		sizes = append(sizes, size)
		if size >= enough {
			compared++
		}
	}
	require.GreaterOrEqual(t, compared, 2, "RELEASES=%s: two numbers must be at least %d, because their costs are compared", text, enough)
	return sizes
}

// fleet is a growing number of releases on fake nodes.
type fleet struct {
	helm       *scale.Helm
	values     chart.Values
	namespaces []*cluster.Namespace // all but the last one are full
	size       int
	idle       scale.Server // what the API server gets per minute without releases
	disk       float64      // etcd's file without releases
}

// newFleet adds nodes for a number of releases.
func newFleet(t *testing.T, largest int) *fleet {
	t.Helper()
	live := liveCluster()
	// DaemonSets that tolerate every taint have pods on these nodes, too.
	onFakeNodes := live.FakeNodes(t, (largest+2)*podsEach/(cluster.FakePods-10)+1)
	f := &fleet{helm: scale.NewHelm(live.Context(), t.TempDir())}
	t.Cleanup(func() { // before the nodes are removed, so that kwok ends the pods
		cluster.Eventually(t, "the end of all pods on fake nodes", 15*time.Minute, f.gone)
	})
	f.values = onFakeNodes.With("podAnnotations", chart.Map{
		// As much as the autoscaler aims at with the default requests, so that it changes nothing.
		"kwok.x-k8s.io/usage-cpu": "350m", "kwok.x-k8s.io/usage-memory": "410Mi",
	})
	before, _ := f.watchIdle(t)
	f.idle, f.disk = before, readServer(t).Disk
	return f
}

func readServer(t *testing.T) scale.Server {
	t.Helper()
	read, err := scale.ReadServer(t.Context(), liveCluster().Client())
	require.NoError(t, err)
	return read
}

// watchIdle returns what the control plane does in a minute in which nothing changes.
func (f *fleet) watchIdle(t *testing.T) (scale.Server, scale.Autoscaler) {
	t.Helper()
	live := liveCluster()
	autoscaler := func() scale.Autoscaler {
		return scale.ReadAutoscaler(t, live.Client(), live.Config(), live.Existing("kube-system").Options())
	}
	start, server, hpa := time.Now(), readServer(t), autoscaler()
	time.Sleep(time.Minute)
	later, after := readServer(t), autoscaler()
	minutes := time.Since(start).Minutes()
	return scale.Server{Requests: (later.Requests - server.Requests) / minutes}, scale.Autoscaler{
		Syncs: (after.Syncs - hpa.Syncs) / minutes, Failed: (after.Failed - hpa.Failed) / minutes, Seconds: (after.Seconds - hpa.Seconds) / minutes,
	}
}

// grow installs releases until there are size of them. After each namespace it waits until
// all pods are Ready, so that the control plane keeps up.
func (f *fleet) grow(t *testing.T, size int) {
	t.Helper()
	for f.size < size {
		if f.size%perNamespace == 0 {
			f.namespaces = append(f.namespaces, newNamespace(t))
		}
		n := f.namespaces[len(f.namespaces)-1]
		var installs errgroup.Group
		installs.SetLimit(4)
		for end := min(size, len(f.namespaces)*perNamespace); f.size < end; f.size++ {
			release := fmt.Sprintf("agent-%d", f.size)
			installs.Go(func() error { return f.helm.Install(n.Name, release, chart.Dir(), n.Values(f.values)) })
		}
		require.NoError(t, installs.Wait())
		cluster.Eventually(t, "Ready pods of all releases in "+n.Name, 10*time.Minute, settled(n, ""))
		t.Logf("%d of %d releases", f.size, size)
	}
}

// measure returns what one more release costs now.
func (f *fleet) measure(t *testing.T) bench.Growth {
	t.Helper()
	var measured []map[string]float64
	for i := range samples {
		measured = append(measured, f.sample(t, fmt.Sprintf("sample-%d", i), chart.Dir()))
	}
	costs := map[string]float64{}
	for name := range measured[0] {
		var all []float64
		for _, m := range measured {
			all = append(all, m[name])
		}
		slices.Sort(all)
		costs[name] = all[samples/2]
	}
	server, hpa := f.watchIdle(t)
	t.Logf("HPA syncs in a minute with %d releases: %.0f, of which failed: %.0f", f.size, hpa.Syncs+hpa.Failed, hpa.Failed)
	if releases := float64(f.size); f.size >= many {
		if hpa.Syncs > 0 {
			costs[hpaTime] = 1000 * hpa.Seconds / hpa.Syncs
		}
		costs[hpaSyncs] = (hpa.Syncs + hpa.Failed) / releases
		costs[idleRequests] = (server.Requests - f.idle.Requests) / releases
		costs[diskSize] = (readServer(t).Disk - f.disk) / 1024 / releases
	}
	return bench.Growth{Of: "releases", Size: f.size, Costs: costs}
}

// sample installs, upgrades and uninstalls one more release of a chart, and returns what
// that costs.
func (f *fleet) sample(t *testing.T, release, folder string) map[string]float64 {
	t.Helper()
	n, costs := f.namespaces[0], map[string]float64{}
	timed := func(name string, command func() error) {
		start := time.Now()
		require.NoError(t, command())
		costs[name] = time.Since(start).Seconds()
	}
	server, traffic, start := readServer(t), f.helm.Traffic(), time.Now()
	timed(installTime, func() error { return f.helm.Install(n.Name, release, folder, n.Values(f.values)) })
	soon(t, "Ready pods of "+release, settled(n, release))
	costs[readyTime] = time.Since(start).Seconds()
	stored := storedOf(t, n, release)
	costs[objects], costs[storedSize], costs[recordSize] = float64(stored.Objects), float64(stored.Bytes-stored.Records)/1024, float64(stored.Records)/1024
	timed(upgradeTime, func() error {
		return f.helm.Upgrade(n.Name, release, folder, chart.Values{"config.LOG_LEVEL": "DEBUG"})
	})
	soon(t, "the rollout of "+release, settled(n, release))
	timed(uninstallTime, func() error { return f.helm.Uninstall(n.Name, release) })
	soon(t, "the end of "+release, func(context.Context) error {
		if left := storedOf(t, n, release); left.Objects > 0 {
			return fmt.Errorf("%d objects are left", left.Objects)
		}
		return nil
	})
	after, caused := readServer(t), f.helm.Traffic()
	costs[helmRequests] = float64(caused.Requests - traffic.Requests)
	costs[helmTraffic] = float64(caused.Bytes-traffic.Bytes) / 1024
	costs[apiWrites] = after.Writes - server.Writes
	return costs
}

func storedOf(t *testing.T, n *cluster.Namespace, release string) scale.Stored {
	t.Helper()
	stored, err := scale.StoredOf(t.Context(), liveCluster().Config(), n.Name, release)
	require.NoError(t, err)
	return stored
}

// soon is cluster.Eventually with checks so frequent that they measure a time.
func soon(t *testing.T, what string, condition cluster.Condition) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := condition(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, what)
		}
	}
}

// settled holds if each Deployment of a release, or of all if it is empty, has rolled out
// and no pod of an earlier rollout is left.
func settled(n *cluster.Namespace, release string) cluster.Condition {
	selector := metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=ai-agent"}
	if release != "" {
		selector.LabelSelector += ",app.kubernetes.io/instance=" + release
	}
	return func(ctx context.Context) error {
		pods, err := observe.Settled(ctx, n, selector, selector)
		if err == nil && pods == 0 {
			err = errors.New("no pods")
		}
		return err
	}
}

// gone holds if the fleet's namespaces do not exist any more.
func (f *fleet) gone(ctx context.Context) error {
	namespaces, err := liveCluster().Client().CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	mine := map[string]bool{}
	for _, n := range f.namespaces {
		mine[n.Name] = true
	}
	for _, n := range namespaces.Items {
		if mine[n.Name] {
			return fmt.Errorf("namespace %s still exists", n.Name)
		}
	}
	return nil
}
