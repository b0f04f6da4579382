{{/*
The number of pods that the manifest states, or nothing. The autoscaler owns it where there is
one; on a live release its present count is stated all the same, since Helm 3 resets a Deployment
from which the field is gone to one pod, and server-side apply conflicts over any other number. A
render without a cluster leaves it out. replicaCount null does the same for an autoscaler beside
the chart's.
*/}}
{{- define "ai-agent.replicas" -}}
{{- if or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount) }}
{{- $least := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas 0 }}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (include "ai-agent.fullname" .) }}
{{- /* Never 0, at which an autoscaler switches itself off. */}}
{{- max .spec.replicas $least }}
{{- end }}
{{- else }}
{{- .Values.replicaCount }}
{{- end }}
{{- end }}
