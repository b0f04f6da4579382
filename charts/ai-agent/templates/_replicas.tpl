{{/*
The number of pods in the manifest, or nothing. An autoscaler owns the number. The manifest nevertheless has the current one if
the cluster can be read: Helm 3 scales a Deployment to one pod when the field is removed, and server-side apply conflicts over
any other number. The first revision has the minimum, and a rollback to it restores that. A render without a cluster (helm
template, Argo CD) omits the field.
With replicaCount null the field is omitted from the first revision on, and later because the Deployment says so. An older
Deployment does not: it keeps the field.
*/}}
{{- define "ai-agent.replicas" -}}
{{- if .Values.singleton -}}
1
{{- else if not (or (include "ai-agent.autoscaled" .) (kindIs "invalid" .Values.replicaCount)) }}
{{- .Values.replicaCount }}
{{- else if include "ai-agent.online" . }}
{{- $live := include "ai-agent.liveWorkload" . | fromJson }}
{{- $least := (include "ai-agent.autoscaled" . | eq "true") | ternary .Values.autoscaling.minReplicas 0 | int }}
{{- /* A preview of an upgrade may have no access to the Deployment. */}}
{{- $known := or $live .Release.IsInstall }}
{{- if .worker }}{{ $known = or $known (include "ai-agent.liveWorkload" .server | fromJson) }}{{ end }}
{{- /* Not below the minimum: 0 disables an autoscaler whose minimum is 1. */}}
{{- if and $known (not (include "ai-agent.replicasOmitted" .)) }}{{ max (dig "spec" "replicas" 0 $live) $least }}{{ end }}
{{- end }}
{{- end }}

{{- define "ai-agent.autoscaled" -}}
{{- if and .Values.autoscaling.enabled (not .Values.singleton) }}true{{ end }}
{{- end }}

{{/* How a rollout replaces pods, as JSON: never two of a singleton, and in a StatefulSet one after the other. */}}
{{- define "ai-agent.strategy" -}}
{{- if include "ai-agent.stateful" . }}
  {{- dict "type" "RollingUpdate" | toJson }}
{{- else if .Values.singleton }}
  {{- dict "type" "Recreate" | toJson }}
{{- else }}
  {{- eq .Values.strategy.type "RollingUpdate" | ternary .Values.strategy (omit .Values.strategy "rollingUpdate") | toJson }}
{{- end }}
{{- end }}

{{/* Whether this revision leaves the number of pods to others, as all before it did. */}}
{{- define "ai-agent.replicasOmitted" -}}
{{- $live := include "ai-agent.liveWorkload" . | fromJson }}
{{- $before := dig "metadata" "annotations" "ai-agent/replicas" "" $live }}
{{- if and (kindIs "invalid" .Values.replicaCount) (not .Values.singleton) (or (not $live) (eq $before "omitted")) }}true{{ end }}
{{- end }}

{{/*
Whether the cluster can be asked. Every user may read which APIs it has; a render without a cluster assumes all that were ever
part of Kubernetes, such as one that was removed in 1.22.
*/}}
{{- define "ai-agent.online" -}}
{{- if not (.Capabilities.APIVersions.Has "extensions/v1beta1") }}true{{ end }}
{{- end }}
