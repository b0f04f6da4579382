{{- define "ai-agent.rule.schedule-name" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- if and $schedule (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name)) }}
- path: [schedules, {{ quote $name }}]
  problem: >-
    {{ quote $name }} is not a valid name for a CronJob.
  fix: >-
    Use lowercase letters, digits and hyphens; begin and end with a letter or digit.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.schedule-name-too-long" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- $full := include "ai-agent.scheduleName" (dict "root" $ "name" $name) }}
  {{- if and $schedule (gt (len $full) 52) }}
- path: [schedules, {{ quote $name }}]
  problem: >-
    The name of the CronJob, {{ quote $full }}, has {{ len $full }} characters; Kubernetes allows 52.
  fix: >-
    Shorten the schedule's name by {{ sub (len $full) 52 }}, or set fullnameOverride.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.schedule-deadline-too-short" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- $deadline := get ($schedule | default dict) "activeDeadlineSeconds" | int }}
  {{- $needed := include "ai-agent.neededJobSeconds" (dict "root" $ "job" ($schedule | default dict)) | int }}
  {{- if and $deadline (lt $deadline $needed) }}
- path: [schedules, {{ quote $name }}, activeDeadlineSeconds]
  problem: >-
    activeDeadlineSeconds {{ $deadline }} of the schedule {{ quote $name }} would interrupt a run: with agent.maxRunSeconds
    {{ int $.Values.agent.maxRunSeconds }} and backoffLimit {{ get $schedule "backoffLimit" | int }} its Job may need {{ $needed }} s,
    which includes 120 s for each run to be scheduled and to pull its image.
  fix: >-
    Set it to at least {{ $needed }}, or remove it: the chart derives it.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.schedule-replaces-runs" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- if eq (get ($schedule | default dict) "concurrencyPolicy") "Replace" }}
- path: [schedules, {{ quote $name }}, concurrencyPolicy]
  problem: >-
    concurrencyPolicy Replace of the schedule {{ quote $name }} interrupts a run that is not done when the next one is due.
  fix: >-
    Set it to Forbid or Allow.
  {{- end }}
{{- end }}
{{- end }}

{{/* A command of one word is taken for the agent itself, which knows `run --task`; one of several usually starts a server. */}}
{{- define "ai-agent.rule.schedule-command-unclear" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- $own := $schedule | default dict }}
  {{- $args := get $own "args" }}
  {{- if and $schedule (empty (get $own "command")) (ge (len ($.Values.command | default list)) (empty $args | ternary 2 1)) }}
- path: [schedules, {{ quote $name }}, command]
    {{- if $args }}
  problem: >-
    The schedule {{ quote $name }} has args but no command. Because the agent has a command, these args are the whole command line of the
    schedule: they do not follow the agent's command, which usually starts a server.
  fix: >-
    Move the args to schedules.{{ $name }}.command. If they belong to the agent's command, repeat that in schedules.{{ $name }}.command.
    {{- else }}
  problem: >-
    The schedule {{ quote $name }} runs the agent's command followed by run --task, which a command that starts a server does not
    understand.
  fix: >-
    Set schedules.{{ $name }}.command to what runs the task.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.schedule-time-zone" -}}
{{- range $name, $schedule := .Values.schedules }}
  {{- if regexMatch "(^|\\s)(CRON_)?TZ=" (get ($schedule | default dict) "schedule") }}
- path: [schedules, {{ quote $name }}, schedule]
  problem: >-
    {{ quote $schedule.schedule }} contains a time zone, which Kubernetes refuses in a schedule.
  fix: >-
    Remove it, and set timeZone of the schedule {{ quote $name }}.
  {{- end }}
{{- end }}
{{- end }}
