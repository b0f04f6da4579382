{{/* The run budget: every number of seconds that follows from agent.maxRunSeconds. */}}

{{/* For the agent's own goodbye after its last run: its drain delay, the last bytes. */}}
{{- define "ai-agent.closeSeconds" -}}
20
{{- end }}

{{/* What a run needs of a pod that was told to end. */}}
{{- define "ai-agent.neededGraceSeconds" -}}
{{- add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds (include "ai-agent.closeSeconds" . | int) }}
{{- end }}

{{- define "ai-agent.terminationGracePeriodSeconds" -}}
{{- .Values.terminationGracePeriodSeconds | default (include "ai-agent.neededGraceSeconds" .) | int }}
{{- end }}

{{/* For a timeout that bounds the whole answer: a run that takes all its time is not cut by a hair. */}}
{{- define "ai-agent.requestSeconds" -}}
{{- add .Values.agent.maxRunSeconds 30 }}
{{- end }}

{{/* For a timeout that bounds silence; never under the seed's five minutes. */}}
{{- define "ai-agent.idleSeconds" -}}
{{- max 300 (int .Values.agent.maxRunSeconds) }}
{{- end }}

{{/* The autoscaler's memory: as long as a run, at least the seed's 300 s, at most Kubernetes' 3600 s. */}}
{{- define "ai-agent.scaleDownSeconds" -}}
{{- max 300 (int .Values.agent.maxRunSeconds) | min 3600 }}
{{- end }}

{{/*
What the runs of a schedule's Job need, one and each that backoffLimit allows after it: a place, the
image and the start before each. (dict "root" $ "schedule" SCHEDULE)
*/}}
{{- define "ai-agent.neededJobSeconds" -}}
{{- mul (add1 (.schedule.backoffLimit | default 0)) (add .root.Values.agent.maxRunSeconds 120) }}
{{- end }}

{{/* A Job may be drained once, and then runs once more. */}}
{{- define "ai-agent.jobSeconds" -}}
{{- add (include "ai-agent.neededJobSeconds" . | int) .root.Values.agent.maxRunSeconds 120 }}
{{- end }}

{{/* What the startup probe gives an agent. */}}
{{- define "ai-agent.startupSeconds" -}}
{{- $probe := .Values.startupProbe | default dict }}
{{- add (dig "initialDelaySeconds" 0 $probe) (mul (dig "periodSeconds" 10 $probe) (dig "failureThreshold" 3 $probe)) }}
{{- end }}

{{/* A pod that is not ready for so long is no pod that starts. */}}
{{- define "ai-agent.notReadySeconds" -}}
{{- add (include "ai-agent.startupSeconds" .) 60 | max 300 }}
{{- end }}

{{/* A rollout has failed when no pod came to be for so long: the start, a node and an image before it. */}}
{{- define "ai-agent.progressSeconds" -}}
{{- add (include "ai-agent.startupSeconds" .) 300 | max 600 }}
{{- end }}

{{/* A rollout replaces pod after pod, each within the startup budget; the last old one may use its whole grace. */}}
{{- define "ai-agent.upgradeMinutes" -}}
{{- $pods := .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas (.Values.replicaCount | default 3) | int }}
{{- $seconds := add (mul $pods (add 10 (include "ai-agent.startupSeconds" .))) (include "ai-agent.terminationGracePeriodSeconds" . | int) }}
{{- add 1 (div $seconds 60) }}
{{- end }}
