package render

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// ruleCases has, for each rule of the chart, values that it reports and near
// misses that it accepts.
var ruleCases = map[string]struct {
	reported []report
	accepted map[string]chart.Values
}{
	// Names.
	"object-name-invalid": {[]report{
		{name: "a digit first", release: "1agent", at: "fullnameOverride"},
		{name: "a dot", release: "agent.v2", at: "fullnameOverride"},
		{name: "a dot in a name that is kept", release: "my.ai-agent", at: "fullnameOverride"},
		{name: "an alias with a capital", aliases: []string{"Planner"}, at: "Planner.fullnameOverride"},
		{name: "an alias with an underscore", aliases: []string{"the_planner"}, at: "the_planner.fullnameOverride"},
	}, map[string]chart.Values{
		"a digit first, but not in the name": {"nameOverride": "2nd"},
		"a name of its own":                  {"fullnameOverride": "a-1"},
	}},
	"object-name-taken": {[]report{
		{name: "a release that has both aliases in its name", release: "planner-writer", aliases: []string{"planner", "writer"}, at: "planner.fullnameOverride"},
		{name: "names that are equal once shortened", release: strings.Repeat("a", 52), aliases: []string{"planner", "writer"}, at: "planner.fullnameOverride"},
		{name: "one name given to both", aliases: []string{"planner", "writer"}, at: "planner.fullnameOverride",
			values: chart.Values{"planner.fullnameOverride": "a", "writer.fullnameOverride": "a"}},
		{name: "a worker that looks like an alias", aliases: []string{"plan", "plan-a"}, at: "plan-a.fullnameOverride",
			values: chart.Values{"plan.workers": chart.Map{"a": chart.Map{"args": chart.List{"work"}}}}},
		{name: "one label given to both", aliases: []string{"planner", "writer"}, at: "planner.nameOverride",
			values: chart.Values{"planner.nameOverride": "a", "planner.fullnameOverride": "b", "writer.nameOverride": "a"}},
		{name: "one ServiceAccount created by both", aliases: []string{"planner", "writer"}, at: "planner.serviceAccount.name",
			values: chart.Values{"planner.serviceAccount.name": "a", "writer.serviceAccount.name": "a"}},
		{name: "a ServiceAccount called like the other's objects", aliases: []string{"planner", "writer"}, at: "planner.serviceAccount.name",
			values: chart.Values{"planner.serviceAccount.name": "ai-agent-writer"}},
		{name: "a ServiceAccount called like that of the other's jobs", aliases: []string{"planner", "writer"}, at: "planner.serviceAccount.name",
			values: chart.Values{"planner.serviceAccount.name": "a-hook", "writer.serviceAccount.name": "a", "writer.jobs.migrate": chart.Map{"command": chart.List{"a"}}}},
		{name: "a claim that looks like an alias", aliases: []string{"plan", "plan-a"}, at: "plan-a.persistence.b",
			values: chart.Values{"plan.persistence.a-b": claim("ReadWriteMany", nil), "plan-a.persistence.b": claim("ReadWriteMany", nil)}},
		{name: "a worker's claim that looks like an alias", aliases: []string{"plan", "plan-a"}, at: "plan-a.workers.b.persistence.c",
			values: chart.Values{"plan.persistence.a-b-c": claim("ReadWriteMany", nil), "plan-a.workers.b": chart.Map{"args": chart.List{"work"}, "persistence": chart.Map{"c": claim("ReadWriteMany", nil)}}}},
		{name: "a schedule that looks like an alias", aliases: []string{"plan", "plan-a"}, at: "plan-a.schedules.b",
			values: chart.Values{"plan.schedules": chart.Map{"a-b": daily}, "plan-a.schedules": chart.Map{"b": daily}}},
	}, map[string]chart.Values{
		"a ServiceAccount called like the release": {"serviceAccount.name": "ai-agent"},
	}},

	// Image.
	"image-repository-tag": {[]report{
		{name: "a tag in the repository", values: chart.Values{"image.repository": "agent:1.0"}, at: "image.repository", also: []string{"image-tag-missing image.tag"}},
		{name: "a digest in the repository", values: chart.Values{"image.repository": "agent@sha256:0"}, at: "image.repository", also: []string{"image-tag-missing image.tag"}},
	}, map[string]chart.Values{
		"a registry with a port": {"image.repository": "registry.internal:5000/team/agent", "image.tag": "1.0"},
	}},
	"image-tag-latest": {[]report{
		{name: "the tag latest", values: chart.Values{"image.tag": "latest"}, at: "image.tag"},
	}, map[string]chart.Values{
		"the tag latest with a digest": {"image.tag": "latest", "image.digest": aDigest},
		"a digest":                     {"image.digest": aDigest, "image.tag": "1.2.3"},
	}},
	"image-tag-missing": {[]report{
		{name: "your own image without a tag", values: chart.Values{"image.repository": "registry:5000/team/agent"}, at: "image.tag"},
	}, map[string]chart.Values{
		"your own image with a digest": {"image.repository": "team/agent", "image.digest": aDigest},
		"the sample agent":             nil,
	}},
	"sidecar-image-tag": {[]report{
		{name: "an init container without a tag", values: chart.Values{"initContainers": chart.List{chart.Map{"image": "registry:5000/a", "name": "a"}}}, at: "initContainers[0].image"},
		{name: "a sidecar with the tag latest", values: chart.Values{"extraContainers": chart.List{chart.Map{"image": "a:latest", "name": "a"}}}, at: "extraContainers[0].image"},
		{name: "the second of two", values: chart.Values{"initContainers": chart.List{chart.Map{"image": "a:1", "name": "a"}, chart.Map{"image": "b", "name": "b"}}}, at: "initContainers[1].image"},
	}, map[string]chart.Values{
		"tags and a digest": {
			"extraContainers": chart.List{chart.Map{"image": "registry:5000/a:1", "name": "a"}},
			"initContainers":  chart.List{chart.Map{"image": "a@" + aDigest, "name": "b"}},
		},
	}},
	"container-name-agent": {[]report{
		{name: "a second agent", values: chart.Values{"extraContainers": chart.List{chart.Map{"image": "a:1", "name": "agent"}}}, at: "extraContainers[0].name"},
		{name: "an init container called agent", values: chart.Values{"initContainers": chart.List{chart.Map{"image": "a:1", "name": "agent"}}}, at: "initContainers[0].name"},
	}, map[string]chart.Values{
		"a similar name": {"extraContainers": chart.List{chart.Map{"image": "a:1", "name": "agent-proxy"}}},
	}},
	"helm-test-image-latest": {[]report{
		{name: "the tag latest", values: chart.Values{"helmTest.image": "check:latest"}, at: "helmTest.image"},
	}, map[string]chart.Values{
		"a version": {"helmTest.image": "check:1.0"},
	}},
	"helm-test-without-conform": {[]report{
		{name: "another image", values: chart.Values{"helmTest.protocol": "sse", "sample.enabled": false}, at: "helmTest.protocol"},
	}, map[string]chart.Values{
		"the sample agent":             {"helmTest.protocol": "sse"},
		"the sample's image for tests": {"helmTest.protocol": "sse", "sample.enabled": false, "helmTest.image": "ai-agent:1.1.0"},
	}},

	// Several agents.
	"calls-longer-agent": {[]report{
		{name: "the caller is rendered last", aliases: []string{"planner", "writer"}, at: "planner.agent.maxRunSeconds",
			values: chart.Values{"planner.config.NEXT_URL": "http://ai-agent-writer-service/v1", "writer.agent.maxRunSeconds": 500}},
		{name: "the caller is rendered first", aliases: []string{"planner", "writer"}, at: "planner.agent.maxRunSeconds",
			values: chart.Values{"writer.config.NEXT_URL": "http://ai-agent-planner-service.default.svc:80", "planner.agent.maxRunSeconds": 500}},
	}, map[string]chart.Values{
		"no other agent": {"config.NEXT_URL": "http://ai-agent-writer-service/v1"},
	}},

	// Timing.
	"grace-period-too-short": {[]report{
		{name: "a short grace period", values: chart.Values{"terminationGracePeriodSeconds": 30}, at: "terminationGracePeriodSeconds"},
		{name: "too short by one", values: chart.Values{"terminationGracePeriodSeconds": 329}, at: "terminationGracePeriodSeconds"},
		{name: "too short for a longer run", values: chart.Values{"terminationGracePeriodSeconds": 330, "agent.maxRunSeconds": 301}, at: "terminationGracePeriodSeconds"},
	}, map[string]chart.Values{
		"just long enough": {"terminationGracePeriodSeconds": 330},
	}},
	"prestop-handler": {[]report{
		{name: "no preStop hook", values: chart.Values{"lifecycle": chart.Map{"postStart": chart.Map{"sleep": chart.Map{"seconds": 1}}}}, at: "lifecycle.preStop"},
		{name: "two handlers", values: preStop(chart.Map{"exec": chart.Map{"command": chart.List{"a"}}, "sleep": chart.Map{"seconds": 10}}), at: "lifecycle.preStop"},
	}, map[string]chart.Values{
		"one handler": preStop(chart.Map{"exec": chart.Map{"command": chart.List{"/agent", "drain"}}}),
	}},
	"prestop-too-short": {[]report{
		{name: "a short sleep", values: preStop(chart.Map{"sleep": chart.Map{"seconds": 5}}), at: "lifecycle.preStop"},
		{name: "a sleep of no time", values: preStop(chart.Map{"sleep": chart.Map{"seconds": 0}}), at: "lifecycle.preStop"},
		{name: "a short sleep in a shell", values: hookCommand("sh", "-c", "sleep 5"), at: "lifecycle.preStop"},
		{name: "a hook that Kubernetes accepts and cannot run", values: preStop(chart.Map{"tcpSocket": chart.Map{"port": "http"}}), at: "lifecycle.preStop"},
	}, map[string]chart.Values{
		"a command that sleeps long enough": hookCommand("sleep", "10"),
		"an absolute path":                  hookCommand("/bin/sleep", "10"),
		"operands that add up":              hookCommand("sleep", "4", "6s"),
		"two sleeps in a shell":             hookCommand("/bin/sh", "-ec", "sleep 5 && exec sleep 5"),
	}},
	"prestop-too-long": {[]report{
		{name: "a long sleep", values: preStop(chart.Map{"sleep": chart.Map{"seconds": 60}}), at: "lifecycle.preStop"},
		{name: "a command that sleeps long", values: hookCommand("sleep", "300"), at: "lifecycle.preStop"},
		{name: "minutes", values: hookCommand("sleep", "10m"), at: "lifecycle.preStop"},
		{name: "hours", values: hookCommand("/usr/bin/sleep", "1h"), at: "lifecycle.preStop"},
		{name: "half a minute", values: hookCommand("sleep", "0.5m"), at: "lifecycle.preStop"},
		{name: "operands that add up", values: hookCommand("sleep", "10", "1"), at: "lifecycle.preStop"},
		{name: "forever", values: hookCommand("sleep", "infinity"), at: "lifecycle.preStop"},
		{name: "forever, in short", values: hookCommand("busybox", "sleep", "inf"), at: "lifecycle.preStop"},
		{name: "minutes in a shell", values: hookCommand("sh", "-c", "curl -X POST localhost/drain >/dev/null 2>&1; sleep 10m"), at: "lifecycle.preStop"},
		{name: "two sleeps in a shell", values: hookCommand("bash", "-c", "sleep 10 || true; /bin/sleep '1'"), at: "lifecycle.preStop"},
		{name: "a sleep in Python", values: hookCommand("python3", "-c", "import time; time.sleep(600)"), at: "lifecycle.preStop"},
	}, map[string]chart.Values{
		"as long as the endpoint delay": preStop(chart.Map{"sleep": chart.Map{"seconds": 60}}).With("agent.endpointDelaySeconds", 60),
	}},
	"prestop-unknown": {[]report{
		{name: "your own command", values: hookCommand("/agent", "drain"), at: "lifecycle.preStop"},
		{name: "a request", values: preStop(chart.Map{"httpGet": chart.Map{"path": "/drain", "port": "http"}}), at: "lifecycle.preStop"},
		{name: "a loop", values: hookCommand("sh", "-c", "while curl -f localhost:8000/busy; do sleep 10; done"), at: "lifecycle.preStop"},
		{name: "a variable", values: hookCommand("sh", "-c", "sleep $DELAY"), at: "lifecycle.preStop"},
		{name: "a sleep in the background", values: hookCommand("sh", "-c", "sleep 10 & /agent drain"), at: "lifecycle.preStop"},
		{name: "a sleep that may be ended", values: hookCommand("timeout", "5", "sleep", "10"), at: "lifecycle.preStop"},
		{name: "a sleep on failure", values: hookCommand("sh", "-c", "/agent drain || sleep 10"), at: "lifecycle.preStop"},
	}, map[string]chart.Values{
		"a command that says how long": hookCommand("sleep", "10"),
		"the chart's hook":             nil,
	}},
	"sidecar-ends-first": {[]report{
		{name: "a proxy to the database", values: alongside(nil), at: "extraContainers[0]"},
		{name: "a hook that ends before the runs", values: alongside(chart.Map{"preStop": chart.Map{"sleep": chart.Map{"seconds": 309}}}), at: "extraContainers[0]"},
		{name: "a short command", values: alongside(chart.Map{"preStop": command("/bin/sleep", "5m")}), at: "extraContainers[0]"},
		{name: "a hook after the start", values: alongside(chart.Map{"postStart": command("/bin/sleep", "1h")}), at: "extraContainers[0]"},
	}, map[string]chart.Values{
		"a native sidecar":                   {"initContainers": chart.List{chart.Map{"image": "a:1", "name": "a", "restartPolicy": "Always"}}},
		"a hook as long as the runs":         alongside(chart.Map{"preStop": chart.Map{"sleep": chart.Map{"seconds": 310}}}),
		"a command as long as the runs":      alongside(chart.Map{"preStop": command("sleep", "6m")}),
		"a hook that may wait for the agent": alongside(chart.Map{"preStop": command("/wait-for-agent")}),
	}},
	"run-exceeds-node-drain": {[]report{
		{name: "a long run", values: chart.Values{"agent.maxRunSeconds": 591}, at: "agent.maxRunSeconds"},
		{name: "a long run that may be evicted", values: chart.Values{"agent.maxRunSeconds": 591, "disruption.eviction": "Always"}, at: "agent.maxRunSeconds"},
	}, map[string]chart.Values{
		"ten minutes": {"agent.maxRunSeconds": 590},
	}},

	// Server.
	"server-drain-too-short": {[]report{
		{name: "gunicorn", values: line("gunicorn", "app:app", "--graceful-timeout", "60", "--timeout=0"), at: "command"},
		{name: "both of gunicorn's", values: line("gunicorn", "app:app", "--graceful-timeout=60", "-t", "60"), at: "command", also: []string{"server-drain-too-short command"}},
		{name: "as a module", values: line("python", "-m", "gunicorn", "app:app", "--graceful-timeout", "299", "-t", "300"), at: "command"},
		{name: "in a variable", values: line("gunicorn").With("config.GUNICORN_CMD_ARGS", "--graceful-timeout 60 --timeout 300"), at: "config.GUNICORN_CMD_ARGS"},
		{name: "hypercorn", values: line("/opt/venv/bin/hypercorn", "app:app", "--graceful-timeout", "30"), at: "command"},
		{name: "uvicorn", values: line("uvicorn", "app:app", "--timeout-graceful-shutdown", "30"), at: "command"},
		{name: "uvicorn in a script", values: line("sh", "-c", "migrate && exec uvicorn app:app --timeout-graceful-shutdown 30"), at: "command"},
		{name: "uvicorn by its variable", values: chart.Values{"env": chart.List{chart.Map{"name": "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN", "value": "30"}}}, at: "env[0]"},
		{name: "vLLM's arguments", values: ownImage("vllm/vllm-openai").With("args", chart.List{"--model", "a", "--shutdown-timeout", "60"}), at: "args"},
		{name: "n8n", values: chart.Values{"config.N8N_GRACEFUL_SHUTDOWN_TIMEOUT": "30"}, at: "config.N8N_GRACEFUL_SHUTDOWN_TIMEOUT"},
		{name: "LangGraph", values: chart.Values{"config.BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS": "180"}, at: "config.BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS"},
		{name: "the last of two", values: line("hypercorn", "app:app", "--graceful-timeout", "400", "--graceful-timeout", "30"), at: "command"},
		{name: "in a script of several lines", values: line("bash", "-ec", "alembic upgrade head\nhypercorn app:app --graceful-timeout 30 2>&1\n"), at: "command"},
		{name: "behind a wrapper", values: line("opentelemetry-instrument", "hypercorn", "app:app", "--graceful-timeout", "30"), at: "command"},
		{name: "a timeout at any time, although SIGTERM waits", values: line("gunicorn", "app:app", "--timeout", "60").With("drain.until", "connections"), at: "command"},
		{name: "a number that another variable holds", values: line("hypercorn", "app:app", "--graceful-timeout", "$(LIMIT)").With("config.LIMIT", "30"), at: "command"},
	}, map[string]chart.Values{
		"the budget":               line("gunicorn", "app:app", "--graceful-timeout", "$(DRAIN_SECONDS)", "--timeout", "$(MAX_RUN_SECONDS)"),
		"the budget in a variable": line("gunicorn").With("config.GUNICORN_CMD_ARGS", "--graceful-timeout $(DRAIN_SECONDS) --timeout $(DRAIN_SECONDS)"),
		"as long as the run":       line("uvicorn", "app:app", "--timeout-graceful-shutdown", "300"),
		"an option before the variable": line("gunicorn", "--graceful-timeout", "300", "-t", "300").With("config.GUNICORN_CMD_ARGS",
			"--graceful-timeout 30"),
		"a worker that reports while it serves": line("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "--timeout", "30", "--graceful-timeout", "300"),
		"a variable of the shell":               line("sh", "-c", "exec gunicorn app:app --graceful-timeout ${SECONDS} --timeout ${SECONDS}"),
		"another program's option":              line("my-server", "--graceful-timeout", "30"),
		"the option of a command before it":     line("sh", "-c", "wait-for db:5432 -t 30 && exec gunicorn a:b --graceful-timeout 400 --timeout 400"),
		"the option of a wrapper":               line("wait-for-it.sh", "db:5432", "--timeout=30", "--", "gunicorn", "a:b", "--graceful-timeout", "400", "--timeout", "400"),
		"the last of several":                   line("hypercorn", "app:app", "--graceful-timeout", "30", "--graceful-timeout", "400"),
		"a server's name as an argument":        line("my-server", "--name", "gunicorn", "--timeout", "30"),
		"the variable of another server":        line("gunicorn", "-t", "400", "--graceful-timeout", "400").With("config.UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN", "30"),
	}},
	"server-drain-unset": {[]report{
		{name: "hypercorn", values: line("hypercorn", "app:app"), at: "command"},
		{name: "gunicorn, of which two limits apply", values: line("gunicorn", "app:app"), at: "command", also: []string{"server-drain-unset command"}},
		{name: "hypercorn in a script", values: line("sh", "-c", "alembic upgrade head && exec hypercorn a:b"), at: "command"},
		{name: "hypercorn in a script of Bash", values: line("bash", "-c", "hypercorn a:b"), at: "command"},
		{name: "hypercorn as a module", values: line("python3", "-u", "-m", "hypercorn", "a:b"), at: "command"},
		{name: "vLLM", values: line("vllm", "serve", "a"), at: "command"},
		{name: "the image of vLLM", values: ownImage("registry.internal/vllm/vllm-openai").With("args", chart.List{"--model", "a"}), at: "args"},
		{name: "the image of n8n", values: ownImage("n8nio/n8n"), at: "args"},
		{name: "LangGraph's queue", values: line("/storage/queue_entrypoint.sh"), at: "command"},
	}, map[string]chart.Values{
		"uvicorn, which has no limit by default": line("uvicorn", "app:app"),
		"a file that the chart cannot read":      line("gunicorn", "-c", "gunicorn.conf.py", "app:app"),
		"the file of hypercorn":                  line("hypercorn", "--config", "hypercorn.toml", "app:app"),
		"a run within the default":               line("hypercorn", "app:app").With("agent.maxRunSeconds", 3),
		"a similar image":                        ownImage("acme/n8n-agent"),
		"the image with another command":         ownImage("n8nio/n8n").With("command", chart.List{"/my-server"}),
		"options in a Secret":                    line("hypercorn").With("envFrom", chart.List{chart.Map{"secretRef": chart.Map{"name": "a"}}}),
		"a variable that cannot be read": ownImage("n8nio/n8n").With("env", chart.List{
			chart.Map{"name": "N8N_GRACEFUL_SHUTDOWN_TIMEOUT", "valueFrom": chart.Map{"configMapKeyRef": chart.Map{"name": "a", "key": "b"}}}}),
	}},
	"shell-without-exec": {[]report{
		{name: "a script", values: line("sh", "-c", "cd /app && node server.js"), at: "command"},
		{name: "one command", values: line("/bin/dash", "-c", "node server.js"), at: "command"},
		{name: "an exec of a redirection", values: line("sh", "-e", "-c", "exec 2>&1; node server.js"), at: "command"},
		{name: "BusyBox", values: line("busybox", "sh", "-ec", "node server.js"), at: "command"},
		{name: "under tini", values: line("/usr/bin/tini", "-g", "--", "sh", "-c", "migrate && node server.js"), at: "command"},
		{name: "as arguments", values: chart.Values{"args": chart.List{"sh", "-c", "node server.js"}}, at: "args"},
	}, map[string]chart.Values{
		"exec":                line("sh", "-c", "migrate && exec node server.js"),
		"a trap":              line("sh", "-c", "trap 'kill -TERM $pid' TERM; node server.js & pid=$!; wait"),
		"Bash":                line("bash", "-c", "migrate && node server.js"),
		"a file of the image": line("sh", "/app/entrypoint.sh"),
	}},
	"drain-incomplete": {[]report{
		{name: "no command", values: chart.Values{"drain.until": "command"}, at: "drain.command"},
		{name: "a command that is not called", values: chart.Values{"drain.until": "connections", "drain.command": chart.List{"/idle"}}, at: "drain.command"},
		{name: "another hook", values: hookCommand("sleep", "10").With("drain.until", "connections"), at: "drain.until"},
	}, map[string]chart.Values{
		"connections":           {"drain.until": "connections"},
		"a command":             {"drain.until": "command", "drain.command": chart.List{"/idle"}},
		"another kind of hook":  {"drain.until": "connections", "lifecycle": chart.Map{"postStart": chart.Map{"sleep": chart.Map{"seconds": 1}}}},
		"instead of the server": line("npm", "start").And(chart.Values{"drain.until": "connections", "config.N8N_GRACEFUL_SHUTDOWN_TIMEOUT": "30"}),
	}},
	"package-manager-starts-server": {[]report{
		{name: "npm", values: line("npm", "start"), at: "command"},
		{name: "pnpm by its path", values: line("/usr/local/bin/pnpm", "run", "serve"), at: "command"},
		{name: "yarn at the end of a script", values: line("sh", "-c", "migrate && exec yarn start"), at: "command"},
		{name: "under tini", values: line("tini", "--", "npx", "serve"), at: "command"},
		{name: "in the last line", values: line("bash", "-c", "node migrate.js\nNODE_ENV=production exec npm start 2>&1\n"), at: "command"},
		{name: "behind Docker's entry point", values: line("docker-entrypoint.sh", "npm", "start"), at: "command"},
		{name: "as arguments", values: chart.Values{"args": chart.List{"npm", "start"}}, at: "args"},
	}, map[string]chart.Values{
		"before the server":         line("sh", "-c", "npm run migrate && exec node server.js"),
		"in the line before it":     line("sh", "-c", "npm run migrate\nexec node server.js\n"),
		"if SIGTERM waits for runs": line("npm", "start").With("drain.until", "connections"),
		"node":                      line("node", "server.js"),
	}},

	// Probes.
	"liveness-too-eager": {[]report{
		{name: "one failed check", values: chart.Values{"livenessProbe.failureThreshold": 1}, at: "livenessProbe.failureThreshold"},
		{name: "one slow second", values: chart.Values{"livenessProbe": chart.Map{"failureThreshold": 1, "periodSeconds": 1, "timeoutSeconds": 2}}, at: "livenessProbe.failureThreshold"},
		{name: "too short by one period", values: chart.Values{"livenessProbe.periodSeconds": 1, "livenessProbe.failureThreshold": 29}, at: "livenessProbe.failureThreshold"},
		{name: "the default threshold with a short period", values: chart.Values{"livenessProbe.periodSeconds": 9, "livenessProbe.failureThreshold": nil}, at: "livenessProbe.failureThreshold"},
		{name: "a command", values: chart.Values{"livenessProbe": chart.Map{"exec": chart.Map{"command": chart.List{"/alive"}}, "periodSeconds": 5}}, at: "livenessProbe.failureThreshold"},
	}, map[string]chart.Values{
		"Kubernetes' defaults":     {"livenessProbe.periodSeconds": nil, "livenessProbe.failureThreshold": nil},
		"many checks":              {"livenessProbe.periodSeconds": 1, "livenessProbe.failureThreshold": 30},
		"two checks":               {"livenessProbe.periodSeconds": 15, "livenessProbe.failureThreshold": 2},
		"an eager readiness probe": {"readinessProbe.periodSeconds": 1, "readinessProbe.failureThreshold": 1},
		"no liveness probe":        {"livenessProbe": nil},
	}},
	"liveness-timeout-short": {[]report{
		{name: "one second", values: chart.Values{"livenessProbe.timeoutSeconds": 1}, at: "livenessProbe.timeoutSeconds"},
		{name: "Kubernetes' default", values: chart.Values{"livenessProbe.timeoutSeconds": nil}, at: "livenessProbe.timeoutSeconds"},
	}, map[string]chart.Values{
		"two seconds": {"livenessProbe.timeoutSeconds": 2},
	}},
	"liveness-checks-dependencies": {[]report{
		{name: "its path", values: livenessGet("/ready", "http"), at: "livenessProbe"},
		{name: "a slash more, a number", values: livenessGet("/ready/", 8000), at: "livenessProbe"},
		{name: "two slashes", values: livenessGet("//ready", "http"), at: "livenessProbe"},
		{name: "a dot", values: livenessGet("/./ready", "http"), at: "livenessProbe"},
		{name: "a way back", values: livenessGet("/health/../ready", "http"), at: "livenessProbe"},
		{name: "an encoded dot", values: livenessGet("/%2e/ready", "http"), at: "livenessProbe"},
		{name: "an encoded letter", values: livenessGet("/%72eady", "http"), at: "livenessProbe"},
		{name: "a query", values: livenessGet("/ready?full=1", "http"), at: "livenessProbe"},
		{name: "a fragment", values: livenessGet("/ready#a", "http"), at: "livenessProbe"},
		{name: "capitals", values: livenessGet("/READY", "http"), at: "livenessProbe"},
		{name: "no slash", values: livenessGet("ready", "http"), at: "livenessProbe"},
		{name: "the second listener", values: livenessGet("/ready", "metrics"), at: "livenessProbe"},
		{name: "the second listener's number", values: livenessGet("/ready", 9090), at: "livenessProbe"},
		{name: "another scheme", values: livenessGet("/ready", "http").With("livenessProbe.httpGet.scheme", "HTTPS"), at: "livenessProbe"},
		{name: "a host", values: livenessGet("/ready", "http").With("livenessProbe.httpGet.host", "127.0.0.1"), at: "livenessProbe"},
		{name: "another port of both", values: livenessGet("/ready", 7000).With("readinessProbe.httpGet", chart.Map{"path": "/ready/", "port": 7000}), at: "livenessProbe"},
		{name: "another path of both", values: livenessGet("/health/is-ready", "http").With("readinessProbe.httpGet.path", "/health/is-ready/"), at: "livenessProbe"},
		{name: "dependencies of both", values: livenessGet("/health/deep", "http").With("readinessProbe.httpGet.path", "/health/deep"), at: "livenessProbe"},
		{name: "a command", values: livenessCommand("curl", "-f", "http://localhost:8000/ready"), at: "livenessProbe"},
		{name: "a command with the pod's name", values: livenessCommand("sh", "-c", "curl -f http://$HOSTNAME:$PORT/ready"), at: "livenessProbe"},
		{name: "a command with a default port", values: livenessCommand("sh", "-c", "curl -f localhost:${PORT:-8000}/ready"), at: "livenessProbe"},
		{name: "a command with the pod's address", values: livenessCommand("sh", "-c", "curl -f http://${POD_IP}:${AGENT_PORT}/ready"), at: "livenessProbe"},
		{name: "a script", values: livenessCommand("sh", "-c", "wget -q -O- 127.0.0.1:8000/ready/ || exit 1"), at: "livenessProbe"},
	}, map[string]chart.Values{
		"another path":                livenessGet("/alive", "http"),
		"readiness of the process":    {"readinessProbe.httpGet.path": "/health"},
		"one endpoint, a status":      livenessGet("/api/status", "http").With("readinessProbe.httpGet.path", "/api/status"),
		"one endpoint of a model":     livenessGet("/deepseek", "http").With("readinessProbe.httpGet.path", "/deepseek"),
		"one endpoint, unclear":       livenessGet("/a", "http").With("readinessProbe.httpGet.path", "/a"),
		"one endpoint of the process": livenessGet("/healthz", "http").With("readinessProbe.httpGet.path", "/healthz/"),
		"no path for both":            livenessGet("", "http").With("readinessProbe.httpGet.path", "/"),
		"the same path, another port": livenessGet("/a", 7000).With("readinessProbe.httpGet", chart.Map{"path": "/a", "port": 7001}),
		"a longer path":               livenessGet("/ready/alive", "http"),
		"a connection":                {"livenessProbe.tcpSocket.port": "http"},
		"a path that is replaced":     livenessGet("/health", "http").With("readinessProbe.exec.command", chart.List{"/ready"}).With("readinessProbe.httpGet.path", "/health"),
	}},
	"liveness-may-check-dependencies": {[]report{
		{name: "Redis", values: livenessCommand("redis-cli", "ping"), at: "livenessProbe"},
		{name: "PostgreSQL", values: livenessCommand("/usr/bin/pg_isready", "-h", "db"), at: "livenessProbe"},
		{name: "a URL", values: livenessCommand("curl", "-f", "http://models:8080/health"), at: "livenessProbe"},
		{name: "host and port", values: livenessCommand("sh", "-c", "wget -q models:8080/health"), at: "livenessProbe"},
		{name: "a connection", values: livenessCommand("nc", "-z", "redis", "6379"), at: "livenessProbe"},
		{name: "a connection by the shell", values: livenessCommand("bash", "-c", "</dev/tcp/redis/6379"), at: "livenessProbe"},
		{name: "a variable", values: livenessCommand("sh", "-c", "/check ${DATABASE_URL}"), at: "livenessProbe"},
		{name: "the readiness probe's command", values: livenessCommand("/check").With("readinessProbe.exec.command", chart.List{"/check"}), at: "livenessProbe"},
		{name: "the readiness probe's gRPC service", values: chart.Values{"livenessProbe.grpc.port": 8000, "readinessProbe.grpc.port": 8000}, at: "livenessProbe"},
		{name: "a gRPC service for readiness", values: chart.Values{"livenessProbe.grpc": chart.Map{"port": 8000, "service": "readiness"}}, at: "livenessProbe"},
		{name: "another host", values: livenessGet("/health", 8000).With("livenessProbe.httpGet.host", "redis"), at: "livenessProbe"},
		{name: "a path for readiness", values: livenessGet("/readyz", "http"), at: "livenessProbe"},
		{name: "a path for readiness in a command", values: livenessCommand("curl", "-f", "localhost:8000/readyz"), at: "livenessProbe"},
		{name: "the readiness probe's endpoint", values: livenessGet("/a", "http").With("readinessProbe.httpGet.path", "/a"), at: "livenessProbe"},
		{name: "a client after a wrapper", values: livenessCommand("timeout", "-s", "KILL", "5", "/usr/bin/redis-cli", "ping"), at: "livenessProbe"},
		{name: "a client in a script", values: livenessCommand("sh", "-c", "test -f /tmp/ok && redis-cli ping | grep -q PONG"), at: "livenessProbe"},
		{name: "a library of Python", values: livenessCommand("python", "-c", "import sys, psycopg; psycopg.connect()"), at: "livenessProbe"},
		{name: "a part of a library", values: livenessCommand("python", "-c", "from redis import Redis; Redis().ping()"), at: "livenessProbe"},
		{name: "a library of Node", values: livenessCommand("node", "-e", "require('ioredis')"), at: "livenessProbe"},
		{name: "a variable in Python", values: livenessCommand("python", "check.py", "os.environ['DATABASE_URL']"), at: "livenessProbe"},
		{name: "a client after a variable", values: livenessCommand("sh", "-c", "PGPASSWORD=$P psql -h db"), at: "livenessProbe"},
		{name: "a client of another user", values: livenessCommand("gosu", "postgres", "pg_isready"), at: "livenessProbe"},
		{name: "a client in sudo", values: livenessCommand("sudo", "-u", "redis", "redis-cli", "ping"), at: "livenessProbe"},
		{name: "health of a dependency for both", values: livenessGet("/health-db", "http").With("readinessProbe.httpGet.path", "/health-db"), at: "livenessProbe"},
		{name: "health of what is upstream for both", values: livenessGet("/upstream", "http").With("readinessProbe.httpGet.path", "/upstream"), at: "livenessProbe"},
		{name: "a variable in Node", values: livenessCommand("node", "-e", "connect(process.env.REDIS_URL)"), at: "livenessProbe"},
	}, map[string]chart.Values{
		"a command":               livenessCommand("/alive"),
		"a file":                  livenessCommand("sh", "-c", "test $(($(date +%s) - $(stat -c %Y /tmp/alive))) -lt 60"),
		"a URL of the agent":      livenessCommand("curl", "-f", "http://localhost:8000/health"),
		"a connection":            livenessCommand("nc", "-z", "127.0.0.1", "8000"),
		"another gRPC service":    {"livenessProbe.grpc": chart.Map{"port": 8000, "service": "liveness"}, "readinessProbe.grpc.port": 8000},
		"a client for readiness":  {"readinessProbe.exec.command": chart.List{"redis-cli", "ping"}},
		"the chart's own probes":  nil,
		"a path with a like name": livenessGet("/already", "http"),
		"an argument called ping": livenessCommand("/agent", "ping"),
		"arguments of a program":  livenessCommand("agentctl", "health", "ping"),
		"a script of the agent":   livenessCommand("python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8000/health')"),
		"a heartbeat of both":     livenessGet("/__heartbeat__", "http").With("readinessProbe.httpGet.path", "/__heartbeat__"),
		"a file of both":          livenessGet("/health.json", "http").With("readinessProbe.httpGet.path", "/health.json"),
		"a key of an API":         livenessCommand("python", "-c", "import os; assert os.getenv('OPENAI_API_KEY')"),
		"a status of both":        livenessGet("/_health", "http").With("readinessProbe.httpGet.path", "/_health"),
	}},
	"startup-checks-dependencies": {[]report{
		{name: "the readiness probe's endpoint", values: chart.Values{"startupProbe.httpGet": chart.Map{"path": "/ready/", "port": 8000}}, at: "startupProbe"},
		{name: "PostgreSQL", values: chart.Values{"startupProbe.exec.command": chart.List{"pg_isready"}}, at: "startupProbe"},
	}, map[string]chart.Values{
		"another endpoint": {"startupProbe.httpGet.path": "/started"},
	}},
	"probe-without-handler": {[]report{
		{name: "none", values: chart.Values{"startupProbe.httpGet": nil}, at: "startupProbe.httpGet"},
	}, map[string]chart.Values{
		"no probe": {"startupProbe": nil}, "another handler": {"startupProbe": chart.Map{"httpGet": nil, "tcpSocket": chart.Map{"port": "http"}}},
	}},
	"probe-port-unknown": {[]report{
		{name: "a name with a mistake", values: chart.Values{"livenessProbe.httpGet.port": "htpp"}, at: "livenessProbe.httpGet.port"},
		{name: "metrics without the port", values: chart.Values{"metricsPort": nil, "readinessProbe.httpGet.port": "metrics"}, at: "readinessProbe.httpGet.port"},
		{name: "a connection", values: chart.Values{"startupProbe.tcpSocket.port": "grpc"}, at: "startupProbe.tcpSocket.port"},
		{name: "a port of another container", values: chart.Values{"livenessProbe.httpGet.port": "admin", "extraContainers": chart.List{chart.Map{"name": "a", "image": "a:1", "ports": chart.List{chart.Map{"name": "admin", "containerPort": 1}}}}}, at: "livenessProbe.httpGet.port"},
	}, map[string]chart.Values{
		"names of the chart": {"livenessProbe.httpGet.port": "metrics", "readinessProbe.httpGet.port": "http"},
		"another host":       livenessGet("/health", "a").With("livenessProbe.httpGet.host", "127.0.0.1"),
		"a command":          livenessCommand("/alive"),
		"no probe":           {"livenessProbe": nil},
	}},
	"probe-port-undeclared": {[]report{
		{name: "the previous containerPort", values: chart.Values{"containerPort": 8080, "livenessProbe.httpGet.port": 8000}, at: "livenessProbe.httpGet.port"},
		{name: "gRPC", values: chart.Values{"readinessProbe.grpc.port": 7000}, at: "readinessProbe.grpc.port"},
		{name: "no second listener", values: chart.Values{"metricsPort": nil, "startupProbe.httpGet.port": 9090}, at: "startupProbe.httpGet.port"},
	}, map[string]chart.Values{
		"numbers of the chart":        {"livenessProbe.httpGet.port": 9090, "readinessProbe.httpGet.port": 8000},
		"a port of another container": {"livenessProbe.httpGet.port": 15021, "extraContainers": chart.List{chart.Map{"name": "a", "image": "a:1", "ports": chart.List{chart.Map{"containerPort": 15021}}}}},
	}},

	// Resources.
	"request-exceeds-limit": {[]report{
		{name: "a request over the limit", values: chart.Values{"resources.requests.memory": "4Gi"}, at: "resources.limits.memory"},
		{name: "a schedule over its limit", values: chart.Values{"schedules.a": chart.Map{"resources": chart.Map{"limits": chart.Map{"memory": "256Mi"}}, "schedule": "@daily", "task": "a"}}, at: "schedules.a.resources.limits.memory"},
		{name: "in other units", values: chart.Values{"resources.requests.cpu": "2001m"}, at: "resources.limits.cpu"},
	}, map[string]chart.Values{
		"no CPU limit":      {"resources.limits.cpu": nil},
		"equal, other unit": {"resources.requests": chart.Map{"cpu": 2, "memory": "2048Mi"}},
	}},

	"tmp-size": {[]report{
		{name: "thousandths of a byte", values: chart.Values{"tmp.sizeLimit": "100m"}, at: "tmp.sizeLimit"},
		{name: "one byte", values: chart.Values{"tmp.sizeLimit": "1"}, at: "tmp.sizeLimit"},
		{name: "no byte", values: chart.Values{"tmp.sizeLimit": "0"}, at: "tmp.sizeLimit"},
		{name: "a few files", values: chart.Values{"tmp.sizeLimit": "5Ki"}, at: "tmp.sizeLimit"},
		{name: "too small by one", values: chart.Values{"tmp.sizeLimit": "67108863"}, at: "tmp.sizeLimit"},
		{name: "larger than a node's disk", values: chart.Values{"tmp.sizeLimit": "1Pi"}, at: "tmp.sizeLimit"},
		{name: "a limit of the container below it", values: chart.Values{"resources.limits": chart.Map{"ephemeral-storage": "512Mi"}}, at: "resources.limits.ephemeral-storage"},
		{name: "a limit of a schedule below it", values: chart.Values{"schedules.a": chart.Map{"resources": chart.Map{"limits": chart.Map{"ephemeral-storage": "1G"}}, "schedule": "@daily", "task": "a"}}, at: "schedules.a.resources.limits.ephemeral-storage"},
	}, map[string]chart.Values{
		"the smallest":                 {"tmp.sizeLimit": "64Mi"},
		"a limit with space for logs":  {"resources.limits": chart.Map{"ephemeral-storage": "2Gi"}},
		"a request that is overridden": {"resources.requests": chart.Map{"ephemeral-storage": "2Gi"}},
	}},
	"volume-size": {[]report{
		{name: "thousandths of a byte", values: emptyDir("cache", chart.Map{"sizeLimit": "500m"}), at: "volumes[0].emptyDir.sizeLimit"},
		{name: "a few files", values: emptyDir("cache", chart.Map{"sizeLimit": "512Ki"}), at: "volumes[0].emptyDir.sizeLimit"},
		{name: "a small volume called tmp", values: emptyDir("tmp", chart.Map{"sizeLimit": "5Mi"}), at: "volumes[0].emptyDir.sizeLimit"},
		{name: "a small volume at /tmp", values: emptyDir("scratch", chart.Map{"sizeLimit": "5Mi"}).With("volumeMounts", chart.List{chart.Map{"mountPath": "/tmp/", "name": "scratch"}}), at: "volumes[0].emptyDir.sizeLimit"},
	}, map[string]chart.Values{
		"sockets":     emptyDir("sockets", chart.Map{"sizeLimit": "1Mi"}),
		"no limit":    emptyDir("cache", chart.Map{}),
		"no emptyDir": {"volumes": chart.List{chart.Map{"configMap": chart.Map{"name": "a"}, "name": "a"}}},
	}},
	"memory-volume-exceeds-limit": {[]report{
		{name: "as large as the limit", values: emptyDir("tmp", chart.Map{"medium": "Memory", "sizeLimit": "2Gi"}), at: "volumes[0].emptyDir.sizeLimit"},
		{name: "larger than the limit", values: emptyDir("dshm", chart.Map{"medium": "Memory", "sizeLimit": "16Gi"}), at: "volumes[0].emptyDir.sizeLimit"},
		{name: "/dev/shm as large as the limit", values: chart.Values{"sharedMemory.sizeLimit": "2Gi"}, at: "sharedMemory.sizeLimit"},
		{name: "/dev/shm of a worker", values: worker("queue", chart.Map{"sharedMemory": chart.Map{"sizeLimit": "4Gi"}}), at: "workers.queue.sharedMemory.sizeLimit"},
		{name: "/dev/shm of a schedule with less memory", values: chart.Values{"sharedMemory.sizeLimit": "1Gi", "schedules.a": dailyWith("resources", memoryLimit("1Gi"))}, at: "schedules.a.resources.limits.memory"},
		{name: "a volume of a job with less memory", values: emptyDir("dshm", chart.Map{"medium": "Memory", "sizeLimit": "1Gi"}).And(job("a", chart.Map{"resources": memoryLimit("512Mi")})), at: "jobs.a.resources.limits.memory"},
		{name: "/dev/shm of the server and of a schedule with its limit", values: chart.Values{"sharedMemory.sizeLimit": "2Gi", "schedules.a": daily}, at: "sharedMemory.sizeLimit"},
	}, map[string]chart.Values{
		"smaller":                   emptyDir("dshm", chart.Map{"medium": "Memory", "sizeLimit": "1Gi"}),
		"smaller /dev/shm":          {"sharedMemory.sizeLimit": "1Gi"},
		"no memory limit":           emptyDir("dshm", chart.Map{"medium": "Memory", "sizeLimit": "16Gi"}).With("resources.limits.memory", nil),
		"more memory in a schedule": {"sharedMemory.sizeLimit": "1Gi", "schedules.a": dailyWith("resources", memoryLimit("4Gi"))},
		"on disk":                   emptyDir("cache", chart.Map{"sizeLimit": "16Gi"}),
	}},

	// Volumes.
	"claim-incomplete": {[]report{
		{name: "neither", values: volume(chart.Map{"mountPath": "/data"}), at: "persistence.data.spec"},
		{name: "both", values: onePod.And(volume(claim("ReadWriteMany", chart.Map{"existingClaim": "mine"}))), at: "persistence.data.existingClaim"},
		{name: "no path", values: volume(chart.Map{"existingClaim": "mine"}).With("validation.skip", chart.List{"claim-access-unknown"}), at: "persistence.data"},
		{name: "no access mode", values: volume(chart.Map{"mountPath": "/data", "spec": chart.Map{"resources": chart.Map{"requests": chart.Map{"storage": "1Gi"}}}}), at: "persistence.data.spec"},
		{name: "no size", values: volume(chart.Map{"mountPath": "/data", "spec": chart.Map{"accessModes": chart.List{"ReadWriteMany"}}}), at: "persistence.data.spec"},
		{name: "an existing claim for each pod", values: volume(chart.Map{"mountPath": "/data", "existingClaim": "mine", "perPod": true}), at: "persistence.data.perPod"},
		{name: "claims of pods that are kept and deleted", values: chart.Values{
			"persistence.a": claim("ReadWriteOnce", chart.Map{"mountPath": "/a", "perPod": true}),
			"persistence.b": claim("ReadWriteOnce", chart.Map{"mountPath": "/b", "perPod": true, "retain": false}),
		}, at: "persistence.b.retain"},
		{name: "a worker that adds a claim to the server's", values: singleton.And(volume(claim("ReadWriteMany", nil))).And(worker("queue", chart.Map{
			"persistence": chart.Map{"data": chart.Map{"existingClaim": "mine"}}, "singleton": true,
		})), at: "workers.queue.persistence.data.existingClaim"},
		{name: "a worker that keeps the server's claim", values: ofServer(chart.Map{"retain": true}), at: "workers.queue.persistence.data.retain"},
		{name: "a worker with labels and annotations for the server's claim", values: ofServer(chart.Map{"labels": chart.Map{"tier": "a"}, "annotations": chart.Map{"backup": "daily"}}),
			at: "workers.queue.persistence.data.labels", also: []string{"claim-incomplete workers.queue.persistence.data.annotations"}},
	}, map[string]chart.Values{
		"a claim":                            volume(claim("ReadWriteMany", nil)),
		"an existing claim":                  volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"}),
		"a null that removes a volume":       volume(nil),
		"a null that removes the spec":       volume(chart.Map{"mountPath": "/data", "existingClaim": "mine", "spec": nil}),
		"claims of pods that are all kept":   {"persistence.a": claim("ReadWriteOnce", chart.Map{"mountPath": "/a", "perPod": true}), "persistence.b": claim("ReadWriteOnce", chart.Map{"mountPath": "/b", "perPod": true})},
		"a worker with another path":         ofServer(chart.Map{"mountPath": "/queue", "retain": nil}),
		"a worker that keeps its own claim":  ofServer(claim("ReadWriteMany", chart.Map{"retain": true, "labels": chart.Map{"tier": "a"}})),
		"claims of the pods of a worker":     ofServer(chart.Map{"retain": false}).With("persistence.data.perPod", true),
		"another claim of the server is not": {"persistence.a": claim("ReadWriteOnce", chart.Map{"mountPath": "/a", "perPod": true}), "persistence.b": claim("ReadWriteMany", chart.Map{"mountPath": "/b", "retain": false})},
	}},
	"claim-name-taken": {[]report{
		{name: "a worker's claim called like one of the server", at: "workers.queue.persistence.data",
			values: chart.Values{"persistence.queue-data": claim("ReadWriteMany", nil)}.And(worker("queue", chart.Map{"persistence": chart.Map{"data": claim("ReadWriteMany", chart.Map{"mountPath": "/queue"})}}))},
	}, map[string]chart.Values{
		"one claim, mounted by both": volume(claim("ReadWriteMany", nil)).And(worker("queue", nil)),
		"a claim of each":            ofServer(claim("ReadWriteMany", nil)),
		"an existing claim": chart.Values{"persistence.queue-data": chart.Map{"mountPath": "/a", "existingClaim": "mine"}, "validation.skip": chart.List{"claim-access-unknown"}}.And(
			worker("queue", chart.Map{"persistence": chart.Map{"data": claim("ReadWriteMany", nil)}})),
	}},
	"claim-of-one-node": {[]report{
		{name: "several pods", values: volume(claim("ReadWriteOnce", nil)), at: atModes},
		{name: "several pods that scale to one", values: volume(claim("ReadWriteOnce", nil)).And(chart.Values{
			"autoscaling.minReplicas": 1, "podDisruptionBudget.enabled": false,
		}), at: atModes},
		{name: "several pods without a surge", values: volume(claim("ReadWriteOnce", nil)).And(noSurge), at: atModes},
		{name: "one pod with a surge", values: onePod.And(volume(claim("ReadWriteOnce", nil))), at: atModes},
		{name: "one pod with a surge by default", values: onePod.And(volume(claim("ReadWriteOnce", nil))).With("strategy.rollingUpdate.maxSurge", nil), at: atModes},
		{name: "one pod with a surge, for one pod", values: onePod.And(volume(claim("ReadWriteOncePod", nil))), at: atModes},
		{name: "an unknown number of pods", values: chart.Values{"autoscaling.enabled": false, "replicaCount": nil, "podDisruptionBudget.enabled": false}.And(volume(claim("ReadWriteOnce", nil))), at: atModes},
		{name: "a worker shares it", values: singleton.And(volume(claim("ReadWriteOnce", nil))).And(worker("queue", chart.Map{"singleton": true})), at: atModes},
		{name: "a schedule shares it", values: singleton.And(volume(claim("ReadWriteOnce", nil))).And(aSchedule), at: atModes},
		{name: "several pods of a worker", values: worker("queue", chart.Map{"replicaCount": 2, "persistence": chart.Map{"own": claim("ReadWriteOnce", nil)}}), at: "workers.queue.persistence.own.spec.accessModes"},
		{name: "a rollout of a worker", values: worker("queue", chart.Map{"persistence": chart.Map{"own": claim("ReadWriteOnce", nil)}}), at: "workers.queue.persistence.own.spec.accessModes"},
	}, map[string]chart.Values{
		"a singleton":                 singleton.And(volume(claim("ReadWriteOnce", nil))),
		"one pod, replaced":           onePod.And(volume(claim("ReadWriteOnce", nil))).With("strategy", chart.Map{"type": "Recreate"}),
		"one pod without a surge":     onePod.And(volume(claim("ReadWriteOncePod", nil))).And(noSurge),
		"a claim for many":            volume(claim("ReadWriteMany", nil)),
		"a claim for many readers":    volume(claim("ReadOnlyMany", chart.Map{"readOnly": true})),
		"a claim for each pod":        volume(claim("ReadWriteOnce", chart.Map{"perPod": true})),
		"a worker without it":         singleton.And(volume(claim("ReadWriteOnce", nil))).And(worker("queue", chart.Map{"persistence": chart.Map{"data": nil}})),
		"a schedule without it":       singleton.And(volume(claim("ReadWriteOnce", nil))).With("schedules.a", chart.Map{"schedule": "@daily", "task": "a", "persistence": chart.Map{"data": nil}}),
		"a claim of a worker's own":   worker("queue", chart.Map{"singleton": true, "persistence": chart.Map{"own": claim("ReadWriteOnce", nil)}}),
		"two claims for two":          singleton.And(volume(claim("ReadWriteOnce", nil))).And(worker("queue", chart.Map{"singleton": true, "persistence": chart.Map{"data": claim("ReadWriteOnce", nil)}})),
		"a worker with no pod":        singleton.And(volume(claim("ReadWriteOnce", nil))).And(worker("queue", chart.Map{"replicaCount": 0, "podDisruptionBudget": chart.Map{"enabled": false}})),
		"one claim for each of a set": volume(claim("ReadWriteOnce", chart.Map{"perPod": true})).And(aSchedule),
	}},
	"claim-access-unknown": {[]report{
		{name: "several pods", values: volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"}), at: "persistence.data.existingClaim"},
		{name: "one pod with a surge", values: onePod.And(volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"})), at: "persistence.data.existingClaim"},
		{name: "two volumes of one claim", values: volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"}).With("persistence.more", chart.Map{"mountPath": "/more", "existingClaim": "mine"}), at: "persistence.data.existingClaim"},
	}, map[string]chart.Values{
		"a singleton": singleton.And(volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"})),
		"two volumes of one claim of a singleton": singleton.And(volume(chart.Map{"mountPath": "/data", "existingClaim": "mine"})).With("persistence.more", chart.Map{"mountPath": "/more", "existingClaim": "mine"}),
	}},
	"stateful-name-too-long": {[]report{
		{name: "53 characters", values: volume(claim("ReadWriteOnce", chart.Map{"perPod": true})).With("fullnameOverride", strings.Repeat("a", 53)), at: "persistence"},
		{name: "a worker's", values: worker("queue", chart.Map{"persistence": chart.Map{"data": claim("ReadWriteOnce", chart.Map{"perPod": true})}}).With("fullnameOverride", strings.Repeat("a", 50)), at: "workers.queue.persistence"},
	}, map[string]chart.Values{
		"52 characters":                 volume(claim("ReadWriteOnce", chart.Map{"perPod": true})).With("fullnameOverride", strings.Repeat("a", 52)),
		"53 characters of a Deployment": {"fullnameOverride": strings.Repeat("a", 53)},
	}},
	"mount-path-taken": {[]report{
		{name: "a Secret at /tmp", values: chart.Values{"secret.mountPath": "/tmp"}, at: "secret.mountPath"},
		{name: "a Secret at /tmp/", values: chart.Values{"secret.mountPath": "/tmp/"}, at: "secret.mountPath"},
		{name: "a Secret at /", values: chart.Values{"secret.mountPath": "/"}, at: "secret.mountPath"},
		{name: "a file in the folder of the Secret", values: chart.Values{"secret.mountPath": "/etc/agent", "configFiles.a": chart.Map{"mountPath": "/etc/agent/a.yaml", "content": "a"}}, at: "configFiles.a.mountPath"},
		{name: "a claim at /tmp", values: volume(claim("ReadWriteMany", chart.Map{"mountPath": "/tmp"})), at: "persistence.data.mountPath"},
		{name: "a file in the place of shared memory", values: chart.Values{"sharedMemory.sizeLimit": "1Gi", "configFiles.a": chart.Map{"mountPath": "/dev/shm/", "content": "a"}}, at: "configFiles.a.mountPath"},
		{name: "two files", values: chart.Values{"configFiles.a": chart.Map{"mountPath": "/a", "content": "a"}, "configFiles.b": chart.Map{"mountPath": "/a", "content": "b"}}, at: "configFiles.b.mountPath"},
		{name: "two folders", values: chart.Values{"writableDirs": chart.List{"/a", "/a/"}}, at: "writableDirs[1]"},
		{name: "a folder and a claim", values: volume(claim("ReadWriteMany", nil)).With("writableDirs", chart.List{"/data"}), at: "persistence.data.mountPath"},
		{name: "a mount and a claim", values: volume(claim("ReadWriteMany", nil)).And(mountOf("/data")), at: "volumeMounts[0].mountPath"},
	}, map[string]chart.Values{
		"a file next to the Secret":      {"secret.mountPath": "/etc/agent", "configFiles.a": chart.Map{"mountPath": "/etc/agent.yaml", "content": "a"}},
		"a Secret in /tmp":               {"secret.mountPath": "/tmp/secrets"},
		"a folder in another":            {"writableDirs": chart.List{"/a", "/a/b", "/tmp/c"}},
		"your own volume at /tmp":        mountOf("/tmp"),
		"your own volume at /dev/shm":    mountOf("/dev/shm"),
		"a claim in the place of /tmp":   volume(claim("ReadWriteMany", chart.Map{"mountPath": "/tmp/cache"})),
		"a file that is removed by null": {"configFiles.a": chart.Map{"mountPath": "/a", "content": "a"}, "configFiles.b": nil},
	}},
	"volume-name-taken": {[]report{
		{name: "the name of the Secret's volume", values: chart.Values{"secret.mountPath": "/s", "volumes": chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "secrets"}}}, at: "volumes"},
		{name: "a claim called tmp", values: chart.Values{"persistence.tmp": claim("ReadWriteMany", nil)}, at: "persistence.tmp"},
		{name: "a claim and a volume", values: volume(claim("ReadWriteMany", nil)).With("volumes", chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "data"}}), at: "persistence.data"},
		{name: "a claim of each pod and a volume", values: volume(claim("ReadWriteMany", chart.Map{"perPod": true})).With("volumes", chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "data"}}), at: "persistence.data"},
		{name: "shared memory and a volume", values: chart.Values{"sharedMemory.sizeLimit": "1Gi", "volumes": chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "shm"}}}, at: "volumes"},
	}, map[string]chart.Values{
		"the only volume of the Secret's name": {"volumes": chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "secrets"}}},
		"a volume of another name":             {"secret.mountPath": "/s", "volumes": chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "scratch"}}},
		"your own tmp":                         {"volumes": chart.List{chart.Map{"emptyDir": chart.Map{}, "name": "tmp"}}},
	}},
	"config-files-too-large": {[]report{
		{name: "two files", values: chart.Values{
			"configFiles.a": chart.Map{"mountPath": "/a", "content": strings.Repeat("a", 1<<19)}, "configFiles.b": chart.Map{"mountPath": "/b", "content": strings.Repeat("b", 1<<19+1)},
		}, at: "configFiles"},
	}, map[string]chart.Values{
		"as large as possible": {"configFiles.a": chart.Map{"mountPath": "/a", "content": strings.Repeat("a", 1<<20)}},
	}},

	// Traffic.
	"ingress-without-hosts": {[]report{
		{name: "enabled without a host", values: chart.Values{"ingress.enabled": true}, at: "ingress.hosts"},
	}, map[string]chart.Values{
		"enabled with a host":     aHost.With("ingress.enabled", true),
		"disabled without a host": {"ingress.enabled": false},
		"null without a host":     {"ingress.enabled": nil},
	}},
	"ingress-class-conflict": {[]report{
		{name: "two classes", values: chart.Values{"ingress.className": "nginx", "ingress.annotations": chart.Map{"kubernetes.io/ingress.class": "alb"}}, at: "ingress.className"},
	}, map[string]chart.Values{
		"the same class twice": {"ingress.className": "nginx", "ingress.annotations": chart.Map{"kubernetes.io/ingress.class": "nginx"}},
		"the annotation alone": {"ingress.annotations": chart.Map{"kubernetes.io/ingress.class": "alb"}},
	}},
	"ingress-controller-unknown": {[]report{
		{name: "an unknown class", values: aHost.With("ingress.className", "internal"), at: "ingress.className"},
		{name: "Contour", values: aHost.With("ingress.className", "contour"), at: "ingress.className"},
		{name: "another annotation", values: aHost.And(annotated("a", "b")).With("ingress.className", "contour"), at: "ingress.className"},
		{name: "an annotation that Contour does not read", values: aHost.And(annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "900")).With("ingress.className", "contour"), at: "ingress.className"},
		{name: "an annotation that Cilium does not read", values: aHost.And(annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "900")).With("ingress.className", "cilium"), at: "ingress.className"},
		{name: "a class in an annotation", values: aHost.And(annotated("kubernetes.io/ingress.class", "contour")), at: "ingress.className"},
	}, map[string]chart.Values{
		"an unknown class of a known controller": aHost.And(chart.Values{"ingress.className": "internal", "ingress.controller": "nginx"}),
		"an unknown class without a host":        {"ingress.className": "internal"},
		"an unknown class with a timeout":        aHost.And(annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "900")).With("ingress.className", "internal"),
		"Contour with a timeout":                 aHost.And(annotated("projectcontour.io/response-timeout", "infinity")).With("ingress.className", "contour"),
	}},
	"timeout-annotation-too-short": {[]report{
		{name: "nginx, read", values: aHost.And(annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "60")), at: `ingress.annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]`},
		{name: "nginx, send", values: aHost.And(annotated("nginx.ingress.kubernetes.io/proxy-send-timeout", "60")), at: `ingress.annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"]`},
		{name: "nginx, too short by one", values: annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "299"), at: `ingress.annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]`},
		{name: "nginx, with a unit, which it ignores", values: annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "5m"), at: `ingress.annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]`},
		{name: "nginx, a snippet that cannot be read", values: annotated("nginx.ingress.kubernetes.io/server-snippet", "proxy_read_timeout $t;"), at: `ingress.annotations["nginx.ingress.kubernetes.io/server-snippet"]`},
		{name: "nginx, snippet", values: annotated("nginx.ingress.kubernetes.io/configuration-snippet", "proxy_read_timeout 10s;"), at: `ingress.annotations["nginx.ingress.kubernetes.io/configuration-snippet"]`},
		{name: "nginx, the second directive", at: `ingress.annotations["nginx.ingress.kubernetes.io/configuration-snippet"]`,
			values: annotated("nginx.ingress.kubernetes.io/configuration-snippet", "proxy_read_timeout 900s; proxy_send_timeout 5s;")},
		{name: "nginx, the second snippet", at: `ingress.annotations["nginx.ingress.kubernetes.io/server-snippet"]`, values: chart.Values{"ingress.annotations": chart.Map{
			"nginx.ingress.kubernetes.io/configuration-snippet": "proxy_read_timeout 1h;", "nginx.ingress.kubernetes.io/server-snippet": "proxy_read_timeout 1m;",
		}}},
		{name: "nginx, in a block, after a comment", at: `ingress.annotations["nginx.ingress.kubernetes.io/server-snippet"]`,
			values: annotated("nginx.ingress.kubernetes.io/server-snippet", "location /v1/runs {# long enough?\nproxy_read_timeout\n  '2m 5s'\n;}")},
		{name: "nginx, after a comment with a quote", at: `ingress.annotations["nginx.ingress.kubernetes.io/server-snippet"]`,
			values: annotated("nginx.ingress.kubernetes.io/server-snippet", "# don't\nproxy_read_timeout 5s; # can't")},
		{name: "nginx of F5, a snippet", at: `ingress.annotations["nginx.org/location-snippets"]`,
			values: annotated("nginx.org/location-snippets", "proxy_read_timeout 1d;\nproxy_send_timeout 30;\n")},
		{name: "Kong", values: chart.Values{"service.annotations": chart.Map{"konghq.com/read-timeout": "60000"}}, at: `service.annotations["konghq.com/read-timeout"]`},
		{name: "Contour", values: annotated("projectcontour.io/response-timeout", "15s"), at: `ingress.annotations["projectcontour.io/response-timeout"]`},
		{name: "nginx of F5", values: annotated("nginx.org/proxy-read-timeout", "10s"), at: `ingress.annotations["nginx.org/proxy-read-timeout"]`},
		{name: "HAProxy", values: aHost.And(annotated("haproxy.org/timeout-server", "1m")), at: `ingress.annotations["haproxy.org/timeout-server"]`},
		{name: "HAProxy, milliseconds by default", values: aHost.And(annotated("haproxy-ingress.github.io/timeout-server", "50000")), at: `ingress.annotations["haproxy-ingress.github.io/timeout-server"]`},
		{name: "HAProxy, milliseconds", values: aHost.And(annotated("haproxy.org/timeout-server", "60000ms")), at: `ingress.annotations["haproxy.org/timeout-server"]`},
		{name: "OpenShift's router", values: annotated("haproxy.router.openshift.io/timeout", "30s"), at: `ingress.annotations["haproxy.router.openshift.io/timeout"]`},
		{name: "ALB, idle timeout", values: aHost.And(annotated(albAttributes, "idle_timeout.timeout_seconds=120")), at: `ingress.annotations["` + albAttributes + `"]`},
		{name: "ALB, without idle timeout", values: aHost.And(annotated(albAttributes, "routing.http2.enabled=true")), at: `ingress.annotations["` + albAttributes + `"]`},
		{name: "ALB, drain", values: annotated(albTargets, "deregistration_delay.timeout_seconds=30"), at: `ingress.annotations["` + albTargets + `"]`},
		{name: "ALB, drain left to AWS", values: annotated(albTargets, "stickiness.enabled=true").With("agent.maxRunSeconds", 900), at: `ingress.annotations["` + albTargets + `"]`},
		{name: "nginx, send, with a unit", values: annotated("nginx.ingress.kubernetes.io/proxy-send-timeout", "1h"), at: `ingress.annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"]`},
		{name: "load balancer of a Service, with a unit", values: chart.Values{"service.annotations": chart.Map{awsIdle: "1h"}}, at: `service.annotations["` + awsIdle + `"]`},
		{name: "load balancer of a Service", values: chart.Values{"service.annotations": chart.Map{awsIdle: "30"}}, at: `service.annotations["` + awsIdle + `"]`},
	}, map[string]chart.Values{
		"HAProxy, just long enough":            annotated("haproxy.org/timeout-server", "5m"),
		"HAProxy, in milliseconds":             annotated("haproxy.org/timeout-server", "300000ms"),
		"HAProxy, milliseconds, no unit":       annotated("haproxy.org/timeout-server", "300000"),
		"HAProxy, in days":                     annotated("haproxy.org/timeout-server", "1d"),
		"nginx, just long enough":              annotated("nginx.ingress.kubernetes.io/proxy-read-timeout", "300"),
		"ALB, with idle timeout":               annotated(albAttributes, "a=b,idle_timeout.timeout_seconds=300"),
		"a Service's load balancer, its limit": {"service.annotations": chart.Map{awsIdle: "4000"}, "agent.maxRunSeconds": 5000},
		"ALB, its limit":                       annotated(albAttributes, "idle_timeout.timeout_seconds=4000").With("agent.maxRunSeconds", 5000),
		"ALB, drain left to AWS":               annotated(albTargets, "stickiness.enabled=true"),
		"nginx, seconds without a unit":        annotated("nginx.ingress.kubernetes.io/configuration-snippet", "proxy_read_timeout 3600;\nproxy_send_timeout 3600;\n"),
		"nginx, a week":                        annotated("nginx.ingress.kubernetes.io/configuration-snippet", "proxy_read_timeout 1w;"),
		"nginx, a comment":                     annotated("nginx.ingress.kubernetes.io/configuration-snippet", "# proxy_read_timeout 5s;\nproxy_read_timeout 1h; # not proxy_read_timeout 5s;"),
		"nginx, another directive":             annotated("nginx.ingress.kubernetes.io/configuration-snippet", `grpc_read_timeout 5s; proxy_set_header X "proxy_read_timeout 5s;";`),
		"nginx, a directive in a text":         annotated("nginx.ingress.kubernetes.io/configuration-snippet", `add_header X "a; proxy_read_timeout 5s;"; add_header Y 'b\'; proxy_read_timeout 5s;';`),
		"Contour, no limit":                    annotated("projectcontour.io/response-timeout", "infinity"),
		"a timeout to connect":                 annotated("nginx.ingress.kubernetes.io/proxy-connect-timeout", "5"),
		"any other annotation":                 annotated("nginx.ingress.kubernetes.io/proxy-body-size", "8m"),
		"an annotation removed by a null":      aHost.With("ingress.annotations.a", nil),
	}},
	"route-without-gateway": {[]report{
		{name: "no gateway", values: chart.Values{"httpRoute.enabled": true}, at: "httpRoute.parentRefs"},
	}, map[string]chart.Values{
		"a listener with a long name": {"httpRoute.enabled": true, "httpRoute.parentRefs": chart.List{chart.Map{"name": "a", "sectionName": "https.public"}}},
		"no route":                    {"httpRoute.enabled": false},
	}},
	"route-timeout-too-short": {[]report{
		{name: "request", values: chart.Values{"httpRoute.timeouts": chart.Map{"request": "1m"}}, at: "httpRoute.timeouts.request"},
		{name: "backendRequest", values: chart.Values{"httpRoute.timeouts": chart.Map{"backendRequest": "4m59s"}}, at: "httpRoute.timeouts.backendRequest"},
	}, map[string]chart.Values{
		"no limit":               {"httpRoute.timeouts": chart.Map{"request": "0s"}},
		"no limit, in minutes":   {"httpRoute.timeouts": chart.Map{"request": "0m"}},
		"just long enough, both": {"httpRoute.timeouts": chart.Map{"backendRequest": "300s", "request": "5m"}},
	}},
	"route-timeout-order": {[]report{
		{name: "backendRequest over request", values: chart.Values{"httpRoute.timeouts": chart.Map{"backendRequest": "400s", "request": "310s"}}, at: "httpRoute.timeouts.backendRequest"},
	}, map[string]chart.Values{
		"equal, other unit": {"httpRoute.timeouts": chart.Map{"backendRequest": "300s", "request": "5m"}},
		"no limit":          {"httpRoute.timeouts": chart.Map{"backendRequest": "400s", "request": "0s"}},
	}},
	"service-field-conflict": {[]report{
		{name: "externalTrafficPolicy", values: chart.Values{"service.externalTrafficPolicy": "Local"}, at: "service.externalTrafficPolicy"},
		{name: "nodePort", values: chart.Values{"service.nodePort": 30080}, at: "service.nodePort"},
		{name: "loadBalancerSourceRanges", values: namedClient.And(chart.Values{"service.type": "NodePort", "service.loadBalancerSourceRanges": chart.List{"10.0.0.0/8"}}), at: "service.loadBalancerSourceRanges"},
		{name: "loadBalancerClass", values: chart.Values{"service.loadBalancerClass": "a/b"}, at: "service.loadBalancerClass"},
		{name: "loadBalancerIP", values: chart.Values{"service.loadBalancerIP": "10.0.0.1"}, at: "service.loadBalancerIP"},
		{name: "allocateLoadBalancerNodePorts", values: chart.Values{"service.allocateLoadBalancerNodePorts": false}, at: "service.allocateLoadBalancerNodePorts"},
		{name: "healthCheckNodePort", values: namedClient.And(chart.Values{"service.type": "LoadBalancer", "service.healthCheckNodePort": 30080}), at: "service.healthCheckNodePort"},
		{name: "sessionAffinityConfig", values: chart.Values{"service.sessionAffinityConfig": chart.Map{"clientIP": chart.Map{"timeoutSeconds": 60}}}, at: "service.sessionAffinityConfig"},
		{name: "clusterIP", values: namedClient.And(chart.Values{"service.type": "NodePort", "service.clusterIP": "None"}), at: "service.clusterIP"},
		{name: "ipFamilies", values: chart.Values{"service.ipFamilies": chart.List{"IPv4", "IPv6"}}, at: "service.ipFamilies"},
	}, map[string]chart.Values{
		"a load balancer with all of them": namedClient.And(chart.Values{
			"service.type": "LoadBalancer", "service.externalTrafficPolicy": "Local", "service.nodePort": 30080, "service.healthCheckNodePort": 30081,
			"service.loadBalancerSourceRanges": chart.List{"10.0.0.0/8"}, "service.loadBalancerClass": "a/b",
			"service.loadBalancerIP": "10.0.0.1", "service.allocateLoadBalancerNodePorts": false,
		}),
		"no cluster IP": {"service.clusterIP": "None"},
		"two families":  {"service.ipFamilies": chart.List{"IPv4", "IPv6"}, "service.ipFamilyPolicy": "PreferDualStack"},
		"affinity":      {"service.sessionAffinity": "ClientIP", "service.sessionAffinityConfig": chart.Map{"clientIP": chart.Map{"timeoutSeconds": 60}}},
		"empty fields":  {"service.externalTrafficPolicy": "", "service.loadBalancerSourceRanges": chart.List{}, "service.nodePort": nil},
	}},
	"service-required": {[]report{
		{name: "an Ingress", values: aHost.And(noProbes).With("service.enabled", false), at: "service.enabled"},
		{name: "a route and a monitor", values: aGateway.And(noProbes).And(chart.Values{"service.enabled": false, "serviceMonitor.enabled": true}), at: "service.enabled"},
		{name: "no port for metrics", values: noProbes.And(chart.Values{"service.enabled": false, "podMonitor.enabled": true, "metricsPort": nil}), at: "service.enabled"},
	}, map[string]chart.Values{
		"nothing that needs it": noProbes.With("service.enabled", false),
		"metrics of its own":    noProbes.And(chart.Values{"service.enabled": false, "podMonitor.enabled": true}),
	}},
	"client-address-hidden": {[]report{
		{name: "LoadBalancer", values: namedClient.With("service.type", "LoadBalancer"), at: "service.externalTrafficPolicy"},
		{name: "NodePort", values: namedClient.And(chart.Values{"service.type": "NodePort", "service.externalTrafficPolicy": "Cluster"}), at: "service.externalTrafficPolicy"},
	}, map[string]chart.Values{
		"kept":                namedClient.And(chart.Values{"service.type": "LoadBalancer", "service.externalTrafficPolicy": "Local"}),
		"no policy":           {"service.type": "LoadBalancer", "networkPolicy.enabled": false},
		"only in the cluster": namedClient,
		"no addresses at all": nil,
		"any client of the agent": {"service.type": "LoadBalancer", "networkPolicy.extraIngress": chart.List{chart.Map{
			"from": chart.List{aBlock("192.0.2.0/24")}, "ports": chart.List{chart.Map{"port": 8080}}}}},
	}},
	"clients-blocked-by-policy": {[]report{
		{name: "LoadBalancer", values: podsOnly.With("service.type", "LoadBalancer"), at: "networkPolicy.ingress.from"},
		{name: "NodePort", values: podsOnly.With("service.type", "NodePort"), at: "networkPolicy.ingress.from"},
		{name: "ALB", values: podsOnly.And(aHost).With("ingress.className", "alb"), at: "networkPolicy.ingress.from"},
		{name: "GKE", values: podsOnly.And(aHost).With("ingress.className", "gce-internal"), at: "networkPolicy.ingress.from"},
	}, map[string]chart.Values{
		"LoadBalancer":             {"service.type": "LoadBalancer"},
		"LoadBalancer and a range": {"service.type": "LoadBalancer", "networkPolicy.ingress.from": chart.List{chart.Map{"ipBlock": chart.Map{"cidr": "10.0.0.0/16"}}}},
		"LoadBalancer, no policy":  podsOnly.And(chart.Values{"service.type": "LoadBalancer", "networkPolicy.enabled": false}),
		"ALB":                      aHost.With("ingress.className", "alb"),
		"nginx":                    podsOnly.And(aHost),
	}},
	"alb-idle-limit": {[]report{
		{name: "a run over the limit", values: aHost.And(chart.Values{"ingress.className": "alb", "agent.maxRunSeconds": 5000}), at: "agent.maxRunSeconds",
			also: []string{"load-balancer-drain-limit agent.maxRunSeconds", "run-exceeds-node-drain agent.maxRunSeconds"}},
	}, map[string]chart.Values{
		"as long as the limit": aHost.And(chart.Values{"ingress.className": "alb", "agent.maxRunSeconds": 4000}),
	}},
	"gke-backend-config": {[]report{
		{name: "your BackendConfig", values: aHost.And(chart.Values{"service.annotations": chart.Map{backendConfig: "{}"}, "ingress.className": "gce"}), at: `service.annotations["` + backendConfig + `"]`},
	}, map[string]chart.Values{
		"the chart's":        aHost.With("ingress.className", "gce"),
		"another controller": aHost.With("service.annotations", chart.Map{backendConfig: "{}"}),
	}},
	"haproxy-reload": {[]report{
		{name: "a long run", values: aHost.And(chart.Values{"agent.maxRunSeconds": 700, "ingress.className": "haproxy"}), at: "agent.maxRunSeconds",
			also: []string{"run-exceeds-node-drain agent.maxRunSeconds"}},
	}, map[string]chart.Values{
		"ten minutes": aHost.And(chart.Values{"agent.maxRunSeconds": 600, "ingress.className": "haproxy"}),
	}},
	"load-balancer-drain-limit": {[]report{
		{name: "a long run", values: aHost.And(chart.Values{"agent.maxRunSeconds": 3600, "ingress.className": "gce"}), at: "agent.maxRunSeconds",
			also: []string{"run-exceeds-node-drain agent.maxRunSeconds"}},
	}, map[string]chart.Values{
		"an hour with the margin": aHost.And(chart.Values{"agent.maxRunSeconds": 3570, "ingress.className": "gce"}),
	}},
	"nginx-reload": {[]report{
		{name: "the default run", values: aHost, at: "agent.maxRunSeconds"},
	}, map[string]chart.Values{
		"a run of 240 s": aHost.With("agent.maxRunSeconds", 240),
		"no Ingress":     nil,
	}},
	"traefik-grace": {[]report{
		{name: "Traefik", values: aHost.With("ingress.className", "traefik"), at: "ingress.className"},
	}, map[string]chart.Values{
		"no Ingress": {"ingress.className": "traefik"},
	}},

	// Rollout and scaling.
	"strategy-type": {[]report{
		{name: "an unknown strategy", values: chart.Values{"strategy.type": "Rolling"}, at: "strategy.type"},
	}, map[string]chart.Values{
		"Recreate": {"strategy": chart.Map{"type": "Recreate"}},
	}},
	"rollout-stuck": {[]report{
		{name: "no pod may be removed or added", values: chart.Values{"strategy.rollingUpdate.maxSurge": "0%"}, at: "strategy.rollingUpdate"},
	}, map[string]chart.Values{
		"a pod may be removed": {"strategy.rollingUpdate": chart.Map{"maxSurge": 0, "maxUnavailable": 1}},
	}},
	"progress-deadline-too-short": {[]report{
		{name: "shorter than the grace period of a pod that must end first", values: recreate.With("progressDeadlineSeconds", 394), at: "progressDeadlineSeconds"},
		{name: "shorter than the start", values: chart.Values{"progressDeadlineSeconds": 64}, at: "progressDeadlineSeconds"},
	}, map[string]chart.Values{
		"as long as both":      recreate.With("progressDeadlineSeconds", 395),
		"as long as the start": {"progressDeadlineSeconds": 65},
		"a StatefulSet":        volume(claim("ReadWriteOnce", chart.Map{"perPod": true})).With("progressDeadlineSeconds", 64),
	}},
	"rollout-reduces-capacity": {[]report{
		{name: "pods are removed first", values: chart.Values{"strategy.rollingUpdate.maxUnavailable": "100%"}, at: "strategy"},
		{name: "all pods at once", values: chart.Values{"strategy": chart.Map{"type": "Recreate"}}, at: "strategy"},
	}, map[string]chart.Values{
		"more pods are added": {"strategy.rollingUpdate.maxSurge": "50%"},
		"0 % are removed":     {"strategy.rollingUpdate.maxUnavailable": "0%"},
	}},
	"replica-range": {[]report{
		{name: "the minimum over the maximum", values: chart.Values{"autoscaling.minReplicas": 11}, at: "autoscaling.minReplicas"},
	}, map[string]chart.Values{
		"equal":         {"autoscaling.minReplicas": 10},
		"no autoscaler": fixedCount.With("autoscaling.minReplicas", 11),
	}},
	"autoscaler-twice": {[]report{
		{name: "KEDA's", values: chart.Values{"extraObjects": chart.List{scaledObject}}, at: "autoscaling.enabled"},
		{name: "KEDA's, as a template", at: "autoscaling.enabled", values: chart.Values{"extraObjects": chart.List{
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: {name: '{{ include \"ai-agent.fullname\" . }}'}}\n",
		}}},
		{name: "a second HorizontalPodAutoscaler", values: chart.Values{"extraObjects": chart.List{chart.Map{
			"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": chart.Map{"name": "a"},
			"spec": chart.Map{"maxReplicas": 3, "scaleTargetRef": chart.Map{"apiVersion": "apps/v1", "kind": "Deployment", "name": "ai-agent"}},
		}}}, at: "autoscaling.enabled"},
	}, map[string]chart.Values{
		"KEDA alone": fixedCount.And(chart.Values{"replicaCount": nil, "extraObjects": chart.List{scaledObject}}),
		"objects of any shape": {"extraObjects": chart.List{
			chart.Map{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": chart.Map{"name": "a"}, "spec": nil},
			chart.Map{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": chart.Map{"name": "b"}, "spec": chart.Map{"scaleTargetRef": "ai-agent"}},
		}},
		"KEDA's of another Deployment": {"fullnameOverride": "other", "extraObjects": chart.List{scaledObject}},
	}},
	"replica-count-with-autoscaler": {[]report{
		{name: "KEDA", values: fixedCount.With("extraObjects", chart.List{scaledObject}), at: "replicaCount"},
	}, map[string]chart.Values{
		"no number": fixedCount.And(chart.Values{"replicaCount": nil, "extraObjects": chart.List{scaledObject}}),
	}},
	"scale-to-zero-unsupported": {[]report{
		{name: "CPU and memory alone", values: chart.Values{"autoscaling.minReplicas": 0}, at: "autoscaling.minReplicas"},
		{name: "an older Kubernetes", kube: "v1.36.3", values: queue("AverageValue").With("autoscaling.minReplicas", 0), at: "autoscaling.minReplicas"},
		{name: "a metric of pods", values: chart.Values{"autoscaling.minReplicas": 0, "autoscaling.metrics": chart.List{chart.Map{
			"type": "Pods", "pods": chart.Map{"metric": chart.Map{"name": "a"}, "target": chart.Map{"type": "AverageValue", "averageValue": "1"}},
		}}}, at: "autoscaling.minReplicas"},
	}, map[string]chart.Values{
		"the length of a queue": queue("AverageValue").With("autoscaling.minReplicas", 0),
		"no autoscaler":         fixedCount.With("autoscaling.minReplicas", 0),
	}},
	"metric-target-value": {[]report{
		{name: "External", values: queue("Value"), at: "autoscaling.metrics[0].external.target.type"},
		{name: "Object", at: "autoscaling.metrics[0].object.target.type", values: chart.Values{"autoscaling.metrics": chart.List{chart.Map{
			"type": "Object", "object": chart.Map{
				"describedObject": chart.Map{"kind": "Service", "name": "a"}, "metric": chart.Map{"name": "a"},
				"target": chart.Map{"type": "Value", "value": "1"},
			},
		}}}},
	}, map[string]chart.Values{
		"AverageValue":  queue("AverageValue"),
		"no autoscaler": fixedCount.And(queue("Value")),
	}},
	"disruption-budget-of-few-pods": {[]report{
		{name: "another autoscaler", values: fixedCount.With("replicaCount", nil), at: "podDisruptionBudget.minAvailable"},
		{name: "another autoscaler, a percentage", values: fixedCount.And(chart.Values{"replicaCount": nil, "podDisruptionBudget.minAvailable": "50%"}), at: "podDisruptionBudget.minAvailable"},
		{name: "none or one", values: queue("AverageValue").With("autoscaling.minReplicas", 0), at: "podDisruptionBudget.minAvailable"},
	}, map[string]chart.Values{
		"one may be unavailable": fixedCount.And(chart.Values{"replicaCount": nil, "podDisruptionBudget.maxUnavailable": 1}),
		"none must remain":       fixedCount.And(chart.Values{"replicaCount": nil, "podDisruptionBudget.minAvailable": 0}),
		"no budget":              fixedCount.And(chart.Values{"replicaCount": nil, "podDisruptionBudget.enabled": false}),
	}},
	"autoscaler-without-metric": {[]report{
		{name: "no metric", values: chart.Values{"autoscaling.targetCPUUtilizationPercentage": nil, "autoscaling.targetMemoryUtilizationPercentage": nil}, at: "autoscaling.metrics"},
	}, map[string]chart.Values{
		"CPU alone":    {"autoscaling.targetMemoryUtilizationPercentage": nil},
		"memory alone": {"autoscaling.targetCPUUtilizationPercentage": nil},
	}},
	"scale-down-policies-empty": {[]report{
		{name: "no policy", values: chart.Values{scaleDown + ".policies": chart.List{}}, at: scaleDown + ".policies"},
		{name: "no policy, a null", values: chart.Values{scaleDown: nil}, at: scaleDown + ".policies"},
	}, map[string]chart.Values{
		"no scaling down": {scaleDown: chart.Map{"policies": chart.List{}, "selectPolicy": "Disabled"}},
		"a policy":        {scaleDown + ".policies": chart.List{chart.Map{"type": "Pods", "value": 2, "periodSeconds": 60}}},
		"no autoscaler":   fixedCount.With(scaleDown+".policies", chart.List{}),
	}},
	"scale-down-window-too-long": {[]report{
		{name: "two hours", values: chart.Values{scaleDown + ".stabilizationWindowSeconds": 7200}, at: scaleDown + ".stabilizationWindowSeconds"},
	}, map[string]chart.Values{
		"an hour": {scaleDown + ".stabilizationWindowSeconds": 3600},
	}},
	"scale-down-window-too-short": {[]report{
		{name: "a minute", values: chart.Values{scaleDown + ".stabilizationWindowSeconds": 60}, at: scaleDown + ".stabilizationWindowSeconds"},
		{name: "no time", values: chart.Values{scaleDown + ".stabilizationWindowSeconds": 0}, at: scaleDown + ".stabilizationWindowSeconds"},
		{name: "shorter than a long run", values: chart.Values{scaleDown + ".stabilizationWindowSeconds": 300, "agent.maxRunSeconds": 900}, at: scaleDown + ".stabilizationWindowSeconds"},
	}, map[string]chart.Values{
		"longer than a run":                   {scaleDown + ".stabilizationWindowSeconds": 600},
		"an hour, the most, for a longer run": {scaleDown + ".stabilizationWindowSeconds": 3600, "agent.maxRunSeconds": 7200},
	}},

	// Disruption.
	"disruption-budget-empty": {[]report{
		{name: "no limit", values: chart.Values{"podDisruptionBudget.minAvailable": nil}, at: "podDisruptionBudget.minAvailable"},
	}, map[string]chart.Values{
		"the other limit": {"podDisruptionBudget.minAvailable": nil, "podDisruptionBudget.maxUnavailable": 1},
		"no budget":       {"podDisruptionBudget.minAvailable": nil, "podDisruptionBudget.enabled": false},
	}},
	"disruption-budget-blocks-drains": {[]report{
		{name: "every pod must remain", values: chart.Values{"podDisruptionBudget.minAvailable": 2}, at: "podDisruptionBudget.minAvailable"},
		{name: "100 % must remain", values: chart.Values{"podDisruptionBudget.minAvailable": "100%"}, at: "podDisruptionBudget.minAvailable"},
		{name: "100 % of any number must remain", values: chart.Values{"podDisruptionBudget.minAvailable": "100%", "autoscaling.enabled": false, "replicaCount": nil}, at: "podDisruptionBudget.minAvailable"},
		{name: "51 % of two must remain", values: chart.Values{"podDisruptionBudget.minAvailable": "51%"}, at: "podDisruptionBudget.minAvailable"},
		{name: "50 % of one must remain", values: fixedCount.And(chart.Values{"podDisruptionBudget.minAvailable": "50%", "replicaCount": 1}), at: "podDisruptionBudget.minAvailable"},
		{name: "the only pod must remain", values: fixedCount.With("replicaCount", 1), at: "podDisruptionBudget.minAvailable"},
		{name: "none may be unavailable", values: chart.Values{"podDisruptionBudget.maxUnavailable": 0}, at: "podDisruptionBudget.maxUnavailable"},
		{name: "0 % may be unavailable", values: chart.Values{"podDisruptionBudget.maxUnavailable": "0%"}, at: "podDisruptionBudget.maxUnavailable"},
		{name: "100 % of none or more must remain", at: "podDisruptionBudget.minAvailable",
			values: queue("AverageValue").And(chart.Values{"autoscaling.minReplicas": 0, "podDisruptionBudget.minAvailable": "100%"})},
		{name: "none of none or more may be unavailable", at: "podDisruptionBudget.maxUnavailable",
			values: queue("AverageValue").And(chart.Values{"autoscaling.minReplicas": 0, "podDisruptionBudget.maxUnavailable": 0})},
		{name: "00 % may be unavailable", values: chart.Values{"podDisruptionBudget.maxUnavailable": "00%"}, at: "podDisruptionBudget.maxUnavailable"},
	}, map[string]chart.Values{
		"one to spare":              {"autoscaling.minReplicas": 3, "podDisruptionBudget.minAvailable": 2},
		"a percentage":              {"podDisruptionBudget.minAvailable": "50%"},
		"one may be unavailable":    {"podDisruptionBudget.maxUnavailable": 1},
		"one pod without a budget":  fixedCount.And(chart.Values{"replicaCount": 1, "podDisruptionBudget.enabled": false}),
		"no pod":                    fixedCount.With("replicaCount", 0),
		"another autoscaler's pods": fixedCount.With("replicaCount", nil),
	}},

	// Configuration and secrets.
	"config-credential": {[]report{
		{name: "a key", values: chart.Values{"config.OPENAI_API_KEY": "abc-secret"}, at: "config.OPENAI_API_KEY"},
		{name: "a key in a file", values: aFile("model: a\napi_key: abc-secret1\n"), at: "configFiles.main.content"},
		{name: "a password in the URL of a file", values: aFile(`{"db": "postgresql://me:abc-secret@db:5432/a"}`), at: "configFiles.main.content"},
		{name: "a random value of an input", values: chart.Values{"config.INPUT_TOKEN": "9f86d081884c7d659a2feaa0c55ad015"}, at: "config.INPUT_TOKEN"},
		{name: "a key in one word", values: chart.Values{"config.OPENAI_APIKEY": "abc-secret"}, at: "config.OPENAI_APIKEY"},
		{name: "a token", values: chart.Values{"config.GITHUB_TOKEN": "abc-secret"}, at: "config.GITHUB_TOKEN"},
		{name: "a password", values: chart.Values{"config.DATABASE_PASSWORD": "abc-secret"}, at: "config.DATABASE_PASSWORD"},
		{name: "a password by its short name", values: chart.Values{"config.DB_PASS": "abc-secret"}, at: "config.DB_PASS"},
		{name: "a password in a URL", values: chart.Values{"config.DATABASE_URL": "postgresql://me:abc-secret@db:5432/a"}, at: "config.DATABASE_URL"},
		{name: "a slash in the password of a URL", values: chart.Values{"config.DATABASE_URL": "postgres://me:abc-secret/1@db.data:5432/a"}, at: "config.DATABASE_URL", also: []string{"url-unreadable config.DATABASE_URL"}},
		{name: "a hash in the password of a URL", values: chart.Values{"config.DATABASE_URL": "postgres://me:abc-secret#1@db.data:5432/a"}, at: "config.DATABASE_URL", also: []string{"url-unreadable config.DATABASE_URL"}},
		{name: "an at sign in the password of a URL", values: chart.Values{"config.DATABASE_URL": "postgres://me:abc-secret@1@db.data:5432/a"}, at: "config.DATABASE_URL"},
		{name: "a percent sign in the password of a URL", values: chart.Values{"config.DATABASE_URL": "postgres://me:abc-secret%2F1@db.data:5432/a"}, at: "config.DATABASE_URL"},
		{name: "a password in a URL without a user", values: chart.Values{"config.REDIS_URL": "redis://:abc-secret@redis:6379"}, at: "config.REDIS_URL"},
		{name: "a password as a parameter of a URL", values: chart.Values{"config.REDIS_URL": "redis://r?password=abc-secret"}, at: "config.REDIS_URL"},
		{name: "a key by its form", values: chart.Values{"config.SOMETHING": "sk-proj-abc-secret"}, at: "config.SOMETHING"},
		{name: "GitHub's token by its form", values: chart.Values{"config.SOMETHING": "github_pat_abc-secret"}, at: "config.SOMETHING"},
		{name: "a private key", values: chart.Values{"config.CERT": "-----BEGIN PRIVATE KEY-----abc-secret"}, at: "config.CERT"},
		{name: "a webhook", values: chart.Values{"config.NOTIFY": "https://hooks.slack.com/services/T/B/abc-secret"}, at: "config.NOTIFY"},
		{name: "a bearer token", values: chart.Values{"config.HEADER": "Bearer eyJhbGciOiJIabc-secret"}, at: "config.HEADER"},
		{name: "a password without an underscore", values: chart.Values{"config.PGPASSWORD": "abc-secret"}, at: "config.PGPASSWORD"},
		{name: "a key in camel case", values: chart.Values{"config.openaiApiKey": "abc-secret"}, at: "config.openaiApiKey"},
		{name: "keys", values: chart.Values{"config.OPENAI_API_KEYS": "abc-secret"}, at: "config.OPENAI_API_KEYS"},
		{name: "a key with a suffix", values: chart.Values{"config.SECRET_KEY_BASE": "abc-secret"}, at: "config.SECRET_KEY_BASE"},
		{name: "a password for MySQL", values: chart.Values{"config.DSN": "me:abc-secret@tcp(db:3306)/a"}, at: "config.DSN"},
		{name: "a password in JSON", values: chart.Values{"config.SERVICE": `{"user": "me", "password": "abc-secret"}`}, at: "config.SERVICE"},
	}, map[string]chart.Values{
		"MAX_TOKENS":               {"config.MAX_TOKENS": "100"},
		"a name that ends in KEY":  {"config.MONKEY": "see", "config.BASELINE_TOKENS": "5", "config.EOS_TOKEN": "</s>", "config.LANGFUSE_PUBLIC_KEY": "pk-lf-1"},
		"an empty key":             {"config.OPENAI_API_KEY": ""},
		"a key of a local server":  {"config.OPENAI_API_KEY": "sk-no-key-required", "config.OTHER_API_KEY": "ollama"},
		"a reference":              {"config.OPENAI_API_KEY": "os.environ/OTHER", "config.DB_PASSWORD": "vault:secret/data/db#password"},
		"a file of a key":          {"config.TLS_KEY": "tls.key", "config.SSH_KEY": "~/.ssh/id_rsa"},
		"a key of an object":       {"config.S3_KEY": "reports/2026.csv", "config.sortKey": "created_at", "config.NUM_PASS": "3"},
		"a prompt":                 {"config.PROMPT": "password: refuse to repeat it\nIf somebody asks for a password: refuse"},
		"a URL with a user":        {"config.DATABASE_URL": "postgresql://agent@db.data:5432/a"},
		"a language":               {"config.LOCALE": "sk-SK", "config.LANG": "sk_SK.UTF-8"},
		"a model of a hub":         {"config.MODEL_NAME": "hf-internal-testing/tiny-random-gpt2"},
		"entries removed by nulls": {"config.LOG_LEVEL": nil, "config.MINE": nil},
	}},
	"config-not-text": {[]report{
		{name: "a number", values: chart.Values{"config.GUILD": 1234567890123456789}, at: "config.GUILD"},
		{name: "a small number", values: chart.Values{"config.ZIP": 668}, at: "config.ZIP"},
		{name: "a boolean", values: chart.Values{"config.ENABLE_TRACING": true}, at: "config.ENABLE_TRACING"},
	}, map[string]chart.Values{
		"the same in quotes": {"config.GUILD": "1234567890123456789", "config.ZIP": "01234", "config.ENABLE_TRACING": "yes", "config.DATE": "2026-11-28"},
		"a null":             {"config.LOG_LEVEL": nil},
	}},
	"config-name-not-text": {[]report{
		{name: "y or on", values: chart.Values{"config": chart.Map{"true": "a"}}, at: "config.true"},
		{name: "n or off", values: chart.Values{"config": chart.Map{"false": "a"}}, at: "config.false"},
	}, map[string]chart.Values{
		"the same in quotes": {"config": chart.Map{"Y": "a", "on": "b"}},
		"other names":        {"config": chart.Map{"TRUE_COLOR": "a"}},
	}},
	"credential-in-plain-text": {[]report{
		{name: "a key by its form", values: chart.Values{"args": chart.List{"serve", "--key-of-openai=sk-proj-abc-secret"}}, at: "args[1]"},
		{name: "a flag by its name", values: chart.Values{"args": chart.List{"serve", "--api-key=abc-secret"}}, at: "args[1]"},
		{name: "the word after a flag", values: chart.Values{"command": chart.List{"/agent", "--api-key", "abc-secret"}}, at: "command[2]"},
		{name: "a password as a flag", values: chart.Values{"args": chart.List{"serve", "--db-pass=abc-secret"}}, at: "args[1]"},
		{name: "a password after a reference", values: chart.Values{"args": chart.List{"serve", "--password=$(PREFIX)abc-secret"}}, at: "args[1]"},
		{name: "the password of Redis", values: chart.Values{"command": chart.List{"redis-server", "--requirepass", "abc-secret"}}, at: "command[2]"},
		{name: "a variable in a script", values: chart.Values{"command": chart.List{"sh", "-c", "export API_TOKEN=abc-secret; exec /agent"}}, at: "command[2]"},
		{name: "a variable by its name", values: chart.Values{"env": chart.List{chart.Map{"name": "OPENAI_API_KEY", "value": "abc-secret"}}}, at: "env[0].value"},
		{name: "a password in a URL", values: chart.Values{"env": chart.List{chart.Map{"name": "DB", "value": "postgres://me:abc-secret@db:5432/a"}}}, at: "env[0].value"},
		{name: "a variable of a sidecar", values: chart.Values{"extraContainers": chart.List{chart.Map{"name": "a", "image": "a:1", "env": chart.List{chart.Map{"name": "A_TOKEN", "value": "abc-secret"}}}}}, at: "extraContainers[0].env[0].value"},
		{name: "arguments of a schedule", values: chart.Values{"schedules.a": chart.Map{"schedule": "@daily", "task": "a", "args": chart.List{"--token=abc-secret"}}}, at: "schedules.a.args[0]"},
		{name: "an annotation of pods", values: chart.Values{"podAnnotations": chart.Map{"a": "xoxb-1234-abc-secret"}}, at: "podAnnotations.a"},
		{name: "an annotation of the Service", values: chart.Values{"service.annotations": chart.Map{"a": "redis://:abc-secret@r"}}, at: "service.annotations.a"},
		{name: "a key instead of the name of a Secret", values: chart.Values{"secret.existingSecret": "sk-proj-abc-secret"}, at: "secret.existingSecret"},
		{name: "a label of a monitor", values: chart.Values{"grafanaDashboard.labels": chart.Map{"a": "ghp_0123456789abcdef"}}, at: "grafanaDashboard.labels.a"},
		{name: "a label", values: chart.Values{"commonLabels": chart.Map{"a": "ghp_0123456789abcdef"}}, at: "commonLabels.a"},
		{name: "a variable of a test", values: chart.Values{"helmTest.variables": chart.Map{"MODEL": "a", "API_KEY": "abc-secret"}}, at: "helmTest.variables.API_KEY"},
		{name: "a variable of a test by its form", values: chart.Values{"helmTest.variables": chart.Map{"ARGUMENTS": `{"key": "sk-proj-abc-secret"}`}}, at: "helmTest.variables.ARGUMENTS"},
		{name: "a header of a probe", values: chart.Values{"livenessProbe.httpGet.httpHeaders": chart.List{chart.Map{"name": "Authorization", "value": "Basic abc-secret"}}}, at: "livenessProbe.httpGet.httpHeaders[0].value"},
	}, map[string]chart.Values{
		"references":            {"args": chart.List{"serve", "--api-key=$(OPENAI_API_KEY)", "--token", "$(TOKEN)"}, "env": chart.List{chart.Map{"name": "DATABASE_URL", "value": "postgres://me:$(DATABASE_PASSWORD)@db/a"}}},
		"variables of a script": {"command": chart.List{"sh", "-c", `export API_TOKEN=$TOKEN SORT_KEY=id; exec /agent --api-key="$(cat /run/key)"`}},
		"fields of a vault":     {"secret.secretProviderClass.provider": "vault", "secret.secretProviderClass.parameters.objects": "- objectName: \"db-password\"\n  secretPath: secret/data/db\n  secretKey: \"password\"\n"},
		"a local server":        {"args": chart.List{"--api-key=EMPTY", "--api-key", "none"}},
		"keys of a Secret":      {"env": chart.List{chart.Map{"name": "A_TOKEN", "valueFrom": chart.Map{"secretKeyRef": chart.Map{"name": "mine", "key": "A_TOKEN"}}}}},
		"paths of files":        {"env": chart.List{chart.Map{"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/var/run/gcp/key.json"}}, "args": chart.List{"--token-file=/var/run/token", "--max-tokens", "5"}},
		"names of Secrets":      {"ingress.annotations": chart.Map{"nginx.ingress.kubernetes.io/auth-secret": "basic-auth"}},
		"values in secret":      {"secret.stringData.OPENAI_API_KEY": "sk-proj-abcdefghijklmnop"},
		"variables of a test":   {"helmTest.variables": chart.Map{"MODEL": "a", "API_KEY": "$(AGENT_KEY)", "MAX_TOKENS": "5"}},
		"a flag after flag":     {"args": chart.List{"--token", "--verbose"}},
	}},
	"run-budget-override": {[]report{
		{name: "in config", values: chart.Values{"config.MAX_RUN_SECONDS": "60"}, at: "config.MAX_RUN_SECONDS"},
		{name: "in env", values: chart.Values{"env": chart.List{chart.Map{"name": "MAX_RUN_SECONDS", "value": "60"}}}, at: "env[0]"},
		{name: "in the Secret", values: chart.Values{"secret.stringData.MAX_RUN_SECONDS": "3600"}, at: "secret.stringData.MAX_RUN_SECONDS"},
		{name: "the time to drain", values: chart.Values{"config.DRAIN_SECONDS": "60"}, at: "config.DRAIN_SECONDS"},
		{name: "in the sample's config", values: chart.Values{"sample.config.MAX_RUN_SECONDS": "60"}, at: "sample.config.MAX_RUN_SECONDS"},
		{name: "in the SealedSecret", values: chart.Values{"secret.sealedSecret.encryptedData": chart.Map{"MAX_RUN_SECONDS": "a"}}, at: "secret.sealedSecret.encryptedData.MAX_RUN_SECONDS"},
	}, map[string]chart.Values{
		"in an ExternalSecret, which env overrides": aStore.With("secret.externalSecret.data", chart.List{chart.Map{"secretKey": "MAX_RUN_SECONDS", "remoteRef": chart.Map{"key": "a"}}}),
		"in envFrom, which env overrides":           {"envFrom": chart.List{chart.Map{"secretRef": chart.Map{"name": "a"}}}},
		"a similar name":                            {"config.MAX_RUN_SECONDS_HINT": "60", "env": chart.List{chart.Map{"name": "MAX_RUN", "value": "60"}}},
	}},
	"sample-config-kept": {[]report{
		{name: "another image", values: ownImage("acme/agent"), at: "sample.enabled"},
		{name: "another image that sets two of three", values: ownImage("acme/agent").And(chart.Values{
			"config.REDIS_URL": "redis://redis:6379", "config.DATABASE_URL": nil}), at: "sample.enabled"},
	}, map[string]chart.Values{
		"the sample agent, mirrored": ownImage("registry.internal:5000/mirror/ai-agent"),
		"without its configuration":  ownImage("acme/agent").With("sample.enabled", false),
		"every one set": ownImage("acme/agent").And(chart.Values{
			"config.REDIS_URL": "redis://redis:6379", "config.DATABASE_URL": "postgresql://db:5432/a", "config.OPENAI_BASE_URL": "https://api.openai.com/v1"}),
	}},
	"secret-sources": {[]report{
		{name: "two sources", values: chart.Values{"secret.existingSecret": "a", "secret.sealedSecret.encryptedData": chart.Map{"A": "b"}}, at: "secret"},
		{name: "two other sources", values: aStore.And(aProvider), at: "secret"},
	}, map[string]chart.Values{
		"one source": {"secret.existingSecret": "a"},
	}},
	"secret-values-unused": {[]report{
		{name: "values and a source", values: chart.Values{"secret.existingSecret": "a", "secret.stringData.OPENAI_API_KEY": "abc-secret"}, at: "secret.stringData"},
	}, map[string]chart.Values{
		"empty values and a source": {"secret.existingSecret": "a", "secret.stringData.OPENAI_API_KEY": ""},
	}},
	"secret-in-values": {[]report{
		{name: "a value", values: chart.Values{"secret.stringData": chart.Map{"OPENAI_API_KEY": "abc-secret"}}, at: "secret.stringData"},
	}, map[string]chart.Values{
		"empty values": {"secret.stringData.OPENAI_API_KEY": ""},
		"your Secret":  {"secret.existingSecret": "a"},
	}},
	"external-secret-store": {[]report{
		{name: "one key of two", values: chart.Values{"secret.externalSecret.enabled": true, "secret.externalSecret.data": chart.List{chart.Map{"secretKey": "A", "sourceRef": chart.Map{"storeRef": chart.Map{"name": "a"}}}, chart.Map{"secretKey": "B"}}}, at: "secret.externalSecret.data[1]"},
		{name: "a store without a name", values: chart.Values{"secret.externalSecret.enabled": true, "secret.externalSecret.dataFrom": chart.List{chart.Map{"sourceRef": chart.Map{"storeRef": chart.Map{"kind": "SecretStore"}}}}}, at: "secret.externalSecret.dataFrom[0]"},
		{name: "no store", values: chart.Values{"secret.externalSecret.enabled": true, "secret.externalSecret.data": chart.List{chart.Map{}}}, at: "secret.externalSecret.data[0]"},
	}, map[string]chart.Values{
		"a store for each entry": {"secret.externalSecret.enabled": true, "secret.externalSecret.data": chart.List{chart.Map{"secretKey": "A", "sourceRef": chart.Map{"storeRef": chart.Map{"name": "a", "kind": "ClusterSecretStore"}}}}, "secret.externalSecret.dataFrom": chart.List{chart.Map{"sourceRef": chart.Map{"storeRef": chart.Map{"name": "b"}}}}},
		"a store":                aStore,
		"a generated secret":     {"secret.externalSecret.enabled": true, "secret.externalSecret.dataFrom": chart.List{chart.Map{"sourceRef": chart.Map{"generatorRef": chart.Map{"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Password", "name": "a"}}}}},
	}},
	"external-secret-empty": {[]report{
		{name: "nothing to read", values: chart.Values{"secret.externalSecret.enabled": true, "secret.externalSecret.secretStoreRef.name": "a"}, at: "secret.externalSecret.data"},
	}, map[string]chart.Values{
		"dataFrom alone": aStore,
	}},

	// Network policy.
	"url-unreadable": {[]report{
		{name: "no scheme", values: chart.Values{"config.REDIS_URL": "redis-service:6379"}, at: "config.REDIS_URL"},
		{name: "an unknown scheme", values: chart.Values{"config.DATABASE_URL": "oracle://db/agents"}, at: "config.DATABASE_URL"},
		{name: "a port that is none", values: chart.Values{"config.REDIS_URL": "redis://r.data:x"}, at: "config.REDIS_URL"},
		{name: "port 0", values: chart.Values{"config.REDIS_URL": "redis://r.data:0"}, at: "config.REDIS_URL"},
		{name: "a port out of range", values: chart.Values{"config.REDIS_URL": "redis://r.data:65536"}, at: "config.REDIS_URL"},
		{name: "an address that is none", values: chart.Values{"config.REDIS_URL": "redis://10.1.2.300"}, at: "config.REDIS_URL"},
		{name: "an IPv6 address that is none", values: chart.Values{"config.REDIS_URL": "redis://[fd00:::1]"}, at: "config.REDIS_URL"},
		{name: "one of two servers", values: chart.Values{"config.DATABASE_URL": "postgresql:///a?host=a.data,b!.data"}, at: "config.DATABASE_URL"},
		{name: "a reference, which Kubernetes leaves as it is", values: chart.Values{"config.REDIS_URL": "redis://$(HOST)"}, at: "config.REDIS_URL"},
		{name: "in env", values: variable("REDIS_URL", "abc-secret"), at: "env[0]"},
		{name: "in the Secret", values: chart.Values{"secret.stringData.DATABASE_URL": "abc-secret"}, at: "secret.stringData.DATABASE_URL"},
		{name: "a rule for telemetry", values: egressOn(4317).With("config.REDIS_URL", "redis-service:6379"), at: "config.REDIS_URL"},
		{name: "a rule for HTTPS", values: egressOn(443).With("config.REDIS_URL", "redis-service:6379"), at: "config.REDIS_URL"},
		{name: "a rule for another database", values: egressOn(5432).With("config.REDIS_URL", "redis-service:6379"), at: "config.REDIS_URL"},
		{name: "a rule for both ports of telemetry", values: egressOn(4317, "endPort", 4318).With("config.REDIS_URL", "redis-service:6379"), at: "config.REDIS_URL"},
		{name: "a rule for UDP", values: egressOn(6379, "protocol", "UDP").With("config.REDIS_URL", "redis-service:6379"), at: "config.REDIS_URL"},
	}, map[string]chart.Values{
		"no Redis":                    {"config.REDIS_URL": ""},
		"a socket":                    {"config.REDIS_URL": "unix:///var/run/redis.sock"},
		"an unknown scheme and port":  {"config.DATABASE_URL": "oracle://db:1521/agents"},
		"no policy":                   {"config.REDIS_URL": "redis-service:6379", "networkPolicy.enabled": false},
		"a rule for its server":       egressOn(6379).With("config.REDIS_URL", "redis-service:6379"),
		"a rule for a range":          egressOn(443, "endPort", 7000).With("config.REDIS_URL", "redis-service:6379"),
		"a range of unknown ports":    egressOn(443, "endPort", 1000).With("config.REDIS_URL", "redis-service:6379"),
		"a range between known ports": egressOn(443, "endPort", 6443).With("config.REDIS_URL", "redis-service:6379"),
		"a rule for any port":         extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/16")}}).With("config.REDIS_URL", "redis-service:6379"),
		"replaced in env":             variable("REDIS_URL", "redis://r.data").With("config.REDIS_URL", "redis-service:6379"),
	}},
	"url-unknown": {[]report{
		{name: "from a Secret", values: chart.Values{"env": chart.List{secretVariable("REDIS_URL")}}, at: "env[0]"},
		{name: "a rule for HTTPS", values: egressOn(443).With("env", chart.List{secretVariable("REDIS_URL")}), at: "env[0]"},
		{name: "a rule for a database", values: egressOn(5432).And(chart.Values{"env": chart.List{secretVariable("OPENAI_BASE_URL")}, "networkPolicy.egress.https": false}), at: "env[0]"},
		{name: "a host from a Secret", values: chart.Values{"env": chart.List{secretVariable("DB_HOST"), chart.Map{"name": "DATABASE_URL", "value": "postgresql://$(DB_HOST)/agents"}}}, at: "env[1]"},
		{name: "a reference to nothing", values: variable("DATABASE_URL", "$(PG_URL)"), at: "env[0]"},
		{name: "the model's address, no HTTPS", values: chart.Values{"env": chart.List{secretVariable("OPENAI_BASE_URL")}, "networkPolicy.egress.https": false}, at: "env[0]"},
		{name: "in a SealedSecret", values: chart.Values{"secret.sealedSecret.encryptedData": chart.Map{"DATABASE_URL": "AgA"}}, at: "secret.sealedSecret.encryptedData.DATABASE_URL"},
		{name: "in an ExternalSecret", values: aStore.And(chart.Values{"secret.externalSecret.dataFrom": nil, "secret.externalSecret.data": chart.List{chart.Map{"secretKey": "DATABASE_URL"}}}), at: "secret.externalSecret.data"},
		{name: "in a SecretProviderClass", values: aProvider.With("secret.secretProviderClass.data", chart.List{chart.Map{"objectName": "a", "key": "REDIS_URL"}}), at: "secret.secretProviderClass.data"},
	}, map[string]chart.Values{
		"credentials from a Secret": {"env": chart.List{secretVariable("DB_USER"), chart.Map{"name": "DATABASE_URL", "value": "postgresql://$(DB_USER):$(DB_PASS)@pg-rw.data.svc:5432/agents"}}},
		"a host that is known":      {"env": chart.List{chart.Map{"name": "DB_HOST", "value": "pg.data"}, chart.Map{"name": "DATABASE_URL", "value": "postgresql://$(DB_HOST)/agents"}}},
		"a rule for its server":     egressOn(6380).With("env", chart.List{secretVariable("REDIS_URL")}),
		"a rule for the model":      egressOn(443).And(chart.Values{"env": chart.List{secretVariable("OPENAI_BASE_URL")}, "networkPolicy.egress.https": false}),
		"a public model":            {"env": chart.List{secretVariable("OPENAI_BASE_URL")}},
		"files, not variables":      {"secret.sealedSecret.encryptedData": chart.Map{"DATABASE_URL": "AgA"}, "secret.mountPath": "/secrets"},
		"no policy":                 {"env": chart.List{secretVariable("REDIS_URL")}, "networkPolicy.enabled": false},
	}},
	"url-overridden": {[]report{
		{name: "your Secret", values: chart.Values{"secret.existingSecret": "mine"}, at: "secret.existingSecret"},
		{name: "a rule for the model alone", values: egressOn(443).With("secret.existingSecret", "mine"), at: "secret.existingSecret"},
		{name: "an ExternalSecret", values: aStore, at: "secret.externalSecret.dataFrom"},
		{name: "envFrom", values: chart.Values{"envFrom": chart.List{chart.Map{"secretRef": chart.Map{"name": "a"}}}}, at: "envFrom"},
	}, map[string]chart.Values{
		"the default":          nil,
		"files, not variables": {"secret.existingSecret": "mine", "secret.mountPath": "/secrets"},
		"rules for each server": chart.Values{"secret.existingSecret": "mine", "networkPolicy.extraEgress": chart.List{
			chart.Map{"to": chart.List{aBlock("10.0.0.0/16")}, "ports": chart.List{chart.Map{"port": 5432}, chart.Map{"port": 6379}}},
		}},
		"no policy": {"secret.existingSecret": "mine", "networkPolicy.enabled": false},
		"all in env": {"secret.existingSecret": "mine", "env": chart.List{
			chart.Map{"name": "REDIS_URL", "value": ""}, chart.Map{"name": "DATABASE_URL", "value": ""}, chart.Map{"name": "OPENAI_BASE_URL", "value": ""},
		}},
	}},
	"public-name-private-address": {[]report{
		{name: "a managed Redis", values: chart.Values{"config.REDIS_URL": "rediss://a.cache.amazonaws.com:6380"}, at: "config.REDIS_URL"},
		{name: "a rule for another port", values: egressOn(6379).With("config.REDIS_URL", "rediss://a.cache.amazonaws.com:6380"), at: "config.REDIS_URL"},
		{name: "a name that is private by convention", values: chart.Values{"config.REDIS_URL": "redis://cache.internal:6379"}, at: "config.REDIS_URL"},
		{name: "a rule for one of two databases", values: egressOn(6432).And(variable("DATABASE_URL", "postgresql://a.eu.example.com:5432,b.eu.example.com:6432/agents")), at: "env[0]"},
		{name: "a rule for UDP", values: egressOn(6379, "protocol", "UDP").With("config.REDIS_URL", "redis://a.cache.amazonaws.com"), at: "config.REDIS_URL"},
		{name: "one of two databases", values: variable("DATABASE_URL", "postgresql://db.data,db.eu.example.com/agents"), at: "env[0]"},
	}, map[string]chart.Values{
		"rules for two databases": egressOn(5000, "endPort", 7000).And(variable("DATABASE_URL", "postgresql://a.eu.example.com:5432,b.eu.example.com:6432/agents")),
		"a rule for its server":   egressOn(6379).With("config.REDIS_URL", "redis://a.cache.amazonaws.com"),
		"Services":                {"config.REDIS_URL": "redis://a.data", "config.DATABASE_URL": "postgresql://a-0.a.data.svc/b"},
		"an address":              {"config.REDIS_URL": "redis://10.1.2.3"},
		"a public model":          {"config.OPENAI_BASE_URL": "https://model.eu.example.com/v1"},
		"no policy":               {"config.REDIS_URL": "redis://a.cache.amazonaws.com", "networkPolicy.enabled": false},
	}},
	"kubernetes-api-blocked": {[]report{
		{name: "a token", values: chart.Values{"serviceAccount.automount": true}, at: "networkPolicy.egress.kubernetesAPI"},
		{name: "a token in a volume", values: projected(chart.Map{"path": "token"}), at: "networkPolicy.egress.kubernetesAPI"},
		{name: "a token and another range", values: extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/16")}, "ports": chart.List{chart.Map{"port": 7000, "endPort": 8000}}}).With("serviceAccount.automount", true), at: "networkPolicy.egress.kubernetesAPI"},
		{name: "a token and another rule", values: extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/16")}, "ports": chart.List{chart.Map{"port": 5432}}}).With("serviceAccount.automount", true), at: "networkPolicy.egress.kubernetesAPI"},
	}, map[string]chart.Values{
		"no token":                   nil,
		"a token for something else": projected(chart.Map{"path": "token", "audience": "vault"}),
		"its address":                {"serviceAccount.automount": true, "networkPolicy.egress.kubernetesAPI": chart.List{aBlock("192.0.2.1/32")}},
		"a rule for a range":         {"serviceAccount.automount": true, "networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{aBlock("192.0.2.1/32")}, "ports": chart.List{chart.Map{"port": 6000, "endPort": 7000}}}}},
		"a rule for it":              {"serviceAccount.automount": true, "networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{aBlock("192.0.2.1/32")}, "ports": chart.List{chart.Map{"port": 6443}}}}},
		"a rule for all its ports":   {"serviceAccount.automount": true, "networkPolicy.extraEgress": chart.List{chart.Map{"to": chart.List{aBlock("192.0.2.1/32")}}}},
		"no policy":                  {"serviceAccount.automount": true, "networkPolicy.enabled": false},
		"rights, which open it":      {"rbac.rules": chart.List{aRight("get", "configmaps")}},
	}},
	"cloud-identity-blocked": {[]report{
		{name: "GKE", values: identity("iam.gke.io/gcp-service-account"), at: "networkPolicy.egress.cloudIdentity"},
		{name: "EKS, no HTTPS", values: identity("eks.amazonaws.com/role-arn").With("networkPolicy.egress.https", false), at: "networkPolicy.egress.https"},
		{name: "AKS, no HTTPS", values: identity("azure.workload.identity/client-id").With("networkPolicy.egress.https", false), at: "networkPolicy.egress.https"},
	}, map[string]chart.Values{
		"GKE, allowed":         identity("iam.gke.io/gcp-service-account").With("networkPolicy.egress.cloudIdentity", chart.List{"gke-metadata"}),
		"GKE, a rule for it":   identity("iam.gke.io/gcp-service-account").With("networkPolicy.extraEgress", chart.List{chart.Map{"to": chart.List{aBlock("169.254.169.252/32")}}}),
		"GKE, no policy":       identity("iam.gke.io/gcp-service-account").With("networkPolicy.enabled", false),
		"GKE, no such account": identity("iam.gke.io/gcp-service-account").With("serviceAccount.create", false),
		"EKS":                  identity("eks.amazonaws.com/role-arn"),
		"AKS":                  identity("azure.workload.identity/client-id"),
		"EKS, an STS endpoint": egressOn(443).And(identity("eks.amazonaws.com/role-arn")).And(chart.Values{"networkPolicy.egress.https": false}),
		"another annotation":   identity("example.com/owner").With("networkPolicy.egress.https", false),
	}},
	"egress-unrestricted": {[]report{
		{name: "no peers", values: extraEgress(chart.Map{"ports": chart.List{chart.Map{"port": 443}}}), at: "networkPolicy.extraEgress[0]"},
		{name: "an empty rule", values: extraEgress(chart.Map{}), at: "networkPolicy.extraEgress[0]"},
		{name: "every IPv4 address", values: extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/16"), aBlock("0.0.0.0/0")}}), at: "networkPolicy.extraEgress[0]"},
		{name: "every IPv6 address", values: extraEgress(chart.Map{"to": chart.List{aBlock("::/0")}}), at: "networkPolicy.extraEgress[0]"},
		{name: "half of the addresses", values: extraEgress(chart.Map{"to": chart.List{aBlock("128.0.0.0/1")}}), at: "networkPolicy.extraEgress[0]"},
		{name: "credentials not excepted", values: extraEgress(chart.Map{"to": chart.List{aBlock("0.0.0.0/0", "10.0.0.0/8")}}), at: "networkPolicy.extraEgress[0]"},
		{name: "every port of every pod", values: extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}}), at: "networkPolicy.extraEgress[0]"},
		{name: "every port, by its protocol", values: extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}, "ports": chart.List{chart.Map{"protocol": "TCP"}}}), at: "networkPolicy.extraEgress[0]"},
		{name: "every port, as a range", values: extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}, "ports": chart.List{chart.Map{"port": 1, "endPort": 65535}}}), at: "networkPolicy.extraEgress[0]"},
		{name: "every pod, by empty labels", values: extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{"matchLabels": chart.Map{}}, "podSelector": chart.Map{}}}}), at: "networkPolicy.extraEgress[0]"},
	}, map[string]chart.Values{
		"a private range":             extraEgress(chart.Map{"to": chart.List{aBlock("10.0.0.0/8")}}),
		"the internet":                extraEgress(chart.Map{"to": chart.List{aBlock("0.0.0.0/0", "10.0.0.0/8", "169.254.0.0/16"), aBlock("2000::/3")}}),
		"one port of every pod":       extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}, "ports": chart.List{chart.Map{"port": 4317}}}),
		"some pods of each namespace": extraEgress(chart.Map{"to": chart.List{chart.Map{"namespaceSelector": chart.Map{}, "podSelector": chart.Map{"matchLabels": chart.Map{"a": "b"}}}}}),
		"no policy":                   extraEgress(chart.Map{}).With("networkPolicy.enabled", false),
		"no address":                  extraEgress(chart.Map{"to": chart.List{aBlock("banana")}}),
	}},
	"ingress-unrestricted": {[]report{
		{name: "any client, any port of TCP", values: chart.Values{"networkPolicy.extraIngress": chart.List{chart.Map{"ports": chart.List{chart.Map{"protocol": "TCP"}}}}}, at: "networkPolicy.extraIngress[0]"},
		{name: "any client, any port", values: chart.Values{"networkPolicy.extraIngress": chart.List{chart.Map{}}}, at: "networkPolicy.extraIngress[0]"},
		{name: "any client although others are named", values: podsOnly.With("networkPolicy.extraIngress", chart.List{chart.Map{"ports": chart.List{chart.Map{"port": 8000}}}}), at: "networkPolicy.extraIngress[0]"},
	}, map[string]chart.Values{
		"any client of one more port": {"networkPolicy.extraIngress": chart.List{chart.Map{"ports": chart.List{chart.Map{"port": 8080}}}}},
		"a range":                     podsOnly.With("networkPolicy.extraIngress", chart.List{chart.Map{"from": chart.List{aBlock("192.0.2.0/24")}}}),
		"no policy":                   {"networkPolicy.extraIngress": chart.List{chart.Map{}}, "networkPolicy.enabled": false},
	}},

	// Schedules.
	"schedule-name": {[]report{
		{name: "a capital", values: chart.Values{"schedules.Daily": chart.Map{"schedule": "@daily", "task": "a"}}, at: "schedules.Daily"},
	}, map[string]chart.Values{
		"digits and dashes":            {"schedules.24-7": chart.Map{"schedule": "@daily", "task": "a"}},
		"a schedule removed by a null": {"schedules.Daily": nil},
	}},
	"schedule-name-too-long": {[]report{
		{name: "53 characters", values: chart.Values{"schedules." + strings.Repeat("a", 44): chart.Map{"schedule": "@daily", "task": "a"}}, at: "schedules." + strings.Repeat("a", 44)},
		{name: "with dashes", values: chart.Values{"schedules.a-name-of-forty-four-characters-is-too-long-x": chart.Map{"schedule": "@daily", "task": "a"}}, at: "schedules.a-name-of-forty-four-characters-is-too-long-x"},
	}, map[string]chart.Values{
		"52 characters": {"schedules." + strings.Repeat("a", 43): chart.Map{"schedule": "@daily", "task": "a"}},
	}},
	"schedule-deadline-too-short": {[]report{
		{name: "a minute", values: chart.Values{"schedules.a": chart.Map{"activeDeadlineSeconds": 60, "schedule": "@daily", "task": "a"}}, at: "schedules.a.activeDeadlineSeconds"},
		{name: "the run alone", values: chart.Values{"schedules.a": chart.Map{"activeDeadlineSeconds": 300, "schedule": "@daily", "task": "a"}}, at: "schedules.a.activeDeadlineSeconds"},
		{name: "without the retries", values: chart.Values{"schedules.a": chart.Map{"activeDeadlineSeconds": 420, "backoffLimit": 3, "schedule": "@daily", "task": "a"}}, at: "schedules.a.activeDeadlineSeconds"},
	}, map[string]chart.Values{
		"just long enough":      {"schedules.a": chart.Map{"activeDeadlineSeconds": 420, "schedule": "@daily", "task": "a"}},
		"with the retries":      {"schedules.a": chart.Map{"activeDeadlineSeconds": 1680, "backoffLimit": 3, "schedule": "@daily", "task": "a"}},
		"removed, by its owner": {"schedules.a": nil},
	}},
	"schedule-replaces-runs": {[]report{
		{name: "Replace", values: chart.Values{"schedules.a": chart.Map{"concurrencyPolicy": "Replace", "schedule": "* * * * *", "task": "a"}}, at: "schedules.a.concurrencyPolicy"},
	}, map[string]chart.Values{
		"Allow": {"schedules.a": chart.Map{"concurrencyPolicy": "Allow", "schedule": "* * * * *", "task": "a"}},
	}},
	"schedule-command-unclear": {[]report{
		{name: "args after the command of a server", values: server.With("schedules.a", dailyWith("args", chart.List{"python", "-m", "report"})), at: "schedules.a.command"},
		{name: "args after a command of one word", values: chart.Values{"command": chart.List{"/agent"}, "schedules.a": dailyWith("args", chart.List{"run"})}, at: "schedules.a.command"},
		{name: "a task after the command of a server", values: server.With("schedules.a", daily), at: "schedules.a.command"},
	}, map[string]chart.Values{
		"a command":                  server.With("schedules.a", dailyWith("command", chart.List{"python", "-m", "report"})),
		"the agent's, which is one":  {"command": chart.List{"/agent"}, "schedules.a": daily},
		"args of the entry point":    {"schedules.a": dailyWith("args", chart.List{"run"})},
		"a schedule that is removed": server.With("schedules.a", nil),
	}},
	"schedule-without-command": {[]report{
		{name: "nothing to run", values: chart.Values{"schedules.a": chart.Map{"schedule": "@daily"}}, at: "schedules.a.task"},
	}, map[string]chart.Values{
		"a task":  {"schedules.a": daily},
		"args":    {"schedules.a": chart.Map{"schedule": "@daily", "args": chart.List{"report"}}},
		"command": {"schedules.a": chart.Map{"schedule": "@daily", "command": chart.List{"report"}}},
	}},

	"egress-url-unreadable": {[]report{
		{name: "no port", values: urls("amqp://broker"), at: "networkPolicy.egress.urls[0]"},
		{name: "no scheme, the second", values: urls("redis://cache:6379", "broker:5672"), at: "networkPolicy.egress.urls[1]"},
		{name: "a variable that the values do not have", values: urls("$(BROKER_URL)"), at: "networkPolicy.egress.urls[0]"},
	}, map[string]chart.Values{
		"a port":       urls("amqp://broker:5672"),
		"a variable":   urls("$(BROKER_URL)").With("config.BROKER_URL", "amqp://broker:5672"),
		"a usual port": urls("https://api.example.com", "redis://cache"),
		"no policy":    urls("broker").With("networkPolicy.enabled", false),
	}},

	// Ports.
	"port-conflict": {[]report{
		{name: "the name of another", values: chart.Values{"ports": chart.List{aPort("http", 8080)}}, at: "ports[0]"},
		{name: "the number of the metrics", values: chart.Values{"ports": chart.List{aPort("a", 8080), aPort("b", 9090)}}, at: "ports[1]"},
		{name: "a number twice", values: chart.Values{"ports": chart.List{aPort("a", 8080), aPort("b", 8080)}}, at: "ports[1]"},
	}, map[string]chart.Values{
		"others":          {"ports": chart.List{aPort("a", 8080), aPort("b", 8081)}},
		"a number of UDP": {"ports": chart.List{chart.Map{"name": "quic", "containerPort": 8000, "protocol": "UDP"}}},
	}},
	"service-port-conflict": {[]report{
		{name: "the name of another", values: servicePorts(chart.Map{"name": "http", "port": 81, "targetPort": "a"}), at: "service.ports[0]"},
		{name: "a number twice", values: servicePorts(chart.Map{"name": "b", "port": 80, "targetPort": "a"}), at: "service.ports[0]"},
	}, map[string]chart.Values{
		"another": servicePorts(chart.Map{"name": "a", "port": 81, "targetPort": "a"}),
	}},
	"service-port-unknown": {[]report{
		{name: "no such name", values: servicePorts(chart.Map{"name": "b", "port": 81, "targetPort": "b"}), at: "service.ports[0].targetPort"},
		{name: "its number, which no container has", values: servicePorts(chart.Map{"name": "b", "port": 81}), at: "service.ports[0].targetPort"},
	}, map[string]chart.Values{
		"its number": servicePorts(chart.Map{"name": "b", "port": 8080}),
		"of a sidecar": servicePorts(chart.Map{"name": "b", "port": 81, "targetPort": 7000}).With("initContainers", chart.List{chart.Map{
			"name": "proxy", "image": "proxy:1", "restartPolicy": "Always", "ports": chart.List{chart.Map{"containerPort": 7000}}}}),
	}},
	"sessions-spread": {[]report{
		{name: "an autoscaler", values: chart.Values{"agent.sessions": "InProcess"}, at: "agent.sessions"},
		{name: "a rollout with a surge", values: onePod.With("agent.sessions", "InProcess"), at: "agent.sessions"},
		{name: "a proxy that does not observe the affinity", values: aGateway.And(chart.Values{"agent.sessions": "InProcess", "service.sessionAffinity": "ClientIP"}), at: "agent.sessions"},
	}, map[string]chart.Values{
		"a singleton":                 {"agent.sessions": "InProcess", "singleton": true},
		"clients that keep their pod": {"agent.sessions": "InProcess", "service.sessionAffinity": "ClientIP"},
		"one pod at a time":           onePod.And(chart.Values{"agent.sessions": "InProcess", "strategy.type": "Recreate"}),
		"one pod of a StatefulSet":    onePod.And(volume(claim("ReadWriteOnce", chart.Map{"perPod": true}))).With("agent.sessions", "InProcess"),
		"no sessions":                 nil,
	}},

	// Rights.
	"rbac-account": {[]report{
		{name: "the default account", values: rights(aRight("get", "configmaps")).With("serviceAccount.create", false), at: "serviceAccount.create"},
		{name: "the default account by its name", values: rights(aRight("get", "configmaps")).And(chart.Values{"serviceAccount.create": false, "serviceAccount.name": "default"}), at: "serviceAccount.create"},
	}, map[string]chart.Values{
		"one's own":                  rights(aRight("get", "configmaps")).And(chart.Values{"serviceAccount.create": false, "serviceAccount.name": "mine"}),
		"the default without rights": {"serviceAccount.create": false},
	}},
	"rbac-wildcard": {[]report{
		{name: "verbs", values: rights(aRight("*", "configmaps")), at: "rbac.rules[0].verbs"},
		{name: "resources of the second rule", values: rights(aRight("get", "configmaps"), aRight("get", "*")), at: "rbac.rules[1].resources"},
	}, map[string]chart.Values{
		"lists": rights(chart.Map{"apiGroups": chart.List{"", "apps"}, "resources": chart.List{"pods", "deployments"}, "verbs": chart.List{"get", "list"}}),
	}},
	"rbac-escalation": {[]report{
		{name: "secrets", values: rights(aRight("list", "secrets")), at: "rbac.rules[0].resources"},
		{name: "pods", values: rights(aRight("create", "pods")), at: "rbac.rules[0].resources"},
		{name: "commands", values: rights(aRight("create", "pods/exec")), at: "rbac.rules[0].resources"},
		{name: "a container in a pod", values: rights(aRight("patch", "pods/ephemeralcontainers")), at: "rbac.rules[0].resources"},
		{name: "tokens", values: rights(aRight("create", "serviceaccounts/token")), at: "rbac.rules[0].resources"},
	}, map[string]chart.Values{
		"reading pods":       rights(aRight("get", "pods")),
		"a resource like it": rights(aRight("get", "secretsantas")),
		"deleting a Job":     rights(aRight("delete", "jobs")),
	}},
	"kubernetes-api-open": {[]report{
		{name: "no address", values: chart.Values{"rbac.rules": chart.List{aRight("get", "configmaps")}}, at: "networkPolicy.egress.kubernetesAPI"},
	}, map[string]chart.Values{
		"its address": rights(aRight("get", "configmaps")),
		"no policy":   {"rbac.rules": chart.List{aRight("get", "configmaps")}, "networkPolicy.enabled": false},
	}},

	// Jobs.
	"job-name": {[]report{
		{name: "a capital", values: job("Migrate", nil), at: "jobs.Migrate"},
		{name: "64 characters", values: job(strings.Repeat("a", 55), nil), at: "jobs." + strings.Repeat("a", 55)},
	}, map[string]chart.Values{
		"63 characters":               job(strings.Repeat("a", 54), nil),
		"a job that null has removed": {"jobs.Migrate": nil},
	}},
	"job-without-command": {[]report{
		{name: "nothing to run", values: chart.Values{"jobs.a": chart.Map{}}, at: "jobs.a.command"},
	}, map[string]chart.Values{
		"a command": job("a", nil),
		"args":      {"jobs.a": chart.Map{"args": chart.List{"migrate"}}},
	}},
	"job-secret-sealed": {[]report{
		{name: "a job before the install", values: aSealedSecret.And(job("a", nil)), at: "jobs.a.hooks"},
		{name: "a job before one of two events", values: aSealedSecret.And(job("a", chart.Map{"hooks": chart.List{"post-install", "pre-upgrade"}})), at: "jobs.a.hooks"},
	}, map[string]chart.Values{
		"a job after the install": aSealedSecret.And(job("a", chart.Map{"hooks": chart.List{"post-install", "post-upgrade"}})),
		"a Secret of one's own":   job("a", nil).With("secret.existingSecret", "mine"),
	}},
	"job-cloud-identity": {[]report{
		{name: "a role of AWS", values: job("a", nil).With("serviceAccount.annotations", chart.Map{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}), at: "serviceAccount.create"},
		{name: "EKS Pod Identity", values: job("a", nil).With("networkPolicy.egress.cloudIdentity", chart.List{"eks-pod-identity"}), at: "serviceAccount.create"},
	}, map[string]chart.Values{
		"a ServiceAccount of one's own": job("a", nil).And(chart.Values{"serviceAccount.create": false, "serviceAccount.name": "mine"}),
		"a job after the install":       job("a", chart.Map{"hooks": chart.List{"post-install"}}).With("serviceAccount.annotations", chart.Map{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}),
	}},
	"schedule-time-zone": {[]report{
		{name: "TZ", values: chart.Values{"schedules.a": chart.Map{"schedule": "TZ=UTC 0 8 * * *", "task": "a"}}, at: "schedules.a.schedule"},
		{name: "CRON_TZ", values: chart.Values{"schedules.a": chart.Map{"schedule": "CRON_TZ=UTC 0 8 * * *", "task": "a"}}, at: "schedules.a.schedule"},
	}, map[string]chart.Values{
		"timeZone": {"schedules.a": chart.Map{"schedule": "0 8 * * *", "task": "a", "timeZone": "UTC"}},
	}},

	// Workers.
	"worker-name": {[]report{
		{name: "a name of the chart's", values: worker("server", nil), at: "workers.server"},
		{name: "a capital", values: worker("Queue", nil), at: "workers.Queue"},
		{name: "41 characters", values: worker(strings.Repeat("a", 41), nil), at: "workers." + strings.Repeat("a", 41)},
	}, map[string]chart.Values{
		"a name": worker("queue-1", nil), "40 characters": worker(strings.Repeat("a", 40), nil), "a worker that a later file removes": {"workers": chart.Map{"Queue": nil}},
	}},

	// Monitoring.
	"metrics-port-conflict": {[]report{
		{name: "that of the agent", values: chart.Values{"metricsPort": 8000}, at: "metricsPort"},
		{name: "that of the Service", values: chart.Values{"metricsPort": 8081, "service.port": 8081, "serviceMonitor.enabled": true}, at: "service.port"},
		{name: "that of a sidecar", values: chart.Values{"extraContainers": chart.List{chart.Map{"image": "a:1", "name": "proxy", "ports": chart.List{chart.Map{"containerPort": 9090}}}}}, at: "extraContainers[0].ports"},
	}, map[string]chart.Values{
		"null":                           {"metricsPort": nil},
		"a port of the Service alone":    {"service.port": 9090},
		"another port of a sidecar":      {"extraContainers": chart.List{chart.Map{"image": "a:1", "name": "proxy", "ports": chart.List{chart.Map{"containerPort": 9091}}}}},
		"a sidecar that exports metrics": {"metricsPort": nil, "extraContainers": chart.List{chart.Map{"image": "a:1", "name": "proxy", "ports": chart.List{chart.Map{"containerPort": 9090}}}}},
	}},
	"monitors-overlap": {[]report{
		{name: "both monitors", values: chart.Values{"serviceMonitor.enabled": true, "podMonitor.enabled": true}, at: "podMonitor.enabled"},
	}, map[string]chart.Values{
		"one monitor": {"podMonitor.enabled": true},
	}},

	// Validation.
	"validation-skip": {[]report{
		{name: "an unknown rule", values: chart.Values{"validation.skip": chart.List{"image-tag-latset"}}, at: "validation.skip"},
		{name: "a rule that cannot be skipped", values: chart.Values{"validation.skip": chart.List{"grace-period-too-short"}}, at: "validation.skip"},
		{name: "a warning", values: chart.Values{"validation.skip": chart.List{"alb-idle-limit"}}, at: "validation.skip"},
		{name: "itself", values: chart.Values{"validation.skip": chart.List{"validation-skip"}}, at: "validation.skip"},
	}, map[string]chart.Values{
		"a rule that can be skipped": {"validation.skip": chart.List{"image-tag-latest"}},
		"null":                       {"validation.skip": nil},
	}},
}

