{{/* Sources of the agent's secrets. */}}

{{/* The sources that are set, space-separated; the rules allow one. None means stringData. */}}
{{- define "ai-agent.secretSources" -}}
{{- $sources := list }}
{{- with .Values.secret }}
  {{- if .existingSecret }}{{ $sources = append $sources "secret.existingSecret" }}{{ end }}
  {{- if .externalSecret.enabled }}{{ $sources = append $sources "secret.externalSecret" }}{{ end }}
  {{- if .sealedSecret.encryptedData }}{{ $sources = append $sources "secret.sealedSecret" }}{{ end }}
  {{- if .secretProviderClass.provider }}{{ $sources = append $sources "secret.secretProviderClass" }}{{ end }}
{{- end }}
{{- join " " $sources }}
{{- end }}

{{- define "ai-agent.secretName" -}}
{{- default (printf "%s-secrets" (include "ai-agent.hookedName" .)) .Values.secret.existingSecret }}
{{- end }}

{{/* What the chart's own Secret contains. Empty values are left out. */}}
{{- define "ai-agent.secretData" -}}
{{- $data := dict }}
{{- range $name, $value := .Values.secret.stringData }}
  {{- with $value }}{{ $data = set $data $name (b64enc .) }}{{ end }}
{{- end }}
{{- toYaml $data }}
{{- end }}

{{/*
Two annotations, as YAML, that say which content of the Secret the pods have read. Many may read annotations, so neither reveals
the content: the hash includes the UID of the Secret, a random number that only those who may read the Secret can see.
  seen:  the content at this render, an annotation of the Deployment.
  pods:  the content at the render that last replaced the pods, an annotation of the pods.
External Secrets and others create their Secret after the first render, which sees "none". The next one replaces the pods only
if the Secret has been changed since they were started.
*/}}
{{- define "ai-agent.secretVersions" -}}
{{- $deployment := include "ai-agent.liveWorkload" . | fromJson }}
{{- $before := dig "metadata" "annotations" "checksum/secret" "" $deployment }}
{{- $pods := dig "spec" "template" "metadata" "annotations" "checksum/secret" "" $deployment }}
{{- $own := not (include "ai-agent.secretSources" .) }}
{{- $live := dict }}
{{- /* Helm itself reads the chart's own Secret. */}}
{{- if or $own .Values.secret.detectRotation }}
  {{- $live = lookup "v1" "Secret" .Release.Namespace (include "ai-agent.secretName" .) }}
{{- end }}
{{- $data := $own | ternary (include "ai-agent.secretData" . | fromYaml) (dig "data" dict $live) }}
{{- $seen := "none" }}
{{- if $live }}
  {{- $seen = toJson (list $live.metadata.uid $data) | sha256sum | trunc 16 }}
{{- else if and $own (not (include "ai-agent.online" .)) }}
  {{- /* A render that cannot read the UID: two digits, of which 1 change in 256 goes unnoticed, but which fit 1 password in 256. */}}
  {{- $seen = toJson $data | sha256sum | trunc 2 | printf "offline-%s" }}
{{- end }}
{{- $changed := ne $before $seen }}
{{- if and (eq $before "none") $live }}
  {{- $rotated := include "ai-agent.changedSince" (list $live $deployment) }}
  {{- $changed = or (ne (toJson $data) (toJson (dig "data" dict $live))) (not (empty $rotated)) }}
{{- end }}
{{- if and $before (eq $seen "none") }}{{ $changed = false }}{{ end }}
{{- dict "seen" $seen "pods" ($changed | ternary $seen $pods) | toYaml }}
{{- end }}

{{/* Whether the data of a Secret were changed after the last rollout of a Deployment was complete: (list SECRET DEPLOYMENT). */}}
{{- define "ai-agent.changedSince" -}}
{{- $secret := index . 0 }}
{{- $changed := $secret.metadata.creationTimestamp }}
{{- range $secret.metadata.managedFields }}
  {{- if hasKey (.fieldsV1 | default dict) "f:data" }}{{ $changed = list $changed .time | sortAlpha | last }}{{ end }}
{{- end }}
{{- range dig "status" "conditions" list (index . 1) }}
  {{- if and (eq .reason "NewReplicaSetAvailable") (gt $changed .lastUpdateTime) }}true{{ end }}
{{- end }}
{{- end }}

{{/* A SecretProviderClass creates a Secret only if it lists keys to copy. */}}
{{- define "ai-agent.hasSecret" -}}
{{- if or (not .Values.secret.secretProviderClass.provider) .Values.secret.secretProviderClass.data }}true{{ end }}
{{- end }}
