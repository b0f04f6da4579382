{{/*
Workers: further Deployments with the image and configuration of the agent. Each is rendered from the templates of the server, with a root
of its own: (include "ai-agent.workerValues" …) as .Values, its name as .worker, and the root of the server as .server.
*/}}

{{/* The name of the Deployment and of what scales and protects it. */}}
{{- define "ai-agent.workloadName" -}}
{{- include "ai-agent.fullname" . }}{{ with .worker }}-{{ . }}{{ end }}
{{- end }}

{{/* The metadata of the Deployment or StatefulSet. */}}
{{- define "ai-agent.workloadMetadata" -}}
{{- $labels := dict "version" .Values.version }}
{{- $annotations := dict "checksum/secret" (include "ai-agent.secretVersions" . | fromYaml).seen }}
{{- if include "ai-agent.replicasOmitted" . }}{{ $annotations = set $annotations "ai-agent/replicas" "omitted" }}{{ end }}
{{- include "ai-agent.metadata" (dict "root" $ "name" (include "ai-agent.workloadName" .) "labels" $labels "annotations" $annotations) }}
{{- end }}

{{/* Renders a template for the server and for each worker: (dict "root" $ "template" NAME). */}}
{{- define "ai-agent.eachWorkload" -}}
{{- include .template .root }}
{{- range $name, $own := include "ai-agent.compact" .root.Values.workers | fromYaml }}
---
{{ include "ai-agent.ofWorker" (dict "root" $.root "name" $name "template" $.template) }}
{{- end }}
{{- end }}

{{/* A template with the root of a worker: (dict "root" $ "name" NAME "template" TEMPLATE). */}}
{{- define "ai-agent.ofWorker" -}}
{{- $values := include "ai-agent.workerValues" . | fromJson }}
{{- include .template (merge (dict "Values" $values "worker" .name "server" .root) (omit .root "Values")) }}
{{- end }}

{{/* The list that a template returns, for the server and for each worker together, as YAML: (dict "root" $ "template" NAME). */}}
{{- define "ai-agent.ofAll" -}}
{{- $all := include .template .root | fromYamlArray }}
{{- range $name, $own := include "ai-agent.compact" .root.Values.workers | fromYaml }}
  {{- $all = include "ai-agent.ofWorker" (dict "root" $.root "name" $name "template" $.template) | fromYamlArray | concat $all }}
{{- end }}
{{- uniq $all | toYaml }}
{{- end }}

{{/* The name of the workload if it is a singleton, as a YAML list. */}}
{{- define "ai-agent.singletons" -}}
{{- if .Values.singleton }}
- {{ include "ai-agent.workloadName" . | quote }}
{{- end }}
{{- end }}

{{/* The values of a worker, as JSON: those of the release, without what is about the server, and its own. A claim that
is defined here is the worker's: "worker" in it says so. "unused" lists the fields that the worker sets for the server's claim,
which have no effect.
(dict "root" $ "name" NAME) */}}
{{- define "ai-agent.workerValues" -}}
{{- $own := get .root.Values.workers .name | default dict }}
{{- $defaults := include "ai-agent.workerDefaults" . | fromYaml }}
{{- $budget := $own.podDisruptionBudget | default dict }}
{{- if hasKey $budget "minAvailable" }}{{ $_ := unset $defaults.podDisruptionBudget "maxUnavailable" }}{{ end }}
{{- $release := omit .root.Values "workers" "schedules" "jobs" "lifecycle" }}
{{- $values := include "ai-agent.overlay" (dict "base" $release "over" $defaults) | fromJson }}
{{- $values = include "ai-agent.overlay" (dict "base" $values "over" $own) | fromJson }}
{{- range $name, $claim := include "ai-agent.compact" $own.persistence | fromYaml }}
  {{- $merged := get $values.persistence $name }}
  {{- if or (hasKey $claim "spec") (hasKey $claim "perPod") }}
    {{- $_ := set $merged "worker" $.name }}
  {{- else if and $merged.spec (not $merged.existingClaim) (not $merged.perPod) }}
    {{- $unused := pick $claim "annotations" "labels" "retain" | include "ai-agent.compact" | fromYaml | keys }}
    {{- $_ := set $merged "unused" (sortAlpha $unused) }}
  {{- end }}
{{- end }}
{{- set $values "env" (include "ai-agent.ownEnvironment" (dict "env" .root.Values.env "own" $own.env) | fromYamlArray) | toJson }}
{{- end }}

{{/* What a worker does not take from the server. Each pod of a worker drains by itself, so only one is evicted at a time. */}}
{{- define "ai-agent.workerDefaults" -}}
command: []
args: []
metricsPort: null
ports: []
service: {enabled: false}
ingress: {hosts: []}
httpRoute: {enabled: false}
livenessProbe: null
readinessProbe: null
startupProbe: null
drain: {until: "", command: []}
singleton: false
replicaCount: 1
autoscaling: {enabled: false}
podDisruptionBudget: {enabled: true, minAvailable: null, maxUnavailable: 1}
extraContainers: []
{{- end }}

{{/* Values over others, as Helm merges files, but with each null: (dict "base" MAP "over" MAP). As JSON. */}}
{{- define "ai-agent.overlay" -}}
{{- $all := deepCopy .base }}
{{- range $key, $value := .over }}
  {{- $before := get $all $key }}
  {{- if and (kindIs "map" $value) (kindIs "map" $before) }}
    {{- $value = include "ai-agent.overlay" (dict "base" $before "over" $value) | fromJson }}
  {{- end }}
  {{- $all = set $all $key $value }}
{{- end }}
{{- toJson $all }}
{{- end }}
