{{- define "ai-agent.rule.worker-name" -}}
{{- range $name, $own := include "ai-agent.compact" .Values.workers | fromYaml }}
  {{- $reserved := has $name (list "server" "schedule" "job" "test") }}
  {{- if or $reserved (gt (len $name) 40) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name)) }}
- path: [workers, {{ quote $name }}]
  problem: >-
    {{ quote $name }} is not a valid name for a worker{{ $reserved | ternary ": the chart uses it for its other pods" "" }}.
  fix: >-
    Use at most 40 lowercase letters, digits and hyphens; begin and end with a letter or digit. The names server, schedule, job and test
    are reserved.
  {{- end }}
{{- end }}
{{- end }}
