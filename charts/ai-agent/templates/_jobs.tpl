{{/*
Schedules and jobs: pods that run one command and end. Both have the pod template of the agent, with a root of its own for each: the values
of the release with its env. Jobs are Helm hooks, so they may run when the objects of the release do not exist yet, or are those of the
release before. Such a job gets objects of its own, which are hooks too: the same templates are rendered once more, with a root in which
.hooks names the events.
*/}}

{{/* A template with the root of a schedule or a job: (dict "root" $ "part" "schedules" | "jobs" "name" NAME "template" TEMPLATE). */}}
{{- define "ai-agent.ofJob" -}}
{{- $own := get (get .root.Values .part) .name | default dict }}
{{- $values := omit .root.Values "workers" "schedules" "jobs" }}
{{- $env := include "ai-agent.ownEnvironment" (dict "env" .root.Values.env "own" $own.env) | fromYamlArray }}
{{- $root := merge (dict "Values" (set $values "env" $env) "part" .part "job" $own "jobName" .name) (omit .root "Values") }}
{{- if and (eq .part "jobs") (include "ai-agent.runsEarly" $own) }}
  {{- $root = set $root "hooks" (include "ai-agent.earlyHooks" .root) }}
{{- end }}
{{- include .template $root }}
{{- end }}

{{/* The list that a template returns for each schedule and job, as YAML: (dict "root" $ "template" NAME). */}}
{{- define "ai-agent.ofJobs" -}}
{{- $all := list }}
{{- range $part := list "schedules" "jobs" }}
  {{- range $name, $own := include "ai-agent.compact" (get $.root.Values $part) | fromYaml }}
    {{- $of := dict "root" $.root "part" $part "name" $name "template" $.template }}
    {{- $all = include "ai-agent.ofJob" $of | fromYamlArray | concat $all }}
  {{- end }}
{{- end }}
{{- uniq $all | toYaml }}
{{- end }}

{{/* The events at which a job runs, as a YAML list. */}}
{{- define "ai-agent.jobHooks" -}}
{{- .hooks | default (list "pre-install" "pre-upgrade") | toYaml }}
{{- end }}

{{/* Whether a job runs before the objects of its revision exist. */}}
{{- define "ai-agent.runsEarly" -}}
{{- if regexMatch "pre-" (include "ai-agent.jobHooks" .) }}true{{ end }}
{{- end }}

{{/* The events of all such jobs, comma-separated. */}}
{{- define "ai-agent.earlyHooks" -}}
{{- $events := list }}
{{- range $name, $job := include "ai-agent.compact" .Values.jobs | fromYaml }}
  {{- if include "ai-agent.runsEarly" $job }}{{ $events = include "ai-agent.jobHooks" $job | fromYamlArray | concat $events }}{{ end }}
{{- end }}
{{- uniq $events | sortAlpha | join "," }}
{{- end }}

{{/* Renders the template of an object, and once more for the jobs that run before it exists: (dict "root" $ "template" NAME). */}}
{{- define "ai-agent.alsoForJobs" -}}
{{- include .template .root }}
{{- with include "ai-agent.earlyHooks" .root }}
---
{{ include $.template (merge (dict "hooks" .) $.root) }}
{{- end }}
{{- end }}

{{/* With what the name of an object begins that jobs may have of their own. */}}
{{- define "ai-agent.hookedName" -}}
{{- include "ai-agent.fullname" . }}{{ if .hooks }}-hook{{ end }}
{{- end }}

{{/*
The annotations of a hook, which Argo CD reads too. What has succeeded is removed: nothing is left for an uninstall, which does not know
hooks. A Job that has failed stays for its logs, and Helm prints them. (dict "events" TEXT "weight" NUMBER "logs" whether it is a Job)
*/}}
{{- define "ai-agent.hookAnnotations" -}}
helm.sh/hook: {{ .events }}
helm.sh/hook-weight: {{ .weight | toString | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- if .logs }}
helm.sh/hook-output-log-policy: hook-failed
{{- end }}
{{- end }}

{{/* Variables of one's own over others, without a name twice, which server-side apply refuses: (dict "env" LIST "own" LIST). */}}
{{- define "ai-agent.ownEnvironment" -}}
{{- $names := list }}
{{- range .own }}{{ $names = append $names .name }}{{ end }}
{{- $all := list }}
{{- range .env }}
  {{- if not (has .name $names) }}{{ $all = append $all . }}{{ end }}
{{- end }}
{{- concat $all (.own | default list) | toYaml }}
{{- end }}

{{/* The spec of a Job, with the root of a schedule or a job: (dict "root" ROOT "component" COMPONENT). */}}
{{- define "ai-agent.jobSpec" -}}
{{- $job := .root.job -}}
activeDeadlineSeconds: {{ include "ai-agent.jobDeadline" (dict "root" .root "job" $job) }}
{{- /* A run costs money, so a failed run is not retried by default. A run that was interrupted by a drain is. */}}
backoffLimit: {{ $job.backoffLimit | default 0 }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
{{- /* No uninstall removes the Job of a hook that has failed. */}}
{{- with $job.ttlSecondsAfterFinished | default (eq .component "job" | ternary 86400 0) }}
ttlSecondsAfterFinished: {{ int64 . }}
{{- end }}
template:
  metadata:
    {{- include "ai-agent.podMetadata" . | nindent 4 }}
  spec:
    {{- include "ai-agent.podSpec" . | nindent 4 }}
{{- end }}

{{/*
The command and args of a schedule or a job. The agent's command usually starts a server, so what says what to run does not follow it: its
args are then the whole line, as of an image without an entry point. A schedule that says nothing relies on the contract: run --task TASK.
*/}}
{{- define "ai-agent.jobLine" -}}
{{- $job := .root.job }}
{{- $command := .root.Values.command }}
{{- $line := dict "command" $command "args" (list "run" "--task" $job.task) }}
{{- if $job.command }}
  {{- $line = dict "command" $job.command "args" $job.args }}
{{- else if $job.args }}
  {{- $line = empty $command | ternary (dict "args" $job.args) (dict "command" $job.args) }}
{{- end }}
{{- toYaml $line }}
{{- end }}
