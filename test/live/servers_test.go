package live

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// server is an unmodified third-party server with a small agent on it. scripts/servers-image.sh
// builds the images.
type server struct {
	preset  string
	image   string       // tag
	own     chart.Values // what a user adds to the preset
	without chart.Values // what makes it interrupt its runs: its default, or what the preset warns of
	client  []string     // what asks for a run of runTokens, if not `agent ask`
	needs   []string     // servers in the test's namespace
	install func(*testing.T, *cluster.Namespace)
	url     string // of what `agent ask` asks; serviceURL if empty
	smoke   bool   // whether `make test` includes it
}

const (
	redisURL = "redis://redis-service:6379"
	slackURL = "http://slack-service"
)

var (
	tokens = strconv.Itoa(runTokens)
	// unset lets a server keep its default timeout, which interrupts runs.
	unset       = chart.List{"server-drain-unset"}
	key         = chart.Values{"secret.stringData": chart.Map{"OPENAI_API_KEY": "not-checked"}}
	slackLabels = chart.Map{"app.kubernetes.io/instance": "slack"}
)

var servers = map[string]server{
	"gunicorn": {
		preset: "gunicorn", image: "debian", smoke: true,
		own: chart.Values{"command": chart.List{"gunicorn", "app:app", "--worker-class", "uvicorn.workers.UvicornWorker"}},
		without: chart.Values{
			"config.GUNICORN_CMD_ARGS": "--bind 0.0.0.0:$(PORT) --worker-tmp-dir /dev/shm", "validation.skip": unset,
		},
	},
	"hypercorn": {
		preset: "hypercorn", image: "debian", smoke: true,
		own: chart.Values{"config.APP": "app:app"},
		without: chart.Values{
			"drain.until": "", "command": chart.List{"hypercorn", "app:app", "--bind", "0.0.0.0:$(PORT)"}, "validation.skip": unset,
		},
	},
	"uvicorn": {preset: "uvicorn", image: "debian", own: chart.Values{"command": chart.List{"uvicorn", "app:app"}}},
	"node":    {preset: "node", image: "debian", own: chart.Values{"command": chart.List{"node", "server.js"}}},
	"celery": {
		preset: "celery", image: "debian", needs: []string{cluster.Redis},
		own:     chart.Values{"config.APP": "tasks", "config.REDIS_URL": redisURL},
		without: chart.Values{"config.REMAP_SIGTERM": "SIGQUIT"},
		client:  []string{"env", "REDIS_URL=" + redisURL, "python3", "ask_celery.py", tokens},
	},
	"mcp": {
		preset: "mcp-server", image: "npm",
		own:     chart.Values{"command": chart.List{"node", "mcp-server.mjs"}, "helmTest.interpreter": "node", "replicaCount": 1},
		without: chart.Values{"drain.until": ""},
		client:  []string{"node", "mcp-client.mjs", serviceURL, tokens},
	},
	"slack-bot": {
		preset: "slack-bot", image: "npm", install: slack, url: slackURL,
		own: chart.Values{
			"command": chart.List{"node", "slack-bot.mjs"}, "config.SLACK_API_URL": slackURL + "/api/",
			"secret.stringData":         chart.Map{"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_APP_TOKEN": "xapp-test"},
			"networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{chart.Map{"podSelector": chart.Map{"matchLabels": slackLabels}}}}},
		},
		without: chart.Values{"config.EXIT": "yes"},
	},
	"openai-agents": {
		preset: "node", image: "npm",
		own:     chart.Values{"command": chart.List{"node", "openai-agents.mjs"}}.And(key),
		without: chart.Values{"command": chart.List{"npm", "start"}, "validation.skip": chart.List{"package-manager-starts-server"}},
	},
	"mastra": {
		preset: "node", image: "npm",
		own: chart.Values{
			"command": chart.List{"node", "mastra.mjs"}, "config.DRAIN_TIMEOUT": "$(DRAIN_SECONDS)000", "config.MASTRA_TELEMETRY_DISABLED": "1",
		}.And(key),
		without: chart.Values{"config.DRAIN_TIMEOUT": ""},
		client:  []string{"node", "mastra-client.mjs", serviceURL, tokens},
	},
	"langgraph": {
		preset: "langgraph", image: "npm",
		own: chart.Values{
			"command": chart.List{
				"langgraphjs", "dev", "--host", "0.0.0.0", "--port", "$(PORT)", "--no-browser", "--no-reload", "--config", "/app/langgraph/langgraph.json",
			},
			"singleton": true, "replicaCount": 1, // threads are in memory
			"helmTest.interpreter": "node", "config.LANGGRAPH_CLI_NO_ANALYTICS": "1",
			"volumes":      chart.List{chart.Map{"name": "data", "emptyDir": chart.Map{}}},
			"volumeMounts": chart.List{chart.Map{"name": "data", "mountPath": "/app/langgraph/.langgraph_api"}},
		}.And(key),
		without: chart.Values{"drain.until": ""},
		client:  []string{"node", "langgraph-client.mjs", serviceURL, tokens},
	},
}

