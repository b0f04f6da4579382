package render

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// Renders are for the version of Kubernetes that the cluster of `make test` has.
func TestRendersAreForTheVersionOfTheNodes(t *testing.T) {
	t.Parallel()
	pins, err := os.ReadFile(repo.Path("ci", "node", "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(pins), "k8s.io/kubernetes "+strings.TrimSuffix(chart.KubeVersion, "0"))
}

// The upstream node image is the one with which this version of kind was released.
func TestUpstreamNodeImageIsThatOfKind(t *testing.T) {
	t.Parallel()
	versions, err := os.ReadFile(repo.Path("ci", "versions.env"))
	require.NoError(t, err)
	assert.Contains(t, strings.Split(string(versions), "\n"), "UPSTREAM_NODE_IMAGE="+defaults.Image)
}
