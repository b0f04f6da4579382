package conform

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/ai-agent/test/internal/finding"
)

// Verdict is a finding, with the values that mend it, by their path.
type Verdict struct {
	finding.Finding
	Set map[string]any
}

// check is one promise of the contract. needs reports whether enough was seen to judge
// it, judge returns nothing if it is kept.
type check struct {
	finding.Rule
	needs func(Test, Observation) bool
	judge func(Test, Observation) *Verdict
}

// diedOfSigterm is the exit code of a process that SIGTERM has ended.
const diedOfSigterm = 128 + 15

// failureThreshold is that of Kubernetes' probes by default.
const failureThreshold = 3

const source = "README, Your own agent"

func promise(id string, severity finding.Severity, title string, needs func(Test, Observation) bool, judge func(Test, Observation) *Verdict) check {
	return check{finding.Rule{ID: id, Title: title, Source: source, Severity: severity}, needs, judge}
}

var checks = []check{
	promise("agent-starts", finding.Error, "the agent must become ready", always, starts),
	promise("listens-beyond-loopback", finding.Error, "the agent must listen on an address that other pods reach", listens, listensBeyondLoopback),
	promise("port", finding.Error, "the agent must listen on its containerPort", listens, listensOnPort),
	promise("user", finding.Error, "the agent must run as a user ID that the image does not define", ready, runsAsAnyUser),
	promise("home", finding.Error, "the agent must run without a home directory", ready, needsNoHome),
	promise("read-only-root", finding.Error, "the agent must run with a read-only root file system", ready, writesNowhereElse),
	promise("answers-when-ready", finding.Warning, "the agent should answer runs once it is Ready", served, answersWhenReady),
	promise("run-completes", finding.Error, "a run must be answered completely", wasBusy, completes),
	promise("answer-streams", finding.Warning, "the answer should begin long before it ends", answers, streams),
	promise("run-outlasts-test", finding.Warning, "a run should go on at SIGTERM, or nothing is known about it", terminated, outlasts),
	promise("run-survives-sigterm", finding.Error, "a run in progress must survive SIGTERM", drained, survives),
	promise("accepts-until-sigterm", finding.Warning, "the agent should accept clients until SIGTERM", drained, acceptsUntil),
	promise("refuses-after-sigterm", finding.Error, "the agent must not accept clients long after SIGTERM", drained, refusesAfter),
	promise("exits-after-runs", finding.Warning, "the agent should exit after its last run", drained, exitsAfter),
	promise("exits-when-idle", finding.Error, "an idle agent must exit on SIGTERM", wasIdle, exitsIdle),
	promise("exit-code", finding.Warning, "the agent should exit with code 0", wasIdle, exitCode),
	promise("process-1", finding.Error, "PID 1 must pass SIGTERM on", knownInit, passesOn),
	promise("ready-while-busy", finding.Error, "the agent must stay Ready while it is busy", hasReadyPath, staysReady),
	promise("live-while-busy", finding.Error, "the liveness probe must succeed while the agent is busy", hasLivePath, staysLive),
	promise("busy-answers-429", finding.Warning, "an agent without a free slot should answer 429 with Retry-After", answers, says429),
	promise("runs-in-parallel", finding.Warning, "the runs of one agent should not wait for each other", answers, inParallel),
	promise("metrics-until-the-end", finding.Warning, "metrics should be served until the last run has ended", measured, keepsMetrics),
	promise("run-is-bounded", finding.Info, "a run ends by itself after MAX_RUN_SECONDS", bounded, endsInTime),
}

// Rules returns every promise of the contract.
func Rules() []finding.Rule {
	var rules []finding.Rule
	for _, c := range checks {
		rules = append(rules, c.Rule)
	}
	return rules
}

// Judge returns what is wrong, and which rules could be evaluated and which could not.
func (t Test) Judge(seen Observation) (verdicts []Verdict, evaluated, remaining []finding.Rule) {
	for _, c := range checks {
		if !c.needs(t, seen) {
			remaining = append(remaining, c.Rule)
			continue
		}
		evaluated = append(evaluated, c.Rule)
		if verdict := c.judge(t, seen); verdict != nil {
			verdict.ID, verdict.Severity = c.ID, c.Severity
			verdicts = append(verdicts, *verdict)
		}
	}
	return verdicts, evaluated, remaining
}

