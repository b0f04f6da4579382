{{/*
The number of pods that the manifest states, or nothing. The autoscaler owns it where there is
one; all the same its present count is stated wherever a cluster can be asked, since Helm 3 resets
a Deployment from which the field is gone to one pod, and server-side apply conflicts over any
other number. An install states the minimum, to which a rollback to it then returns. A render
without a cluster (helm template, Argo CD) leaves it out. replicaCount null does the same for an
autoscaler beside the chart's.
*/}}
{{- define "ai-agent.replicas" -}}
{{- if or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount) }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "ai-agent.fullname" .) }}
{{- /* Every namespace has this one: it tells whether there is a cluster. */}}
{{- $asked := or $live (lookup "v1" "ServiceAccount" .Release.Namespace "default") }}
{{- $least := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas 0 }}
{{- /* Never 0, at which an autoscaler switches itself off. */}}
{{- $count := max (dig "spec" "replicas" 0 $live) $least }}
{{- if and $asked $count }}{{ $count }}{{ end }}
{{- else }}
{{- .Values.replicaCount }}
{{- end }}
{{- end }}
