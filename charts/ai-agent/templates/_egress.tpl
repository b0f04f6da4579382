{{/* The servers in networkPolicy.egress.urls, and what the user allows in all. */}}

{{/* The URLs, as a JSON list of name, path, url and state, with references $(NAME) to the agent's environment resolved. */}}
{{- define "ai-agent.egressURLs" -}}
{{- $known := include "ai-agent.environment" . | fromJson }}
{{- $urls := list }}
{{- range $i, $url := .Values.networkPolicy.egress.urls }}
  {{- $text := include "ai-agent.expanded" (dict "value" $url "known" $known) }}
  {{- $state := include "ai-agent.readableURL" $text | eq "true" | ternary "read" "unreadable" }}
  {{- $path := list "networkPolicy" "egress" "urls" (toString $i) }}
  {{- $urls = append $urls (dict "name" (printf "networkPolicy.egress.urls[%d]" $i) "path" $path "url" $text "state" $state) }}
{{- end }}
{{- toJson $urls }}
{{- end }}

{{/* Their rules, as a YAML list. */}}
{{- define "ai-agent.urlEgress" -}}
{{- $rules := list }}
{{- range include "ai-agent.egressURLs" . | fromJsonArray }}
  {{- $rules = include "ai-agent.egressTo" (dict "url" .url "https" $.Values.networkPolicy.egress.https) | fromYamlArray | concat $rules }}
{{- end }}
{{- toYaml $rules }}
{{- end }}

{{/* What the values allow besides the servers in the agent's environment, as a YAML list of rules. */}}
{{- define "ai-agent.furtherEgress" -}}
{{- concat (include "ai-agent.urlEgress" . | fromYamlArray) (.Values.networkPolicy.extraEgress | default list) | toYaml }}
{{- end }}
