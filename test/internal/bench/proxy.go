package bench

import (
	"embed"
	"fmt"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

//go:embed proxies
var proxies embed.FS

// configs are the files of proxies, by the first word of the route.
var configs = map[string]string{"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}

// reverseProxy holds the values for the templates in proxies.
type reverseProxy struct {
	Upstream     string // HOST:PORT of the subject
	Advised      bool
	Seconds      int // that a run takes at most, and a margin
	SleepSeconds int // before the proxy is told to stop
	Image        string
	Config       string
}

// GraceSeconds is long enough for the runs that are in flight when the proxy is told to stop.
func (p reverseProxy) GraceSeconds() int { return p.SleepSeconds + p.Seconds }

// startProxy starts the proxy of the route, if it has one in the namespace.
func (s *site) startProxy(t *testing.T, maxRunSeconds int) {
	t.Helper()
	name, _, _ := strings.Cut(string(s.route), ",")
	config, own := configs[name]
	if !own {
		return
	}
	images, err := repo.Version("SERVERS_IMAGE")
	require.NoError(t, err)
	p := newReverseProxy(s.route, maxRunSeconds)
	p.Upstream, p.Image = strings.TrimPrefix(s.url(), "http://"), fmt.Sprintf("%s:%s", images, name)
	p.Config = p.execute(t, config)
	s.n.Apply(t, p.execute(t, "manifest.yaml"))
	s.n.MustKubectl(t, "rollout", "status", "deployment/proxy", "--timeout=5m")
}

// newReverseProxy returns the settings that README recommends for runs of up to maxRunSeconds,
// or the proxy's defaults.
func newReverseProxy(r Route, maxRunSeconds int) reverseProxy {
	p := reverseProxy{Advised: !r.Defaults(), Seconds: maxRunSeconds + 30, SleepSeconds: 10}
	if r == Caddy { // it ends WebSockets when it is told to stop
		p.SleepSeconds = maxRunSeconds
	}
	return p
}

func (p reverseProxy) execute(t *testing.T, file string) string {
	t.Helper()
	all, err := template.ParseFS(proxies, "proxies/"+file)
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, all.Execute(&text, p))
	return text.String()
}
