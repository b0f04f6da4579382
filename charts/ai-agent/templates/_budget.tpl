{{/* The run budget: every number of seconds that follows from agent.maxRunSeconds. */}}

{{/* A margin for runs that are accepted after SIGTERM, during the drain delay of the agent, and for the last bytes of an answer. */}}
{{- define "ai-agent.shutdownSeconds" -}}
20
{{- end }}

{{/* What a terminating pod needs to finish its runs. */}}
{{- define "ai-agent.neededGraceSeconds" -}}
{{- add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds (include "ai-agent.shutdownSeconds" . | int) }}
{{- end }}

{{/* How long a server may wait for its runs after SIGTERM: the rest of the margin is for its exit. */}}
{{- define "ai-agent.drainSeconds" -}}
{{- add .Values.agent.maxRunSeconds (div (include "ai-agent.shutdownSeconds" . | int) 2) }}
{{- end }}

{{- define "ai-agent.terminationGracePeriodSeconds" -}}
{{- .Values.terminationGracePeriodSeconds | default (include "ai-agent.neededGraceSeconds" .) | int }}
{{- end }}

{{/* For timeouts that limit the whole answer, with a margin for the longest run. */}}
{{- define "ai-agent.requestSeconds" -}}
{{- add .Values.agent.maxRunSeconds 30 }}
{{- end }}

{{/* For timeouts that limit silence; at least five minutes. */}}
{{- define "ai-agent.idleSeconds" -}}
{{- max 300 (int .Values.agent.maxRunSeconds) }}
{{- end }}

{{/* The autoscaler's scale-down window: as long as a run, at least 300 s, at most the 3600 s that Kubernetes allows. */}}
{{- define "ai-agent.scaleDownSeconds" -}}
{{- max 300 (int .Values.agent.maxRunSeconds) | min 3600 }}
{{- end }}

{{/*
What a Job needs: its run and each retry that backoffLimit allows, with the time to schedule the pod,
pull the image and start before each. (dict "root" $ "job" FIELDS)
*/}}
{{- define "ai-agent.neededJobSeconds" -}}
{{- mul (add1 (.job.backoffLimit | default 0)) (add .root.Values.agent.maxRunSeconds 120) }}
{{- end }}

{{/* The default deadline of a Job allows for one drain, after which the run starts again. */}}
{{- define "ai-agent.jobSeconds" -}}
{{- add (include "ai-agent.neededJobSeconds" . | int) .root.Values.agent.maxRunSeconds 120 }}
{{- end }}

{{/* The deadline of a Job: its own, or the default. */}}
{{- define "ai-agent.jobDeadline" -}}
{{- .job.activeDeadlineSeconds | default (include "ai-agent.jobSeconds" .) | int64 }}
{{- end }}

{{/* The failures that the startup probe allows within agent.maxStartSeconds. */}}
{{- define "ai-agent.startupFailures" -}}
{{- $probe := .Values.startupProbe | default dict }}
{{- $seconds := sub .Values.agent.maxStartSeconds ($probe.initialDelaySeconds | default 0) }}
failureThreshold: {{ divf $seconds ($probe.periodSeconds | default 10) | ceil | int | max 1 }}
{{- end }}

{{/* How long the startup probe allows the agent to start. */}}
{{- define "ai-agent.startupSeconds" -}}
{{- $probe := include "ai-agent.probe" (dict "root" . "name" "startupProbe") | fromJson }}
{{- add ($probe.initialDelaySeconds | default 0) (mul ($probe.periodSeconds | default 10) ($probe.failureThreshold | default 3)) }}
{{- end }}

{{/* A pod that is not Ready for longer than this is not merely starting. */}}
{{- define "ai-agent.notReadySeconds" -}}
{{- add (include "ai-agent.startupSeconds" .) (include "ai-agent.replacementWaitSeconds" .) 60 | max 300 }}
{{- end }}

{{/*
How long an old pod may hold up a new one: until its end if they have the same name (StatefulSet), with Recreate, and without a surge, where
a node may have room for only one.
*/}}
{{- define "ai-agent.replacementWaitSeconds" -}}
{{- $strategy := include "ai-agent.strategy" . | fromJson }}
{{- $surge := dig "rollingUpdate" "maxSurge" "" $strategy | toString }}
{{- $waits := or (eq $strategy.type "Recreate") (regexMatch "^0+%?$" $surge) (not (empty (include "ai-agent.stateful" .))) }}
{{- $waits | ternary (include "ai-agent.terminationGracePeriodSeconds" .) "0" }}
{{- end }}

{{/* The longest that a rollout which works may make no progress. */}}
{{- define "ai-agent.neededProgressSeconds" -}}
{{- add (include "ai-agent.startupSeconds" . | int) (include "ai-agent.replacementWaitSeconds" . | int) }}
{{- end }}

{{/* A rollout has failed when it makes no progress for this long, which includes 300 s for a new node and the image. */}}
{{- define "ai-agent.progressSeconds" -}}
{{- add (include "ai-agent.neededProgressSeconds" .) 300 | max 600 }}
{{- end }}

{{/*
A rollout replaces one pod after the other, each within its startup time. The last old pod may use its whole grace period; in a StatefulSet,
each of them.
*/}}
{{- define "ai-agent.upgradeMinutes" -}}
{{- $pods := include "ai-agent.leastPods" . | default 3 | int }}
{{- if include "ai-agent.autoscaled" . }}{{ $pods = int .Values.autoscaling.maxReplicas }}{{ end }}
{{- $grace := include "ai-agent.terminationGracePeriodSeconds" . | int }}
{{- $ends := empty (include "ai-agent.stateful" .) | ternary 1 $pods }}
{{- $seconds := add (mul $pods (add 10 (include "ai-agent.startupSeconds" .))) (mul $ends $grace) }}
{{- add 1 (div $seconds 60) }}
{{- end }}

{{- define "ai-agent.upgradeMinutesList" -}}
- {{ include "ai-agent.upgradeMinutes" . }}
{{- end }}

{{/* The longest of all Deployments, which are replaced at the same time, and of all jobs, for each of which Helm waits as long. */}}
{{- define "ai-agent.longestUpgradeMinutes" -}}
{{- $longest := 0 }}
{{- range include "ai-agent.ofAll" (dict "root" $ "template" "ai-agent.upgradeMinutesList") | fromYamlArray }}
  {{- $longest = max $longest . }}
{{- end }}
{{- range $name, $job := include "ai-agent.compact" .Values.jobs | fromYaml }}
  {{- $longest = add1 (div (include "ai-agent.jobDeadline" (dict "root" $ "job" $job) | int) 60) | max $longest }}
{{- end }}
{{- $longest }}
{{- end }}
