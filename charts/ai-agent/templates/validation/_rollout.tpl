{{- define "ai-agent.rule.strategy-type" -}}
{{- if not (has .Values.strategy.type (list "RollingUpdate" "Recreate")) }}
- path: [strategy, type]
  problem: >-
    strategy.type {{ quote .Values.strategy.type }} is not valid.
  fix: >-
    Use RollingUpdate or Recreate.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.rollout-stuck" -}}
{{- $zeros := 0 }}
{{- $strategy := include "ai-agent.strategy" . | fromJson }}
{{- range $field := list "maxUnavailable" "maxSurge" }}
  {{- if regexMatch "^0+%?$" (dig "rollingUpdate" $field "" $strategy | toString) }}{{ $zeros = add1 $zeros }}{{ end }}
{{- end }}
{{- if eq (int $zeros) 2 }}
- path: [strategy, rollingUpdate]
  problem: >-
    maxUnavailable and maxSurge are both 0: no rollout can make progress.
  fix: >-
    Set strategy.rollingUpdate.maxSurge to 1.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.rollout-reduces-capacity" -}}
{{- $strategy := include "ai-agent.strategy" . | fromJson }}
{{- $unavailable := dig "rollingUpdate" "maxUnavailable" 0 $strategy | toString }}
{{- if and (not .Values.singleton) (or (eq $strategy.type "Recreate") (not (regexMatch "^0+%?$" $unavailable))) }}
- path: [strategy]
  problem: >-
    strategy removes pods before their replacements are Ready: fewer pods serve during a rollout, or none.
  fix: >-
    Set strategy.type to RollingUpdate and strategy.rollingUpdate.maxUnavailable to 0.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.progress-deadline-too-short" -}}
{{- $needed := include "ai-agent.neededProgressSeconds" . | int }}
{{- $wait := include "ai-agent.replacementWaitSeconds" . | int }}
{{- $deployment := empty (include "ai-agent.stateful" .) }}
{{- if and $deployment (lt (.Values.progressDeadlineSeconds | default $needed | int) $needed) }}
- path: [progressDeadlineSeconds]
  problem: >-
    progressDeadlineSeconds {{ int .Values.progressDeadlineSeconds }} is too short: a rollout may wait {{ $needed }} s for one pod
    ({{ if $wait }}{{ $wait }} s until the old pod has ended, {{ end }}{{ include "ai-agent.startupSeconds" . }} s until the new one has
    started), and would be reported as failed.
  fix: >-
    Set it to more than {{ $needed }}, or to null: the chart derives it.
{{- end }}
{{- end }}