// valid are further values that no rule refuses.
var valid = map[string]chart.Values{
	"the defaults":                nil,
	"values of a parent chart":    {"global.anything": 1, "enabled": false},
	"no readiness probe on GKE":   aHost.And(chart.Values{"readinessProbe": nil, "ingress.className": "gce"}),
	"a schedule removed by null":  {"schedules.a": nil},
	"labels removed by nulls":     {"nodeSelector.disk": nil, "commonLabels.team": nil},
	"a registry, a tag, a digest": {"image.repository": "registry:5000/a", "image.tag": "1.2.3", "image.digest": aDigest},
}

// report is a case that a rule reports.
type report struct {
	name    string
	release string   // its name, if other than ai-agent
	kube    string   // the version of Kubernetes, if other than the latest
	aliases []string // under which a parent chart has the chart
	values  chart.Values
	at      string   // the path of the finding
	also    []string // what other rules report, as "ID path"; of an error only other errors
}

// chart returns the chart that the values are for.
func (r *report) chart(t *testing.T) *chart.Chart {
	t.Helper()
	if r.aliases == nil {
		return charttest.Own(t)
	}
	parent, err := chart.Load(charttest.Parent(t, r.aliases...))
	require.NoError(t, err)
	return parent
}

var reportsFound sync.Map // of findings, by report

