// Package proxy tests the annotations that the chart sets for ingress controllers on
// the proxies that these controllers run: nginx and HAProxy, configured with the
// directives that the controllers derive from the annotations. It needs no cluster.
// scripts/proxies.sh installs the proxies.
package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// silence is how long streams are silent: longer than the proxies' timeouts without
// the annotations, shorter than with them.
const silence = 70 * time.Second

// directive is what a controller makes of an annotation, and what depends on it.
type directive struct {
	format  string        // of the directive, for the annotation's value
	unset   string        // the value that applies without the annotation
	given   string        // another directive, with which this one has an effect
	timeout time.Duration // that unset means; 0 if it is none
	observe func(t *testing.T, start startProxy) string
	with    string // what observe returns with the chart's value
	without string // with the value unset
}

// onOff is how F5's controller writes a boolean in nginx's configuration.
var onOff = strings.NewReplacer("True", "on", "False", "off")

// startProxy starts a proxy in front of an upstream and returns its address.
type startProxy func(t *testing.T, upstream string) string

// directives has each annotation that the chart sets for a controller of these
// proxies.
var directives = map[string]directive{
	"nginx.ingress.kubernetes.io/proxy-read-timeout": {
		format: "proxy_read_timeout %ss;", unset: "60", timeout: 60 * time.Second,
		observe: silentRun, with: "done", without: "interrupted",
	},
	// It bounds no run, but how long an agent may leave a large request unread.
	"nginx.ingress.kubernetes.io/proxy-send-timeout": {
		format: "proxy_send_timeout %ss;", unset: "60", timeout: 60 * time.Second,
		observe: lateReader, with: "200", without: "504",
	},
	// "on" is nginx's own default, which a ConfigMap of the controller can restore. nginx
	// then withholds a stream that has no chunks: an agent's answer over HTTP/1.0.
	"nginx.ingress.kubernetes.io/proxy-buffering": {
		format: "proxy_buffering %s;", unset: "on", given: "proxy_http_version 1.0;",
		observe: streamedRun, with: "streamed", without: "withheld",
	},
	"nginx.org/proxy-read-timeout": { // F5's controller
		format: "proxy_read_timeout %s;", unset: "60s", timeout: 60 * time.Second,
		observe: silentRun, with: "done", without: "interrupted",
	},
	"nginx.org/proxy-send-timeout": {
		format: "proxy_send_timeout %s;", unset: "60s", timeout: 60 * time.Second,
		observe: lateReader, with: "200", without: "504",
	},
	"nginx.org/proxy-buffering": {
		format: "proxy_buffering %s;", unset: "True", given: "proxy_http_version 1.0;",
		observe: streamedRun, with: "streamed", without: "withheld",
	},
	"haproxy.org/timeout-server": { // HAProxy Technologies' controller
		format: "timeout server %s", unset: "50s", timeout: 50 * time.Second,
		observe: silentRun, with: "done", without: "interrupted",
	},
	"haproxy-ingress.github.io/timeout-server": { // the community's controller
		format: "timeout server %s", unset: "50s", timeout: 50 * time.Second,
		observe: silentRun, with: "done", without: "interrupted",
	},
}

// Each annotation has its effect with the chart's value. Control: without the
// annotation, and with all others, the same client is harmed.
func TestIngressAnnotationsTakeEffect(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for class, run := range map[string]func(*testing.T, string, []string) string{"nginx": startNginx, "haproxy": startHAProxy} {
		annotations := ingressAnnotations(t, class)
		for name := range annotations {
			d := directives[name]
			tested[name] = true
			title := path.Base(name) + " of " + path.Dir(name) // a slash would divide the test's name
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				got := d.observe(t, func(t *testing.T, upstream string) string {
					return run(t, upstream, configure(annotations, name, false))
				})
				assert.Equal(t, d.with, got)
			})
			t.Run("no "+title, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				got := d.observe(t, func(t *testing.T, upstream string) string {
					return run(t, upstream, configure(annotations, name, true))
				})
				assert.Equal(t, d.without, got)
				assert.GreaterOrEqual(t, time.Since(start), d.timeout, "it is this timeout that ended it")
			})
		}
	}
	for name := range directives {
		assert.True(t, tested[name], "the chart does not set the annotation %s", name)
	}
}

// ingressAnnotations are those that the chart derives for an ingress class. Each must
// have a directive.
func ingressAnnotations(t *testing.T, class string) map[string]string {
	t.Helper()
	annotations := charttest.One[*networkingv1.Ingress](t, charttest.Render(t, chart.Values{
		"ingress.enabled":   true,
		"ingress.className": class,
		"ingress.hosts":     chart.List{chart.Map{"host": "agent.example.com"}},
	})).Annotations
	for name := range annotations {
		require.Contains(t, directives, name, "the chart sets an annotation whose directive is unknown here")
	}
	return annotations
}

// configure returns the directives for the annotations that the controller of one of
// them reads, that one unset or not.
func configure(annotations map[string]string, one string, unset bool) (config []string) {
	config = append(config, directives[one].given)
	for name, value := range annotations {
		if path.Dir(name) != path.Dir(one) { // another controller's
			continue
		}
		if name == one && unset {
			value = directives[name].unset
		}
		config = append(config, fmt.Sprintf(directives[name].format, onOff.Replace(value)))
	}
	return config
}

// silentRun asks for a run whose stream is silent for a while, and returns its outcome.
func silentRun(t *testing.T, start startProxy) string {
	agent := startAgent(t, 1, silence)
	run, code := ask(t, start(t, agent), nil)
	assert.Equal(t, run.Outcome.ExitCode(), code)
	if run.Outcome == output.Done {
		assert.Equal(t, 1, run.Tokens)
	}
	t.Logf("%s %s", run.Outcome, run.Error)
	return string(run.Outcome)
}

// streamedRun tells whether the first token arrives while the agent is still
// answering.
func streamedRun(t *testing.T, start startProxy) string {
	const tokens = 15 // too few to fill nginx's buffer
	agent := startAgent(t, tokens, time.Second)
	arrived := "withheld"
	run, _ := ask(t, start(t, agent), func() {
		if runsInFlight(t, agent) == "1" {
			arrived = "streamed"
		}
	})
	assert.Equal(t, output.End{Outcome: output.Done, Tokens: tokens}, run.End)
	return arrived
}

// lateReader posts a large request to a server that does not read it for a while, and
// returns the status.
func lateReader(t *testing.T, start startProxy) string {
	over := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(silence):
		case <-over:
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(upstream.Close)
	t.Cleanup(func() { close(over) })
	large := strings.NewReader(strings.Repeat("a", 16<<20)) // the kernel buffers several MiB
	res, err := http.Post(start(t, upstream.URL), "text/plain", large)
	require.NoError(t, err)
	defer res.Body.Close()
	return fmt.Sprint(res.StatusCode)
}