func always(t Test, _ Observation) bool { return t.URL == "" }
func listens(t Test, seen Observation) bool {
	return t.Image != "" && (seen.Start.Failed == "" || len(seen.Start.Listeners) > 0)
}
func ready(t Test, seen Observation) bool     { return t.Image != "" && seen.Start.Failed == "" }
func wasIdle(_ Test, seen Observation) bool   { return seen.Idle != nil }
func wasBusy(_ Test, seen Observation) bool   { return seen.Busy != nil }
func knownInit(t Test, seen Observation) bool { return seen.Start.Init != "" && seen.Idle != nil }

func hasReadyPath(t Test, seen Observation) bool { return seen.Busy != nil && t.ReadyPath != "" }
func hasLivePath(t Test, seen Observation) bool  { return seen.Busy != nil && t.LivePath != "" }

func answers(_ Test, seen Observation) bool { return seen.Busy != nil && seen.Busy.count(Done) > 0 }

// served: conform has seen the agent become ready, and complete runs then.
func served(t Test, seen Observation) bool { return t.URL == "" && answers(t, seen) }

// terminated: an agent that completes runs was terminated during one.
func terminated(t Test, seen Observation) bool {
	return answers(t, seen) && seen.Drain != nil && seen.Drain.Run != nil && seen.Drain.Run.Outcome != Refused
}

// drained: the run still went on at SIGTERM, or else a hook has waited for it.
func drained(t Test, seen Observation) bool { return terminated(t, seen) && outlasts(t, seen) == nil }

func measured(t Test, seen Observation) bool { return drained(t, seen) && seen.Drain.Measured }

func bounded(t Test, seen Observation) bool {
	ended := seen.Unbounded
	return answers(t, seen) && ended != nil && t.Length > shortPatience && ended.Took >= shortBudget-time.Second
}

func (b *Busy) count(outcome Outcome) int {
	return len(slices.DeleteFunc(slices.Clone(b.Runs), func(r Run) bool { return r.Outcome != outcome }))
}

func verdict(value, problem, fix string, set map[string]any) *Verdict {
	v := &Verdict{Set: set}
	if value != "" {
		v.Path = strings.Split(value, ".")
	}
	v.Problem, v.Fix = problem, fix
	return v
}

func starts(t Test, seen Observation) *Verdict {
	if seen.Start.Failed == "" || len(loopbackOnly(seen)) > 0 || len(elsewhere(t, seen)) > 0 {
		return nil
	}
	return verdict("agent.maxStartSeconds",
		fmt.Sprintf("The agent did not become ready within %s: %s. Its last output: %s", seconds(t.Start), seen.Start.Failed, lastLine(seen.Start.Logs)),
		"See its output, set the configuration that it needs, or allow it more time (--start-timeout, and agent.maxStartSeconds in the values).", nil)
}

func listensBeyondLoopback(_ Test, seen Observation) *Verdict {
	ports := loopbackOnly(seen)
	if len(ports) == 0 {
		return nil
	}
	return verdict("args", fmt.Sprintf("The agent listens only on the loopback interface (port %s), which no other pod reaches.", list(ports)),
		"Let it listen on 0.0.0.0, for example with --host 0.0.0.0 or its variable for that, such as config.HOST.", nil)
}

// loopbackOnly returns the ports of an agent that did not become ready and listens only
// on loopback.
func loopbackOnly(seen Observation) []int {
	if seen.Start.Failed == "" || len(portsOf(seen.Start.Listeners, false)) > 0 {
		return nil
	}
	return portsOf(seen.Start.Listeners, true)
}

func listensOnPort(t Test, seen Observation) *Verdict {
	ports := elsewhere(t, seen)
	if len(ports) == 0 {
		return nil
	}
	return verdict("containerPort", fmt.Sprintf("The agent listens on port %s, not on %d.", list(ports), t.Port),
		"Set containerPort to that port, or let the agent listen on $(PORT).", map[string]any{"containerPort": ports[0]})
}

// elsewhere returns the ports of an agent that did not become ready and listens, but not
// on its own port.
func elsewhere(t Test, seen Observation) []int {
	ports := slices.DeleteFunc(portsOf(seen.Start.Listeners, false), func(port int) bool { return port == t.MetricsPort })
	if seen.Start.Failed == "" || slices.Contains(ports, t.Port) {
		return nil
	}
	return ports
}

