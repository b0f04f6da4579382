{{- define "ai-agent.rule.egress-url-unreadable" -}}
{{- range include "ai-agent.egressURLs" . | fromJsonArray }}
  {{- if and $.Values.networkPolicy.enabled (eq .state "unreadable") }}
- path: {{ toJson .path }}
  problem: >-
    {{ .name }} has no host and port that the chart can read, so the NetworkPolicy cannot allow that server.
  fix: >-
    Write it as scheme://host:port, or as $(NAME) for a variable in env, secret.stringData or config that has such a value.
  {{- end }}
{{- end }}
{{- end }}