// findings returns what the chart reports. It computes them only once.
func (r *report) findings(t *testing.T) []finding.Finding {
	t.Helper()
	if found, ok := reportsFound.Load(r); ok {
		return found.([]finding.Finding)
	}
	found, err := r.chart(t).Findings(r.options())
	require.NoError(t, err)
	reportsFound.Store(r, found)
	return found
}

// options returns what the render of the values depends on.
func (r *report) options() chart.Options {
	return chart.Options{Set: r.values, Release: r.release, KubeVersion: r.kube}
}

var (
	daily        = chart.Map{"schedule": "@daily", "task": "a"}
	recreate     = chart.Values{"strategy": chart.Map{"type": "Recreate"}}
	scaledObject = chart.Map{
		"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": chart.Map{"name": "a"},
		"spec": chart.Map{"scaleTargetRef": chart.Map{"name": "ai-agent"}},
	}
	server = chart.Values{"command": chart.List{"uvicorn", "app.main:app"}}
)

const (
	albAttributes = "alb.ingress.kubernetes.io/load-balancer-attributes"
	albTargets    = "alb.ingress.kubernetes.io/target-group-attributes"
	awsIdle       = "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"
	backendConfig = "cloud.google.com/backend-config"
	scaleDown     = "autoscaling.behavior.scaleDown"
)

