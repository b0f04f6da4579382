{{/* The agent's environment that is no secret. */}}

{{- define "ai-agent.configData" -}}
{{- $data := dict "MAX_RUN_SECONDS" (int64 .Values.agent.maxRunSeconds | toString) }}
{{- range $name, $value := .Values.config }}
{{- if not (kindIs "invalid" $value) }}{{ $data = set $data $name (include "ai-agent.text" $value) }}{{ end }}
{{- end }}
{{- toYaml $data }}
{{- end }}

{{/* A value as text. Numbers of a values file are floats, and 1000000 would read 1e+06. */}}
{{- define "ai-agent.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}
{{- printf "%.0f" . }}
{{- else }}
{{- toString . }}
{{- end }}
{{- end }}