func list(ports []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

func runsAsAnyUser(t Test, seen Observation) *Verdict {
	if !slices.Contains(seen.Start.Relaxed, NeedsUser) {
		return nil
	}
	return verdict("podSecurityContext.runAsUser", fmt.Sprintf("The agent does not start as user %s, but as the user of its image.", t.User),
		"Set podSecurityContext.runAsUser to the number of the image's user. If that is root, build the image with another USER.", nil)
}

func needsNoHome(t Test, seen Observation) *Verdict {
	if !slices.Contains(seen.Start.Relaxed, NeedsHome) {
		return nil
	}
	return verdict("home", "The agent does not start without a home directory: its user has none in the image.",
		"Set home: /tmp.", map[string]any{"home": "/tmp"})
}

func writesNowhereElse(t Test, seen Observation) *Verdict {
	if !slices.Contains(seen.Start.Relaxed, NeedsWritable) {
		return nil
	}
	folders := seen.Start.Written
	if len(folders) == 0 {
		return verdict("writableDirs", "The agent does not start with a read-only root file system: it changes files of its image.",
			"Let the agent write to /tmp, or set securityContext.readOnlyRootFilesystem to false.", map[string]any{"securityContext.readOnlyRootFilesystem": false})
	}
	return verdict("writableDirs", fmt.Sprintf("The agent does not start with a read-only root file system: it writes to %s.", strings.Join(folders, ", ")),
		fmt.Sprintf("Set writableDirs: [%s], or let the agent write to /tmp.", strings.Join(folders, ", ")), map[string]any{"writableDirs": folders})
}

func answersWhenReady(t Test, seen Observation) *Verdict {
	run := seen.latest()
	if run.Late == 0 {
		return nil
	}
	asked := "here, any answer counted as Ready (--ready-path)"
	if t.ReadyPath != "" {
		asked = t.ReadyPath + " succeeds too early"
	}
	return verdict("readinessProbe",
		fmt.Sprintf("Ready %s before it answered a run, although a new pod gets requests as soon as it is Ready. Until then: %s.", seconds(run.Late), strings.TrimSuffix(run.LateWhy, ".")),
		fmt.Sprintf("Let readinessProbe.httpGet.path be one that fails until runs are answered: %s.", asked), nil)
}

// latest returns the run that was answered the longest after the agent had become ready.
func (o Observation) latest() Run {
	runs := slices.Clone(o.Busy.Runs)
	if o.Unbounded != nil {
		runs = append(runs, *o.Unbounded)
	}
	if o.Drain != nil && o.Drain.Run != nil {
		runs = append(runs, *o.Drain.Run)
	}
	return slices.MaxFunc(runs, func(a, b Run) int { return cmp.Compare(a.Late, b.Late) })
}

func completes(t Test, seen Observation) *Verdict {
	runs := seen.Busy.Runs
	bad := slices.IndexFunc(runs, func(r Run) bool {
		return r.Outcome != Done && (r.Outcome != Refused || seen.Busy.count(Done) == 0)
	})
	if bad < 0 {
		return nil
	}
	if runs[bad].Outcome == Abandoned {
		return verdict("", fmt.Sprintf("%d of %d runs had not ended after %s, although a run of %s was asked for.",
			seen.Busy.count(Abandoned), len(runs), seconds(runs[bad].Took), seconds(min(t.Length, busyLength))),
			"Shorten runs for this test, or wait longer (--run-length).", nil)
	}
	return verdict("", fmt.Sprintf("%d of %d runs did not complete although nothing disturbed them. One ended after %s (%s): %s.",
		len(runs)-seen.Busy.count(Done), len(runs), seconds(runs[bad].Took), runs[bad].Outcome, strings.TrimSuffix(runs[bad].Why, ".")),
		"Check --protocol and its variables, then the agent's output and the model that it asks.", nil)
}

func streams(_ Test, seen Observation) *Verdict {
	run := seen.Busy.first()
	if run.streams() {
		return nil
	}
	return verdict("", fmt.Sprintf("The answer began only after %s of %s: until then, the client and the proxies in front of the agent see an idle connection.", seconds(run.First), seconds(run.Took)),
		"Stream the answer, or send a comment or a space at least every 15 s. Look for a buffer (compression, a response that is collected) in the agent.", nil)
}

// outlasts: a hook that waits for the end of the runs may meet the run before SIGTERM.
func outlasts(t Test, seen Observation) *Verdict {
	d := seen.Drain
	if d.RunEnded > 0 || len(t.PreStop) > 0 && d.RunEnded > -d.Waited {
		return nil
	}
	return verdict("", fmt.Sprintf("The run ended %s before SIGTERM (%s), so it is unknown what happens to a longer one.", seconds(-d.RunEnded), d.Run.Outcome),
		"Make runs longer: let the agent ask the model at OPENAI_BASE_URL, or ask for more in the protocol (--protocol FILE, $(RUN_SECONDS)).", nil)
}

// shortened returns how long the run would have taken without SIGTERM, if it ended much
// earlier: a server may end an answer properly before it is complete.
func (t Test) shortened(seen Observation) (expected time.Duration) {
	undisturbed := seen.Busy.shortest()
	expected = undisturbed
	if near(undisturbed, min(t.Length, busyLength)) { // the agent takes as long as it is asked to
		expected = t.Length
	}
	if seen.Drain.Run.Took > expected*3/4 {
		return 0
	}
	return expected
}

func near(a, b time.Duration) bool { return a > b*2/3 && a < b*3/2 }

func survives(t Test, seen Observation) *Verdict {
	d := seen.Drain
	expected := t.shortened(seen)
	if d.Run.Outcome == Done && expected == 0 {
		return nil
	}
	if d.Killed && d.RunEnded >= d.Exited-time.Second {
		return verdict("", fmt.Sprintf("The run of %s had not ended when the grace period of %s was over.", seconds(t.Length), seconds(t.Grace)),
			"Allow it more time (--run-length), or find out why it takes longer during a shutdown.", nil)
	}
	set, how := map[string]any{"drain.until": "connections"}, "Set drain.until to connections, which delays SIGTERM until no client is connected."
	if preset := t.preset(seen); drains[preset] {
		set, how = nil, fmt.Sprintf("Use the preset %s, which lets the server finish its runs: --values presets/%s.yaml", preset, preset)
	}
	if len(t.PreStop) > 0 {
		set, how = nil, "The preStop hook ended before the run did: let it wait for what really tells that no run is left (drain.until: command)."
	}
	why := d.Run.Why
	if d.Run.Outcome == Done {
		why = fmt.Sprintf("its answer ended properly, but after %s instead of %s", seconds(d.Run.Took), seconds(expected))
	}
	return verdict("drain.until", fmt.Sprintf("A run ended %s (%s), although the grace period allows %s: %s.", d.when(), d.Run.Outcome, seconds(t.Grace), why), how, set)
}

func acceptsUntil(_ Test, seen Observation) *Verdict {
	if !seen.Drain.Refused {
		return nil
	}
	return verdict("lifecycle.preStop", "The agent refused clients before SIGTERM, while the cluster still sends them.",
		"Let the preStop hook only wait: the agent must accept requests until SIGTERM.", nil)
}

func refusesAfter(t Test, seen Observation) *Verdict {
	d := seen.Drain
	limit := max(t.Delay, 5*time.Second) + 2*time.Second
	if d.Accepted <= limit || d.Exited <= limit {
		return nil
	}
	return verdict("", fmt.Sprintf("The agent still accepted clients %s after SIGTERM: a run that begins then is killed at the end of the grace period.", seconds(d.Accepted)),
		"Close the listener at most 5 s after SIGTERM, and keep the connections of the runs open.", nil)
}

func exitsAfter(_ Test, seen Observation) *Verdict {
	d := seen.Drain
	if !d.Lingering && (!d.Killed || d.Run.Outcome != Done) {
		return nil
	}
	return verdict("", fmt.Sprintf("The agent was still running %s after its last run: each pod that is replaced waits for SIGKILL.", seconds(d.Exited-max(0, d.RunEnded))),
		"Exit once the last run has ended. Look for threads, timers, pools and idle connections that keep the process alive.", nil)
}

func exitsIdle(_ Test, seen Observation) *Verdict {
	if !seen.Idle.Killed {
		return nil
	}
	return verdict("", fmt.Sprintf("Without a run, the agent was still running %s after SIGTERM: each pod that is replaced waits for SIGKILL.", seconds(idleShutdown)),
		"Handle SIGTERM in PID 1: a process without a handler ignores it there.", nil)
}

func exitCode(_ Test, seen Observation) *Verdict {
	died := seen.Idle.Exit == diedOfSigterm && !seen.Start.IsInit // as process 1, it would ignore the signal
	if seen.Idle.Killed || seen.Idle.Exit == 0 || died {
		return nil
	}
	return verdict("", fmt.Sprintf("The agent exits with code %d on SIGTERM: its pods end as failed ones.", seen.Idle.Exit),
		"Handle SIGTERM, and exit with code 0.", nil)
}

func passesOn(t Test, seen Observation) *Verdict {
	kind := Wrapper(seen.Start.Init)
	keeps := !seen.Idle.Killed && (!drained(t, seen) || survives(t, seen) == nil)
	if kind == "" || keeps {
		return nil
	}
	return verdict("command", fmt.Sprintf("Process 1 is %s (%.80s), which does not pass SIGTERM on to the server or does not wait for it.", kind, seen.Start.Init),
		"Start the server itself: command: [SERVER, ARGUMENT, …], or sh -c with exec before the server.", nil)
}

func staysReady(_ Test, seen Observation) *Verdict {
	return probed("readinessProbe", seen.Busy.Ready, len(seen.Busy.Runs), "an agent that is not Ready gets no requests and is the first to be removed")
}

func staysLive(_ Test, seen Observation) *Verdict {
	return probed("livenessProbe", seen.Busy.Live, len(seen.Busy.Runs), "the kubelet restarts an agent that fails three times, with all its runs")
}

func probed(probe string, probes Probes, runs int, why string) *Verdict {
	if probes.Row < failureThreshold && probes.Failed*2 < max(1, probes.Sent) {
		return nil
	}
	return verdict(probe, fmt.Sprintf("%d of %d requests of the %s failed while the agent had %d runs: %s. Note that %s.", probes.Failed, probes.Sent, probe, runs, probes.Why, why),
		"Answer probes independently of runs: in a thread, worker or event loop that no run blocks, with success while every slot is busy.", nil)
}

func says429(_ Test, seen Observation) *Verdict {
	for _, run := range seen.Busy.Runs {
		if run.Outcome == Refused && (run.Status != http.StatusTooManyRequests || run.Retry == "") {
			return verdict("", fmt.Sprintf("With %d runs at once, the agent refused one: %s, Retry-After %q.", len(seen.Busy.Runs), run.Why, run.Retry),
				"Answer 429 with Retry-After: clients and SDKs then try again, and no proxy takes the agent for broken.", nil)
		}
	}
	return nil
}

func inParallel(t Test, seen Observation) *Verdict {
	var late time.Duration
	count, first := 0, seen.Busy.shortest() // of one that did not wait
	if first < min(t.Length, busyLength)/2 || !seen.Busy.first().streams() {
		return nil // too short to tell
	}
	for _, run := range seen.Busy.Runs {
		if run.Outcome == Done && run.First > first*3/4 {
			count, late = count+1, max(late, run.First)
		}
	}
	if count == 0 {
		return nil
	}
	return verdict("", fmt.Sprintf("Of %d runs at once, %d began only when another had ended, the last one after %s: waiting counts toward no budget, and clients give up.", len(seen.Busy.Runs), count, seconds(late)),
		"Run more workers or threads, or answer 429 while every slot is busy.", nil)
}

func keepsMetrics(_ Test, seen Observation) *Verdict {
	d := seen.Drain
	if d.Run.Outcome != Done || d.Metrics+probeTimeout >= d.RunEnded {
		return nil
	}
	return verdict("metricsPort", fmt.Sprintf("Metrics could be read until %s after SIGTERM, but the run ended after %s: nobody sees how it ended.", seconds(d.Metrics), seconds(d.RunEnded)),
		"Serve metrics on a port of their own that closes last, and set metricsPort. If the agent serves no metrics, set metricsPort: null.", nil)
}

func endsInTime(_ Test, seen Observation) *Verdict {
	if seen.Unbounded.Outcome != Abandoned {
		return nil
	}
	return verdict("", fmt.Sprintf("With MAX_RUN_SECONDS %d, a run still went on after %s.", int(shortBudget.Seconds()), seconds(shortPatience)),
		"End a run after MAX_RUN_SECONDS with an error that says so, or make sure that runs are shorter: a longer one is interrupted when its pod is replaced.", nil)
}

// preset returns the chart's preset for the server, unless the agent has its values already.
func (t Test) preset(seen Observation) string {
	if t.FromValues {
		return ""
	}
	if preset := presetsByProtocol[t.Protocol.Name]; preset != "" {
		return preset
	}
	return Preset(seen.Start.Init)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return fmt.Sprintf("%q", lines[len(lines)-1])
}
