{{/* The environment of the agent that is not secret. The rule config-not-text refuses what is not text. */}}

{{/*
By name: path and value, of `config` over that of the sample agent and `home`. As JSON, without what null removes. The kubelet expands
$(NAME) in `env`, but not in a ConfigMap: the chart does, for the names that it sets.
*/}}
{{- define "ai-agent.config" -}}
{{- $known := dict }}
{{- with .Values.home }}
  {{- range $name, $value := dict "HOME" . "USER" "agent" }}
    {{- $known = set $known $name (dict "path" (list "home") "value" $value) }}
  {{- end }}
{{- end }}
{{- range $name, $value := .Values.sample.enabled | ternary .Values.sample.config dict }}
  {{- $known = set $known $name (dict "path" (list "sample" "config" $name) "value" $value) }}
{{- end }}
{{- range $name, $value := .Values.config }}
  {{- $known = set $known $name (dict "path" (list "config" $name) "value" $value) }}
{{- end }}
{{- range $name, $entry := $known }}
  {{- if kindIs "invalid" $entry.value }}
    {{- $known = unset $known $name }}
  {{- else if kindIs "string" $entry.value }}
    {{- $known = set $known $name (merge (dict "value" (include "ai-agent.budgetExpanded" (dict "root" $ "value" $entry.value))) $entry) }}
  {{- end }}
{{- end }}
{{- toJson $known }}
{{- end }}

{{/* By name: what an agent, or the server that runs it, has to know of the budget and the port. */}}
{{- define "ai-agent.budget" -}}
DRAIN_SECONDS: {{ include "ai-agent.drainSeconds" . | quote }}
MAX_RUN_SECONDS: {{ int64 .Values.agent.maxRunSeconds | quote }}
PORT: {{ include "ai-agent.port" . | quote }}
{{- end }}

{{/* The user's PORT as far as it can be read, or else that of the chart. */}}
{{- define "ai-agent.port" -}}
{{- $port := int64 .Values.containerPort }}
{{- range list .Values.secret.stringData .Values.config }}
  {{- with get (. | default dict) "PORT" }}{{ $port = . }}{{ end }}
{{- end }}
{{- range .Values.env }}
  {{- if and (eq .name "PORT") .value }}{{ $port = .value }}{{ end }}
{{- end }}
{{- $port }}
{{- end }}

{{/* A text with these names replaced: (dict "root" $ "value" TEXT). */}}
{{- define "ai-agent.budgetExpanded" -}}
{{- $text := .value }}
{{- range $name, $value := include "ai-agent.budget" .root | fromYaml }}
  {{- $text = replace (printf "$(%s)" $name) $value $text }}
{{- end }}
{{- $text }}
{{- end }}

{{/* The part of it that the container gets as `env`: all, but no PORT if the values set one. */}}
{{- define "ai-agent.budgetEnvironment" -}}
{{- $budget := include "ai-agent.budget" . | fromYaml }}
{{- $own := merge (include "ai-agent.config" . | fromJson) (include "ai-agent.secretEnvironment" . | fromJson) }}
{{- range .Values.env }}{{ $own = set $own .name . }}{{ end }}
{{- hasKey $own "PORT" | ternary (omit $budget "PORT") $budget | toYaml }}
{{- end }}

{{- define "ai-agent.configData" -}}
{{- $data := dict }}
{{- range $name, $entry := include "ai-agent.config" . | fromJson }}
  {{- $data = set $data $name (toString $entry.value) }}
{{- end }}
{{- toYaml $data | required "config contains a control character, which YAML cannot represent: remove it" }}
{{- end }}

{{/*
What the chart tells the agent. As `env`, because neither a Secret nor envFrom can override it, and first, so that $(NAME) in the user's
`env` expands to it. A PORT in the values takes precedence.
*/}}
{{- define "ai-agent.env" -}}
{{- $variables := list }}
{{- range $name, $value := include "ai-agent.budgetEnvironment" . | fromYaml }}
  {{- $variables = append $variables (dict "name" $name "value" $value) }}
{{- end }}
{{- concat $variables (.Values.env | default list) | toYaml }}
{{- end }}
