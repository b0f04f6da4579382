{{/* Kubernetes is strictest about the names of Services, whereas Helm takes a release that begins with a digit or has dots. */}}
{{- define "ai-agent.rule.object-name-invalid" -}}
{{- $name := include "ai-agent.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
  {{- $valid := lower $name | replace "." "-" | replace "_" "-" }}
  {{- if not (regexMatch "^[a-z]" $valid) }}{{ $valid = printf "release-%s" $valid }}{{ end }}
- path: [fullnameOverride]
  problem: >-
    The release {{ quote .Release.Name }} gives its objects the name {{ quote $name }}, which Kubernetes refuses: the name of a Service
    begins with a lowercase letter and has only lowercase letters, digits and hyphens.
  fix: >-
    Set fullnameOverride to a valid name, such as {{ $valid | trunc 53 | trimAll "-" }}, or rename the release.
{{- end }}
{{- end }}

{{/* What no other ai-agent chart of a release may have too, as a YAML map from it to the value that decides about it. */}}
{{- define "ai-agent.uniqueNames" -}}
{{- $names := dict (printf "the label app: %s" (include "ai-agent.name" .)) (list "nameOverride") }}
{{- if .Values.serviceAccount.create }}
  {{- $_ := set $names (printf "objects called %s" (include "ai-agent.serviceAccountName" .)) (list "serviceAccount" "name") }}
{{- end }}
{{- $_ := set $names (printf "objects called %s" (include "ai-agent.fullname" .)) (list "fullnameOverride") }}
{{- range $name, $schedule := .Values.schedules }}
  {{- $cronJob := include "ai-agent.scheduleName" (dict "root" $ "name" $name) }}
  {{- if $schedule }}{{ $_ := set $names (printf "a CronJob called %s" $cronJob) (list "schedules" $name) }}{{ end }}
{{- end }}
{{- range $name, $own := include "ai-agent.compact" .Values.workers | fromYaml }}
  {{- $_ := set $names (printf "objects called %s-%s" (include "ai-agent.fullname" $) $name) (list "workers" $name) }}
{{- end }}
{{- range $name, $own := include "ai-agent.compact" .Values.jobs | fromYaml }}
  {{- $_ := set $names (printf "a Job called %s-%s" (include "ai-agent.fullname" $) $name) (list "jobs" $name) }}
{{- end }}
{{- range include "ai-agent.ofAll" (dict "root" $ "template" "ai-agent.createdClaimNames") | fromYamlArray }}
  {{- $_ := set $names (printf "a PersistentVolumeClaim called %s" .name) .path }}
{{- end }}
{{- with include "ai-agent.earlyHooks" . }}
  {{- $account := include "ai-agent.serviceAccountName" (merge (dict "hooks" .) $) }}
  {{- if $.Values.serviceAccount.create }}
    {{- $_ := set $names (printf "objects called %s" $account) (list "serviceAccount" "name") }}
  {{- end }}
  {{- $_ := set $names (printf "objects called %s-hook" (include "ai-agent.fullname" $)) (list "fullnameOverride") }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{/*
A parent chart may have this chart several times, under aliases. None sees the values of another, but Helm gives all of them the same
.Release: each leaves its names there, for those that are rendered after it.
*/}}
{{- define "ai-agent.rule.object-name-taken" -}}
{{- $chart := .Template.BasePath }}
{{- $owners := get .Release "aiAgentNames" | default dict }}
{{- range $name, $path := include "ai-agent.uniqueNames" . | fromJson }}
  {{- $owner := get $owners $name | default $chart }}
  {{- $_ := set $owners $name $owner }}
  {{- if ne $owner $chart }}
- path: {{ toJson $path }}
  problem: >-
    {{ index (splitList "/" $owner | reverse) 1 }} and {{ $.Chart.Name }} both have {{ $name }}. In one release, one replaces the other,
    or each receives the other's requests.
  fix: >-
    Set {{ join "." $path }} of {{ $.Chart.Name }} to another name.
  {{- end }}
{{- end }}
{{- $_ := set .Release "aiAgentNames" $owners }}
{{- end }}
