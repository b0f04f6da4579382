{{/* The environment of the agent that is not secret. The rule config-not-text refuses what is not text. */}}

{{- define "ai-agent.configData" -}}
{{- $data := dict }}
{{- range $name, $value := .Values.config }}
  {{- if not (kindIs "invalid" $value) }}{{ $data = set $data $name (toString $value) }}{{ end }}
{{- end }}
{{- toYaml $data | required "config contains a control character, which YAML cannot represent: remove it" }}
{{- end }}

{{/* What the chart tells the agent. As `env`, because neither a Secret nor envFrom can override it. */}}
{{- define "ai-agent.env" -}}
- name: MAX_RUN_SECONDS
  value: {{ int64 .Values.agent.maxRunSeconds | quote }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
