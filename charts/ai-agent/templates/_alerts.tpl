{{/* Expressions of the alerts that have more than one part. */}}

{{/*
A run failed; or the agent was killed with runs in flight, which it cannot count itself: its container was restarted, or
its pod is gone; or a pod still existed moments before its grace period ended, although its agent had not reported that
it was idle. All of it looks back, because the series of a pod end with it. A StatefulSet reuses pod names: a series that has ended
belongs to the current pod only if it has a sample newer than that pod's creation; and whether a pod was idle is asked for each moment,
because later, the next pod answers under its name.
*/}}
{{- define "ai-agent.interruptedRuns" -}}
{{- $pods := include "ai-agent.podMatcher" . -}}
{{- $inFlight := include "ai-agent.runSeries" (dict "root" . "metric" "runsInFlight") -}}
{{- $deleted := printf "kube_pod_deletion_timestamp{%s}" $pods -}}
{{- with include "ai-agent.runSeries" (dict "root" . "metric" "runsFailed") -}}
(increase({{ . }}[10m]) > 0)
{{- print " or " -}}
{{- end -}}
{{- if $inFlight -}}
(increase(kube_pod_container_status_restarts_total{ {{- $pods }}, container="agent"}[10m]) > 0
{{- print " " -}}
and on (namespace, pod) max_over_time({{ $inFlight }}[15m]) > 0)
{{- print " " -}}
or (last_over_time({{ $inFlight }}[10m]) > 0
{{- print " " -}}
unless {{ $inFlight }} unless max_over_time(timestamp({{ $inFlight }})[15m:15s])
{{- print " " -}}
>= on (namespace, pod) group_left max by (namespace, pod) (kube_pod_created{ {{- $pods }}}))
{{- print " or " -}}
{{- end -}}
{{- $idle := empty $inFlight | ternary "" (printf " unless on (namespace, pod) last_over_time(%s[10m]) == 0" $inFlight) -}}
{{- $reused := include "ai-agent.stateful" . | empty | not -}}
(max_over_time((timestamp({{ $deleted }}) - {{ $deleted }}{{ $reused | ternary $idle "" }})[10m:15s])
{{- print " " -}}
> -{{ include "ai-agent.shutdownSeconds" . }}{{ $reused | ternary "" $idle }})
{{- end }}

{{/*
The names of the metrics of the agent's runs, as YAML: `metrics` over those of the sample agent. None for a worker without metrics.
*/}}
{{- define "ai-agent.runMetrics" -}}
{{- $names := .Values.sample.enabled | ternary .Values.sample.metrics dict | default dict }}
{{- $names = include "ai-agent.overlay" (dict "base" $names "over" (.Values.metrics | default dict)) | fromJson }}
{{- and .worker (empty .Values.metricsPort) | empty | ternary $names dict | toYaml }}
{{- end }}

{{/* The series of a metric of the workload's pods, or nothing if it has none: (dict "root" $ "metric" KEY). */}}
{{- define "ai-agent.runSeries" -}}
{{- $metric := get (include "ai-agent.runMetrics" .root | fromYaml) .metric | default "" }}
{{- $name := regexFind "^[^{]+" $metric }}
{{- $labels := trimPrefix $name $metric | trimPrefix "{" | trimSuffix "}" }}
{{- with $name }}
{{- . }}{ {{- include "ai-agent.podMatcher" $.root }}{{ with $labels }}, {{ . }}{{ end }}}
{{- end }}
{{- end }}

{{/* Whether Prometheus scrapes the workload's pods. */}}
{{- define "ai-agent.scraped" -}}
{{- $monitored := or .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- if and $monitored (or (not .worker) .Values.metricsPort) }}true{{ end }}
{{- end }}

{{/* The buckets of a histogram, as the series of a metric. */}}
{{- define "ai-agent.runBuckets" -}}
{{- include "ai-agent.runSeries" . | replace "{namespace" "_bucket{namespace" }}
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

{{/* Some pods are not available. */}}
{{- define "ai-agent.unavailablePods" -}}
{{- $name := include "ai-agent.workloadName" . -}}
{{- if include "ai-agent.stateful" . -}}
{{- $set := printf "namespace=%q, statefulset=%q" .Release.Namespace $name -}}
kube_statefulset_replicas{ {{- $set }}} > kube_statefulset_status_replicas_available{ {{- $set }}}
{{- else -}}
{{- printf "kube_deployment_status_replicas_unavailable{namespace=%q, deployment=%q} > 0" .Release.Namespace $name }}
{{- end }}
{{- end }}

{{/* Pods serve, and Prometheus collects the metrics of none. */}}
{{- define "ai-agent.missingMetrics" -}}
{{- $kind := include "ai-agent.workloadKind" . | lower -}}
{{- $workload := printf "namespace=%q, %s=%q" .Release.Namespace $kind (include "ai-agent.workloadName" .) -}}
kube_{{ $kind }}_status_replicas_available{ {{- $workload }}} > 0
{{- print " " -}}
unless on (namespace) count by (namespace) (up{ {{- include "ai-agent.podMatcher" . }}} == 1)
{{- end }}

{{- define "ai-agent.atMaximum" -}}
{{- $hpa := printf "namespace=%q, horizontalpodautoscaler=\"%s-hpa\"" .Release.Namespace (include "ai-agent.workloadName" .) -}}
kube_horizontalpodautoscaler_status_current_replicas{ {{- $hpa }}}
{{- print " " -}}
>= kube_horizontalpodautoscaler_spec_max_replicas{ {{- $hpa }}}
{{- end }}
