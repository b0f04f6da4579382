package repo

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Go and the scripts must read the same values from the same files.
func TestVersionsAreThoseOfTheScripts(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func() (string, error){
		"$DEBIAN_SUITE":        func() (string, error) { return Version("DEBIAN_SUITE") },
		"$OLDER_KUBERNETES":    func() (string, error) { return Version("OLDER_KUBERNETES") }, // quoted
		"$POSTGRES_IMAGE":      func() (string, error) { return Version("POSTGRES_IMAGE") },
		"$REDIS_IMAGE":         func() (string, error) { return Version("REDIS_IMAGE") },
		"$UPSTREAM_NODE_IMAGE": func() (string, error) { return Version("UPSTREAM_NODE_IMAGE") },
		"$(agent_image)":       AgentImage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := exec.CommandContext(t.Context(), "bash", "-c", `source "$0"; echo "`+name+`"`, Path("scripts", "lib.sh")).Output()
			require.NoError(t, err)
			have, err := read()
			require.NoError(t, err)
			assert.NotEmpty(t, have)
			assert.Equal(t, strings.TrimSpace(string(want)), have)
		})
	}
}

func TestVersionRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, problem := range map[string]string{
		"REDIS":            "ci/versions.env does not assign REDIS",
		"CUSTOM_RESOURCES": "ci/versions.env: CUSTOM_RESOURCES spans several lines",
	} {
		_, err := Version(name)
		assert.ErrorContains(t, err, problem, name)
	}
}

// What kube-validate refuses is what the API server of the tests' cluster refuses.
func TestKubeValidateHasTheVersionOfTheNode(t *testing.T) {
	t.Parallel()
	version := func(module string) string {
		command := exec.CommandContext(t.Context(), "go", "list", "-m", "k8s.io/kubernetes", "k8s.io/apiserver")
		command.Dir = Path("ci", module)
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	assert.Equal(t, version("node"), version("kube-validate"))
}
