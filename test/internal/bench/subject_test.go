package bench_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestVariantsDifferFromTheOriginal(t *testing.T) {
	t.Parallel()
	own, err := bench.Render(bench.Own, charttest.Own(t), nil)
	require.NoError(t, err)
	before := text(t, own)
	for _, protection := range bench.ProtectionNames() {
		without := own.Without(protection)
		assert.Equal(t, "ai-agent without "+protection, without.Name)
		assert.NotEqual(t, before, text(t, without), protection)
	}
	assert.Contains(t, text(t, own.Abrupt()), "--drain-delay=0s")
	assert.Equal(t, before, text(t, own), "the original has changed")
}

// The checksums of this chart replace the pods when the configuration or the Secret has changed.
func TestOwnReplacesItsPodsByItself(t *testing.T) {
	t.Parallel()
	own, err := bench.RenderOwn(charttest.Own(t), nil)
	require.NoError(t, err)
	pods := func(objects chart.Objects) map[string]string {
		return chart.All[*appsv1.Deployment](objects)[0].Spec.Template.Annotations
	}
	assert.Len(t, own.Changed, 2)
	for disturbance, objects := range own.Changed {
		assert.NotEqual(t, pods(own.Objects), pods(objects), disturbance)
	}
	assert.Empty(t, own.Abrupt().Changed, "which would make the agents of an upgrade the usual ones")
}

func TestHelmCreateServesTheAgent(t *testing.T) {
	t.Parallel()
	created, err := bench.HelmCreate(t.TempDir())
	require.NoError(t, err)
	assert.Contains(t, text(t, created), "path: /ready")
	assert.NotContains(t, text(t, created), "helm.sh/hook")
}

func TestPeersSayWhatAFolderLacks(t *testing.T) {
	t.Parallel()
	const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent}]}
`
	const service = `
apiVersion: v1
kind: Service
metadata: {name: agent}
spec: {selector: {app: agent}, ports: [{port: 80}]}
`
	for name, test := range map[string]struct {
		files map[string]string
		names []string
		err   string
	}{
		"files and folders": {
			files: map[string]string{"one.yaml": deployment + "---" + service, "two/a.yaml": deployment, "two/b.yaml": service},
			names: []string{"one", "two"},
		},
		"no Service":      {files: map[string]string{"one.yaml": deployment}, err: "no Service selects the pods of Deployment agent"},
		"two Deployments": {files: map[string]string{"one.yaml": deployment + "---" + deployment}, err: "2 Deployments, expected 1: the one that runs the agent"},
		"no manifest":     {files: map[string]string{"one/README.md": "see below"}, err: "0 Deployments"},
		"a typo":          {files: map[string]string{"one.yaml": deployment + "  replica: 3\n"}, err: `unknown field "spec.replica"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range test.files {
				file = filepath.Join(dir, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			}
			peers, err := bench.Peers(dir)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			var names []string
			for _, peer := range peers {
				names = append(names, peer.Name)
			}
			assert.Equal(t, test.names, names)
		})
	}
}

func text(t *testing.T, s bench.Subject) string {
	t.Helper()
	manifest, err := s.Manifest()
	require.NoError(t, err)
	return manifest
}
