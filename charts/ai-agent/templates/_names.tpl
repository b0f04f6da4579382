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

{{- define "ai-agent.secretName" -}}
{{- default (printf "%s-secrets" (include "ai-agent.fullname" .)) .Values.secret.existingSecret }}
{{- end }}

{{- define "ai-agent.serviceName" -}}
{{- include "ai-agent.fullname" . }}-service
{{- end }}

{{- define "ai-agent.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "ai-agent.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "ai-agent.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}

{{/* What selects the serving pods. It can never change: a Deployment's selector is immutable. */}}
{{- define "ai-agent.selectorLabels" -}}
app: {{ include "ai-agent.name" . }}
app.kubernetes.io/name: {{ include "ai-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{/* On every object. `app` is the seed's: `kubectl get all -l app=ai-agent` finds all of it. */}}
{{- define "ai-agent.labels" -}}
{{ include "ai-agent.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}
