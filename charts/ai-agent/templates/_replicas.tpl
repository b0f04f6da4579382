{{/*
The number of pods in the manifest, or nothing. An autoscaler owns the number. The manifest nevertheless has the current one if
the cluster can be read: Helm 3 scales a Deployment to one pod when the field is removed, and server-side apply conflicts over
any other number. The first revision has the minimum, and a rollback to it restores that. A render without a cluster (helm
template, Argo CD) omits the field.
With replicaCount null the field is omitted from the first revision on, and later because the Deployment says so. An older
Deployment does not: it keeps the field.
*/}}
{{- define "ai-agent.replicas" -}}
{{- if not (or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicaCount)) }}
{{- .Values.replicaCount }}
{{- else if include "ai-agent.online" . }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "ai-agent.fullname" .) }}
{{- $least := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas 0 | int }}
{{- /* A preview of an upgrade may have no access to the Deployment. */}}
{{- $known := or $live .Release.IsInstall }}
{{- /* Not below the minimum: 0 disables an autoscaler whose minimum is 1. */}}
{{- if and $known (not (include "ai-agent.replicasOmitted" .)) }}{{ max (dig "spec" "replicas" 0 $live) $least }}{{ end }}
{{- end }}
{{- end }}

{{/* Whether this revision leaves the number of pods to others, as all before it did. */}}
{{- define "ai-agent.replicasOmitted" -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "ai-agent.fullname" .) }}
{{- $before := dig "metadata" "annotations" "ai-agent/replicas" "" $live }}
{{- if and (kindIs "invalid" .Values.replicaCount) (or (not $live) (eq $before "omitted")) }}true{{ end }}
{{- end }}

{{/*
Whether the cluster can be asked. Every user may read which APIs it has; a render without a cluster assumes all that were ever
part of Kubernetes, such as one that was removed in 1.22.
*/}}
{{- define "ai-agent.online" -}}
{{- if not (.Capabilities.APIVersions.Has "extensions/v1beta1") }}true{{ end }}
{{- end }}
