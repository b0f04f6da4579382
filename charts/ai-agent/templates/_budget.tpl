{{/* The run budget: every number of seconds that follows from agent.maxRunSeconds. */}}

{{/* A margin for runs that are accepted after SIGTERM, during the drain delay of the agent, and for the last bytes of an answer. */}}
{{- define "ai-agent.shutdownSeconds" -}}
20
{{- end }}

{{/* What a terminating pod needs to finish its runs. */}}
{{- define "ai-agent.neededGraceSeconds" -}}
{{- add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds (include "ai-agent.shutdownSeconds" . | int) }}
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
What the Job of a schedule needs: its run and each retry that backoffLimit allows, with the time to schedule the pod,
pull the image and start before each. (dict "root" $ "schedule" SCHEDULE)
*/}}
{{- define "ai-agent.neededJobSeconds" -}}
{{- mul (add1 (.schedule.backoffLimit | default 0)) (add .root.Values.agent.maxRunSeconds 120) }}
{{- end }}

{{/* The default deadline of a Job allows for one drain, after which the run starts again. */}}
{{- define "ai-agent.jobSeconds" -}}
{{- add (include "ai-agent.neededJobSeconds" . | int) .root.Values.agent.maxRunSeconds 120 }}
{{- end }}

{{/* The deadline of a Job: that of the schedule, or the default. */}}
{{- define "ai-agent.jobDeadline" -}}
{{- .schedule.activeDeadlineSeconds | default (include "ai-agent.jobSeconds" .) | int64 }}
{{- end }}

{{/* How long the startup probe allows the agent to start. */}}
{{- define "ai-agent.startupSeconds" -}}
{{- $probe := .Values.startupProbe | default dict }}
{{- add (dig "initialDelaySeconds" 0 $probe) (mul (dig "periodSeconds" 10 $probe) (dig "failureThreshold" 3 $probe)) }}
{{- end }}

{{/* A pod that is not Ready for longer than this is not merely starting. */}}
{{- define "ai-agent.notReadySeconds" -}}
{{- add (include "ai-agent.startupSeconds" .) 60 | max 300 }}
{{- end }}

{{/* How long an old pod may hold up a new one. Recreate waits for its end; without a surge, a node may have room for only one. */}}
{{- define "ai-agent.replacementWaitSeconds" -}}
{{- $surge := dig "rollingUpdate" "maxSurge" "" .Values.strategy | toString }}
{{- $waits := or (eq .Values.strategy.type "Recreate") (regexMatch "^0+%?$" $surge) }}
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

{{/* A rollout replaces one pod after the other, each within its startup time; the last old pod may use its whole grace period. */}}
{{- define "ai-agent.upgradeMinutes" -}}
{{- $pods := .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas (.Values.replicaCount | default 3) | int }}
{{- $seconds := add (mul $pods (add 10 (include "ai-agent.startupSeconds" .))) (include "ai-agent.terminationGracePeriodSeconds" . | int) }}
{{- add 1 (div $seconds 60) }}
{{- end }}
