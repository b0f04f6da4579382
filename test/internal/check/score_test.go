package check

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// What validate builds where there is no kube-score is what `make tools` builds.
func TestKubeScoreIsTheToolsVersion(t *testing.T) {
	t.Parallel()
	pinned, err := os.ReadFile(repo.Path("ci", "kube-score", "go.mod"))
	require.NoError(t, err)
	_, version, _ := strings.Cut(kubeScoreModule, "@")
	assert.Contains(t, string(pinned), "github.com/zegl/kube-score "+version)
}
