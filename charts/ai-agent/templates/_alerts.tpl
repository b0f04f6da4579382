{{/* Expressions of the alerts that have more than one part. */}}

{{/*
A run failed; or the agent was killed with runs in flight, which it cannot count itself: its container was restarted, or
its pod is gone; or a pod still existed moments before its grace period ended, although its agent had not reported that
it was idle. All of it looks back, because the series of a pod end with it.
*/}}
{{- define "ai-agent.interruptedRuns" -}}
{{- $pods := include "ai-agent.podMatcher" . -}}
{{- $inFlight := printf "agent_runs_in_flight{%s}" $pods -}}
{{- $deleted := printf "kube_pod_deletion_timestamp{%s}" $pods -}}
(increase(agent_runs_total{ {{- $pods }}, outcome="failed"}[10m]) > 0)
{{- print " " -}}
or (increase(kube_pod_container_status_restarts_total{ {{- $pods }}, container="agent"}[10m]) > 0
{{- print " " -}}
and on (namespace, pod) max_over_time({{ $inFlight }}[15m]) > 0)
{{- print " " -}}
or (last_over_time({{ $inFlight }}[10m]) > 0
{{- print " " -}}
unless on (namespace, pod) {{ $inFlight }} unless on (namespace, pod) kube_pod_info{ {{- $pods }}})
{{- print " " -}}
or (max_over_time((timestamp({{ $deleted }}) - {{ $deleted }})[10m:15s]) > -{{ include "ai-agent.shutdownSeconds" . }}
{{- print " " -}}
unless on (namespace, pod) last_over_time({{ $inFlight }}[10m]) == 0)
{{- end }}

{{/*
A kubelet ended a pod, or its node was lost, within the last 15 minutes. The pod remains as a failed one, or is removed. An
eviction has two reasons, hence max.
*/}}
{{- define "ai-agent.evictedPods" -}}
{{- $reasons := "Evicted|NodeLost|Shutdown|TerminationByKubelet" -}}
{{- $ended := printf "kube_pod_status_reason{%s, reason=~%q}" (include "ai-agent.podMatcher" .) $reasons -}}
max by (namespace, pod) (max_over_time({{ $ended }}[15m])) > 0
{{- print " " -}}
unless on (namespace, pod) {{ $ended }} offset 15m > 0
{{- end }}

{{/* Pods serve, and Prometheus collects the metrics of none. */}}
{{- define "ai-agent.missingMetrics" -}}
{{- $deployment := printf "namespace=%q, deployment=%q" .Release.Namespace (include "ai-agent.fullname" .) -}}
kube_deployment_status_replicas_available{ {{- $deployment }}} > 0
{{- print " " -}}
unless on (namespace) count by (namespace) (up{ {{- include "ai-agent.podMatcher" . }}} == 1)
{{- end }}

{{- define "ai-agent.atMaximum" -}}
{{- $hpa := printf "namespace=%q, horizontalpodautoscaler=\"%s-hpa\"" .Release.Namespace (include "ai-agent.fullname" .) -}}
kube_horizontalpodautoscaler_status_current_replicas{ {{- $hpa }}}
{{- print " " -}}
>= kube_horizontalpodautoscaler_spec_max_replicas{ {{- $hpa }}}
{{- end }}
