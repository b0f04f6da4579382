package bench

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// What the comparison sets for a proxy, README recommends: for runs of 300 s.
func TestProxiesHaveTheSettingsOfREADME(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(repo.Path("README.md"))
	require.NoError(t, err)
	readme := string(text)
	for name, routes := range map[string][2]Route{"nginx": {Nginx, NginxDefaults}, "haproxy": {HAProxy, HAProxyDefaults}, "caddy": {Caddy, CaddyDefaults}} {
		advised, defaults := newReverseProxy(routes[0], 45), newReverseProxy(routes[1], 45)
		lines := strings.Split(defaults.execute(t, configs[name]), "\n")
		for line := range strings.Lines(advised.execute(t, configs[name])) {
			if line = strings.TrimRight(line, "\n"); !slices.Contains(lines, line) {
				assert.Contains(t, readme, "`"+strings.TrimSpace(line)+"`", name)
			}
		}
	}
	advised := newReverseProxy(Nginx, 45)
	manifest := advised.execute(t, "manifest.yaml")
	assert.Contains(t, manifest, "terminationGracePeriodSeconds: 340")
	assert.Contains(t, readme, "terminationGracePeriodSeconds: 340\n")
	assert.Contains(t, manifest, "seconds: 10\n")
	assert.Contains(t, readme, "preStop: {sleep: {seconds: 10}}")
}