// values are those of a small release of two pods of a server, or of one if it is a singleton.
func (s server) values(t *testing.T) chart.Values {
	t.Helper()
	return profile.Preset(t, s.preset).And(profile.Modest()).And(chart.Values{
		"image.repository": "ai-agent-servers", "image.tag": s.image, "agent.maxRunSeconds": 90, "autoscaling.enabled": false, "replicaCount": 2,
	}).And(s.own)
}

// runs installs a server in a namespace of its own, and returns how four runs ended during
// whose stream all of its pods were removed.
func (s server) runs(t *testing.T, disturbance string, values chart.Values) (*cluster.Namespace, []output.Run) {
	t.Helper()
	n := newNamespace(t, s.needs...)
	if s.install != nil {
		s.install(t, n)
	}
	run := prober.Run{URL: serviceURL, Task: "count", MaxTokens: runTokens}
	if s.url != "" {
		run.URL, run.Settled = s.url, true
	}
	if s.client != nil {
		run.Client, run.Settled = prober.Program{Image: "ai-agent-servers:" + s.image, Command: s.client}, true
	}
	return n, disturbedRunsOf(t, n, disturbances[disturbance], values, run)
}

// eachServer runs a subtest for each server; in `make test`, only for two.
func eachServer(t *testing.T, test func(*testing.T, server)) {
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			if !s.smoke {
				onlyInTestServers(t)
			}
			t.Parallel()
			test(t, s)
		})
	}
}

// onlyInTestServers skips what takes too long for `make test`.
func onlyInTestServers(t *testing.T) {
	t.Helper()
	if os.Getenv("SERVERS") != "all" {
		t.Skip("`make test-servers` runs it")
	}
}

// slack installs a Slack for tests. It has a name of its own, so that drains leave it alone.
func slack(t *testing.T, n *cluster.Namespace) {
	t.Helper()
	n.Install(t, "slack", profile.Preset(t, "node").And(profile.Modest()).And(profile.OnePod()).And(chart.Values{
		"image.repository": "ai-agent-servers", "image.tag": "npm", "command": chart.List{"node", "slack.mjs"}, "nameOverride": "slack",
	}))
}

// With its preset, a server finishes its runs in a rollout, and its image passes helm test.
func TestServersKeepTheirRuns(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		n, runs := s.runs(t, "rollout", s.values(t))
		requireDone(t, runs, runTokens)
		n.MustHelm(t, "test", "ai-agent", "--logs")
	})
}

// A scale-down and a drain of each node remove the pods in the same way.
func TestServersKeepTheirRunsInOtherDisturbances(t *testing.T) {
	onlyInTestServers(t)
	t.Parallel()
	for _, disturbance := range []string{"scale-down", "drain"} {
		t.Run(disturbance, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s server) {
				_, runs := s.runs(t, disturbance, s.values(t))
				requireDone(t, runs, runTokens)
			})
		})
	}
}

// Control: without what the preset sets, or asks of the program, the server interrupts all
// runs, in the same grace period.
func TestServersWithoutPreset(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		if s.without == nil {
			t.Skip("the server waits without a limit: the preset has nothing to remove")
		}
		_, runs := s.runs(t, "rollout", s.values(t).And(s.without))
		for _, run := range runs {
			require.Equal(t, output.Interrupted, run.Outcome, run.Error)
		}
	})
}

// A server that interrupts its runs at SIGTERM finishes them if it gets the signal only
// after its clients have disconnected.
func TestServersGetSIGTERMAfterTheirClients(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gunicorn", "hypercorn", "mastra"} {
		t.Run(name, func(t *testing.T) {
			s := servers[name]
			if !s.smoke {
				onlyInTestServers(t)
			}
			t.Parallel()
			waits := s.values(t).And(s.without).And(chart.Values{"drain.until": "connections", "validation.skip": chart.List{}})
			_, runs := s.runs(t, "rollout", waits)
			requireDone(t, runs, runTokens)
		})
	}
}
