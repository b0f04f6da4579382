{{- define "ai-agent.rule.grace-period-too-short" -}}
{{- $needed := include "ai-agent.neededGraceSeconds" . | int }}
{{- $grace := include "ai-agent.terminationGracePeriodSeconds" . | int }}
{{- if lt $grace $needed }}
- path: [terminationGracePeriodSeconds]
  problem: >-
    terminationGracePeriodSeconds {{ $grace }} is too short: agent.maxRunSeconds {{ int .Values.agent.maxRunSeconds }}
    needs {{ $needed }} s ({{ int .Values.agent.endpointDelaySeconds }} s for endpoint removal, the run,
    {{ include "ai-agent.shutdownSeconds" . }} s to shut down).
  fix: >-
    Set terminationGracePeriodSeconds to {{ $needed }} or null, or lower agent.maxRunSeconds.
{{- end }}
{{- end }}

{{/* The preStop hook in lifecycle, which replaces the chart's. */}}
{{- define "ai-agent.preStop" -}}
{{- dig "preStop" dict (.Values.lifecycle | default dict) | toYaml }}
{{- end }}

{{/* Seconds that the preStop hook of the agent sleeps, if they are known. */}}
{{- define "ai-agent.preStopSeconds" -}}
{{- include "ai-agent.hookSeconds" (include "ai-agent.preStop" . | fromYaml) }}
{{- end }}

{{- define "ai-agent.rule.prestop-handler" -}}
{{- $handlers := include "ai-agent.preStop" . | fromYaml | len }}
{{- if and .Values.lifecycle (ne $handlers 1) (or $handlers (empty .Values.drain.until)) }}
- path: [lifecycle, preStop]
  problem: >-
    lifecycle has {{ $handlers }} preStop handlers. Without one, the agent shuts down while proxies still send requests to it;
    Kubernetes refuses more than one.
  fix: >-
    Set only lifecycle.preStop.sleep.seconds, to {{ int .Values.agent.endpointDelaySeconds }}.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.prestop-too-short" -}}
{{- $delay := int .Values.agent.endpointDelaySeconds }}
{{- $sleep := include "ai-agent.preStopSeconds" . }}
{{- if and $sleep (lt (float64 $sleep) (float64 $delay)) }}
- path: [lifecycle, preStop]
  problem: >-
    The preStop hook sleeps {{ $sleep }} s, less than agent.endpointDelaySeconds {{ $delay }}: the agent would shut down before
    endpoint removal has propagated.
  fix: >-
    Set both to the same number of seconds.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.prestop-too-long" -}}
{{- $delay := int .Values.agent.endpointDelaySeconds }}
{{- $sleep := include "ai-agent.preStopSeconds" . | float64 }}
{{- if gt $sleep (float64 $delay) }}
- path: [lifecycle, preStop]
  problem: >-
    The preStop hook sleeps {{ ge $sleep 1e9 | ternary "forever" (print $sleep " s") }}, which shortens the time left for runs: the
    grace period allows for agent.endpointDelaySeconds {{ $delay }}.
  fix: >-
    {{ le $sleep 300.0 | ternary (printf "Set agent.endpointDelaySeconds to %.0f." (ceil $sleep)) (printf "Let it sleep %d s." $delay) }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.prestop-unknown" -}}
{{- $handlers := include "ai-agent.preStop" . | fromYaml | len }}
{{- if and (eq $handlers 1) (eq (include "ai-agent.preStopSeconds" .) "") }}
- path: [lifecycle, preStop]
  problem: >-
    The chart cannot tell how long your preStop hook takes. With a shorter hook the agent shuts down before endpoint removal
    has propagated; a longer hook shortens the time left for runs.
  fix: >-
    Make it take {{ int .Values.agent.endpointDelaySeconds }} s (agent.endpointDelaySeconds).
{{- end }}
{{- end }}

{{- define "ai-agent.rule.run-exceeds-node-drain" -}}
{{- $needed := include "ai-agent.neededGraceSeconds" . | int }}
{{- if include "ai-agent.outlastsAutoscaler" . }}
- path: [agent, maxRunSeconds]
  problem: >-
    A terminating pod needs {{ $needed }} s. The Cluster Autoscaler waits {{ include "ai-agent.autoscalerSeconds" . }} s by default
    (its flag max-graceful-termination-sec).
    {{- if eq (include "ai-agent.eviction" .) "Always" }}
    With disruption.eviction Always, it interrupts runs when it removes a node.
    {{- else }}
    disruption.eviction is OnUpgrade, so it does not remove the nodes of these pods.
    {{- end }}
    Node upgrades have their own limits.
  fix: >-
    Check the limits of your platform: run the validate command with --platform. Save the progress of a run (checkpoint) and
    resume it.
{{- end }}
{{- end }}

{{/*
The kubelet sends SIGTERM to all containers of a pod at once, while the agent still waits in its preStop hook. Sidecars that are init
containers get theirs when the agent has exited. A hook of unknown length may wait for the agent.
*/}}
{{- define "ai-agent.rule.sidecar-ends-first" -}}
{{- $needed := add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds }}
{{- range $i, $container := .Values.extraContainers }}
  {{- $hook := dig "lifecycle" "preStop" dict $container | default dict }}
  {{- $sleep := include "ai-agent.hookSeconds" $hook }}
  {{- if or (empty $hook) (and $sleep (lt (float64 $sleep) (float64 $needed))) }}
- path: [extraContainers, {{ quote $i }}]
  problem: >-
    Container {{ quote .name }} gets SIGTERM {{ $sleep | default 0 }} s after termination begins, but runs may continue for
    {{ $needed }} s. If it is a proxy, such as one to a database, these runs lose their connections.
  fix: >-
    Move it to initContainers with restartPolicy Always: such a sidecar is stopped after the agent. If no run needs it, add
    sidecar-ends-first to validation.skip.
  {{- end }}
{{- end }}
{{- end }}
