{{/* Names and labels of every object. */}}

{{- define "ai-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* At most 53 characters, so that a DNS label of 63 has room for the longest suffix. */}}
{{- define "ai-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $full .Values.fullnameOverride | trunc 53 | trimAll "-." }}
{{- end }}

{{/* Names begin with the release's, so that two releases can share a namespace. */}}
{{- define "ai-agent.configName" -}}
{{- include "ai-agent.hookedName" . }}-config
{{- end }}

{{- define "ai-agent.serviceName" -}}
{{- include "ai-agent.fullname" . }}-service
{{- end }}

{{- define "ai-agent.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "ai-agent.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}{{ if and .hooks .Values.serviceAccount.create }}-hook{{ end }}
{{- end }}

{{- define "ai-agent.image" -}}
{{- with .Values.image.digest }}
{{- printf "%s@%s" $.Values.image.repository . }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* On every pod of the release: those that serve, those of schedules and jobs, and those of `helm test` that the policy applies to. */}}
{{- define "ai-agent.instanceLabels" -}}
app: {{ include "ai-agent.name" . | quote }}
app.kubernetes.io/name: {{ include "ai-agent.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Selects the serving pods, or those of a worker, and no others. It must not change: the selector of a Deployment is immutable. */}}
{{- define "ai-agent.selectorLabels" -}}
{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/component: {{ .worker | default "server" | quote }}
{{- end }}

{{/* On every object. */}}
{{- define "ai-agent.labels" -}}
{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/version: {{ include "ai-agent.version" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/*
The version that runs: the tag or, of an image with only a digest, the first 12 characters of it. Without either it is
the sample agent's.
*/}}
{{- define "ai-agent.version" -}}
{{- $digest := .Values.image.digest | default "" | trimPrefix "sha256:" | trunc 12 }}
{{- .Values.image.tag | default $digest | default .Chart.AppVersion | trunc 63 | trimAll "-_." }}
{{- end }}

{{/*
Selects the time series of the serving pods, or those of a worker, and no other pod's. Kubernetes names a pod DEPLOYMENT-HASH-RANDOM, with 5
random characters, and cuts off what exceeds 58 characters before these, first the last dash and then the end of the
hash. A hash consists of few characters, so the names of other Deployments and of Jobs that begin alike do not match. A pod of a
StatefulSet has a number instead.
*/}}
{{- define "ai-agent.podMatcher" -}}
{{- $name := include "ai-agent.workloadName" . }}
{{- $hash := "[4-9bcdf]" }}
{{- $random := "[2-9b-z]{5}" }}
{{- /* How much of the hash remains when the name is shortened. */}}
{{- $left := sub 57 (len $name) | int }}
{{- $rest := printf "%s{6,10}-%s" $hash $random }}
{{- if le $left 10 }}
  {{- $rest = printf "(%s{%d}|%s{6,%d}-)%s" $hash $left $hash (max 6 (sub $left 1)) $random }}
{{- end }}
{{- $pods := printf "%s-%s" $name $rest }}
{{- if include "ai-agent.stateful" . }}
  {{- $pods = printf "%s-[0-9]+" $name }}
{{- else if lt $left 1 }}
  {{- $pods = printf "%s%s" (trunc 58 (print $name "-")) $random }}
{{- end }}
{{- printf "namespace=%q, pod=~%q" .Release.Namespace $pods }}
{{- end }}

{{/* The name of a schedule's CronJob: (dict "root" $ "name" NAME). */}}
{{- define "ai-agent.scheduleName" -}}
{{- printf "%s-%s" (include "ai-agent.fullname" .root) .name }}
{{- end }}

{{/*
The metadata of an object: (dict "root" $ "name" NAME), optionally with "component" (default: server), "labels" and
"annotations". The chart's labels take precedence over commonLabels, because selectors depend on them. "labels" take
precedence over both: only objects that nothing of the release selects have them.
*/}}
{{- define "ai-agent.metadata" -}}
name: {{ .name | quote }}
labels:
  {{- $labels := dict "app.kubernetes.io/component" (.component | default .root.worker | default "server") }}
  {{- $labels = merge $labels (include "ai-agent.labels" .root | fromYaml) (.root.Values.commonLabels | default dict) }}
  {{- range $name, $value := include "ai-agent.compact" (.labels | default dict) | fromYaml }}
    {{- $_ := set $labels $name $value }}
  {{- end }}
  {{- include "ai-agent.compact" $labels | nindent 2 }}
{{- $hook := dict }}
{{- with .root.hooks }}
  {{- /* Before the jobs that need it. */}}
  {{- $hook = include "ai-agent.hookAnnotations" (dict "events" . "weight" -100) | fromYaml }}
{{- end }}
{{- with merge $hook (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- include "ai-agent.compact" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A map as YAML, without entries that are null: a later values file removes an entry that way. */}}
{{- define "ai-agent.compact" -}}
{{- $kept := dict }}
{{- range $name, $value := (. | default dict) }}
  {{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $name $value }}{{ end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}
