{{/* Whether an agent's environment names the Service of another: (dict "text" TEXT "service" NAME). */}}
{{- define "ai-agent.callsService" -}}
{{- if regexMatch (printf `(^|[/@,\s])%s([.:/,\s]|$)` .service) .text }}true{{ end }}
{{- end }}

{{/* What the other agents of a parent chart need to know of this one. */}}
{{- define "ai-agent.callee" -}}
{{- $values := list }}
{{- range $name, $entry := include "ai-agent.environment" . | fromJson }}{{ $values = append $values ($entry.value | default "") }}{{ end }}
{{- $seconds := int .Values.agent.maxRunSeconds }}
{{- dict "name" .Chart.Name "service" (include "ai-agent.serviceName" .) "seconds" $seconds "text" (join "\n" $values) | toJson }}
{{- end }}

{{/*
A run that waits for the run of another agent takes at least as long. A parent chart has both agents, under aliases: see the rule
object-name-taken. Whichever is rendered later reports the pair.
*/}}
{{- define "ai-agent.rule.calls-longer-agent" -}}
{{- $agents := get .Release "aiAgentCalls" | default dict }}
{{- $own := include "ai-agent.callee" . | fromJson }}
{{- range $chart, $other := omit $agents .Template.BasePath }}
  {{- $pairs := list (dict "caller" $own "callee" $other) (dict "caller" $other "callee" $own) }}
  {{- range $pairs }}
    {{- $calls := include "ai-agent.callsService" (dict "text" .caller.text "service" .callee.service) }}
    {{- if and $calls (lt (int .caller.seconds) (int .callee.seconds)) }}
- path: [agent, maxRunSeconds]
  problem: >-
    {{ .caller.name }} calls {{ .callee.name }}, whose runs may take {{ int .callee.seconds }} s. Its own runs are protected for only
    {{ int .caller.seconds }} s: a rollout interrupts one that waits for {{ .callee.name }}.
  fix: >-
    Set agent.maxRunSeconds of {{ .caller.name }} to more than {{ int .callee.seconds }}. If it waits for less time, add calls-longer-agent
    to validation.skip of both.
    {{- end }}
  {{- end }}
{{- end }}
{{- $_ := set .Release "aiAgentCalls" (set $agents .Template.BasePath $own) }}
{{- end }}
