{{/*
The number of pods that the manifest states, or nothing. The autoscaler owns it where there is
one; on a live release its present count is stated all the same, since Helm 3 resets a Deployment
from which the field is gone to one pod, and server-side apply conflicts over any other number. A
render without a cluster leaves it out.
*/}}
{{- define "ai-agent.replicas" -}}
{{- if not .Values.autoscaling.enabled }}
{{- .Values.replicaCount }}
{{- else }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "ai-agent.fullname" .) }}
{{- dig "spec" "replicas" "" $live }}
{{- end }}
{{- end }}