var aDigest = "sha256:" + strings.Repeat("a", 64)

func dailyWith(field string, value any) chart.Map {
	return chart.Map{"schedule": "@daily", "task": "a", field: value}
}

// memoryLimit is the part of resources that sets one.
func memoryLimit(size string) chart.Map {
	return chart.Map{"requests": chart.Map{"memory": "256Mi"}, "limits": chart.Map{"memory": size}}
}

// ofServer is a claim of the server, of which a worker sets fields.
func ofServer(fields chart.Map) chart.Values {
	return volume(claim("ReadWriteMany", nil)).And(worker("queue", chart.Map{"persistence": chart.Map{"data": fields}}))
}

// queue is a metric that exists without pods.
func queue(target string) chart.Values {
	value := map[string]string{"Value": "value", "AverageValue": "averageValue"}[target]
	return chart.Values{"autoscaling.metrics": chart.List{chart.Map{"type": "External", "external": chart.Map{
		"metric": chart.Map{"name": "agent_runs_queued"}, "target": chart.Map{"type": target, value: "1"},
	}}}}
}

func preStop(hook chart.Map) chart.Values {
	return chart.Values{"lifecycle": chart.Map{"preStop": hook}}
}

// hookCommand makes a command the preStop hook of the agent.
func hookCommand(words ...string) chart.Values { return preStop(command(words...)) }

