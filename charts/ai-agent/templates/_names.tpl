{{/* What things are called: the names and labels of every object. */}}

{{- define "ai-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 53 characters, so that the longest suffix still fits a DNS label's 63. */}}
{{- define "ai-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $full .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{/* The seed's own names, made the release's: two releases share a namespace. */}}
{{- define "ai-agent.configName" -}}
{{- include "ai-agent.fullname" . }}-config
{{- end }}

{{- define "ai-agent.serviceName" -}}
{{- include "ai-agent.fullname" . }}-service
{{- end }}

{{- define "ai-agent.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "ai-agent.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "ai-agent.image" -}}
{{- with .Values.image.digest }}
{{- printf "%s@%s" $.Values.image.repository . }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Whose pods these are, whatever they do. */}}
{{- define "ai-agent.instanceLabels" -}}
app: {{ include "ai-agent.name" . | quote }}
app.kubernetes.io/name: {{ include "ai-agent.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
What selects the serving pods, and never those of a schedule. It can never change: a Deployment's
selector is immutable.
*/}}
{{- define "ai-agent.selectorLabels" -}}
{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{/* On every object. `app` is the seed's: `kubectl get all -l app=ai-agent` finds all of it. */}}
{{- define "ai-agent.labels" -}}
{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
What selects the serving pods' time series. Kubernetes cuts the last dash of a long name's pods; a
schedule's pods have one part more.
*/}}
{{- define "ai-agent.podMatcher" -}}
namespace={{ .Release.Namespace | quote }}, pod=~"{{ include "ai-agent.fullname" . }}-[a-z0-9]+-?[a-z0-9]+"
{{- end }}

{{/* A CronJob's name may have 52 characters: (dict "root" $ "name" NAME). */}}
{{- define "ai-agent.scheduleName" -}}
{{- printf "%s-%s" (include "ai-agent.fullname" .root) .name }}
{{- end }}

{{/*
An object's metadata: (dict "root" $ "name" NAME), with "component" where the object is not the
server's, "labels" and "annotations" where it has some of its own. The chart's labels win over a
user's: selectors go by them.
*/}}
{{- define "ai-agent.metadata" -}}
name: {{ .name | quote }}
labels:
  {{- $component := dict "app.kubernetes.io/component" (.component | default "server") }}
  {{- merge $component (include "ai-agent.labels" .root | fromYaml) (.labels | default dict) (.root.Values.commonLabels | default dict) | include "ai-agent.compact" | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- include "ai-agent.compact" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A map as YAML, without the entries that a null of a later values file takes away. */}}
{{- define "ai-agent.compact" -}}
{{- $kept := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $name $value }}{{ end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}
