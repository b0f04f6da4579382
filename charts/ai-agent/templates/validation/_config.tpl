{{- define "ai-agent.rule.run-budget-override" -}}
{{- $secret := .Values.secret }}
{{- $sources := list
  (list (list "config") .Values.config)
  (list (list "secret" "stringData") $secret.stringData)
  (list (list "secret" "sealedSecret" "encryptedData") $secret.sealedSecret.encryptedData) }}
{{- range $source := $sources }}
  {{- if hasKey (index $source 1 | default dict) "MAX_RUN_SECONDS" }}
    {{- include "ai-agent.runBudgetOverride" (append (index $source 0) "MAX_RUN_SECONDS") }}
  {{- end }}
{{- end }}
{{- range $i, $variable := .Values.env }}
  {{- if eq .name "MAX_RUN_SECONDS" }}
    {{- include "ai-agent.runBudgetOverride" (list "env" (toString $i)) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The finding at a path. */}}
{{- define "ai-agent.runBudgetOverride" }}
- path: {{ toJson . }}
  problem: >-
    {{ first . }} sets MAX_RUN_SECONDS, which the chart derives so that the agent and everything around it use the same budget.
  fix: >-
    Set agent.maxRunSeconds instead.
{{- end }}

{{/* YAML reads y, n, on and off as true and false, also as the name of a variable. */}}
{{- define "ai-agent.rule.config-name-not-text" -}}
{{- range $name, $value := .Values.config }}
  {{- if has $name (list "true" "false") }}
- path: [config, {{ quote $name }}]
  problem: >-
    config has a variable called {{ $name }}: YAML reads the names y, n, yes, no, on and off as true and false.
  fix: >-
    Write the name in quotes, such as "on". If the variable really is called {{ $name }}, add config-name-not-text to validation.skip.
  {{- end }}
{{- end }}
{{- end }}

{{/* YAML reads 01234, 1.10, 1e5, on and large numbers as something else, and a template cannot tell what was written. */}}
{{- define "ai-agent.rule.config-not-text" -}}
{{- range $name, $value := .Values.config }}
  {{- if not (or (kindIs "string" $value) (kindIs "invalid" $value)) }}
- path: [config, {{ quote $name }}]
  problem: >-
    {{ printf "config.%s" $name | quote }} is a {{ kindIs "bool" $value | ternary "boolean" "number" }}, but a ConfigMap holds text, and
    YAML may have changed it: 01234 becomes 668, 1.10 becomes 1.1, yes becomes true.
  fix: >-
    Quote it. On the command line, use --set-string.
  {{- end }}
{{- end }}
{{- end }}