// aPort is a further port of the container.
func aPort(name string, number int) chart.Map {
	return chart.Map{"name": name, "containerPort": number}
}

// servicePorts are further ports of the Service of a container with the port a, 8080.
func servicePorts(ports ...any) chart.Values {
	return chart.Values{"ports": chart.List{aPort("a", 8080)}, "service.ports": chart.List(ports)}
}

// worker is a worker with a name and further fields.
func worker(name string, fields chart.Map) chart.Values {
	return chart.Values{"workers": chart.Map{name: chart.Merge(chart.Map{"args": chart.List{"work"}}, fields)}}
}

// noProbes are for an agent without a port.
var noProbes = chart.Values{"livenessProbe": nil, "readinessProbe": nil, "startupProbe": nil}

// line is a command line of the agent.
func line(words ...string) chart.Values {
	list := chart.List{}
	for _, word := range words {
		list = append(list, word)
	}
	return chart.Values{"command": list}
}

// ownImage is an image that is not the sample agent, without a tag of its own.
func ownImage(repository string) chart.Values {
	return chart.Values{"image.repository": repository, "image.digest": aDigest}
}

// command is a handler of a probe or a hook.
func command(words ...string) chart.Map {
	list := chart.List{}
	for _, word := range words {
		list = append(list, word)
	}
	return chart.Map{"exec": chart.Map{"command": list}}
}

func livenessGet(path string, port any) chart.Values {
	return chart.Values{"livenessProbe.httpGet": chart.Map{"path": path, "port": port}}
}

func livenessCommand(words ...string) chart.Values {
	return chart.Values{"livenessProbe": command(words...)}
}

// emptyDir adds one to the volumes.
func emptyDir(name string, fields chart.Map) chart.Values {
	return chart.Values{"volumes": chart.List{chart.Map{"emptyDir": fields, "name": name}}}
}

// alongside adds a container with hooks to the serving pods.
func alongside(hooks chart.Map) chart.Values {
	container := chart.Map{"image": "cloud-sql-proxy:2", "name": "cloud-sql-proxy"}
	if hooks != nil {
		container["lifecycle"] = hooks
	}
	return chart.Values{"extraContainers": chart.List{container}}
}

func annotated(name, value string) chart.Values {
	return chart.Values{"ingress.annotations": chart.Map{name: value}}
}
