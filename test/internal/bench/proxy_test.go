package bench

import (
	"fmt"
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
		advised, defaults := newReverseProxy(routes[0], 300), newReverseProxy(routes[1], 300)
		lines := strings.Split(defaults.execute(t, configs[name]), "\n")
		for line := range strings.Lines(advised.execute(t, configs[name])) {
			if line = strings.TrimRight(line, "\n"); !slices.Contains(lines, line) {
				assert.Contains(t, readme, "`"+strings.TrimSpace(line)+"`", name)
			}
		}
	}
	for route, recommended := range map[Route][2]string{
		Nginx: {"terminationGracePeriodSeconds: 340\n", "preStop: {sleep: {seconds: 10}}"},
		Caddy: {"a `terminationGracePeriodSeconds` of 630", "sleep for 300 s"},
	} {
		p := newReverseProxy(route, 300)
		manifest := p.execute(t, "manifest.yaml")
		assert.Contains(t, manifest, fmt.Sprintf("terminationGracePeriodSeconds: %d\n", p.GraceSeconds()))
		assert.Contains(t, manifest, fmt.Sprintf("seconds: %d\n", p.SleepSeconds))
		assert.Contains(t, recommended[0], fmt.Sprint(p.GraceSeconds()))
		assert.Contains(t, recommended[1], fmt.Sprint(p.SleepSeconds))
		assert.Contains(t, readme, recommended[0])
		assert.Contains(t, readme, recommended[1])
	}
}
