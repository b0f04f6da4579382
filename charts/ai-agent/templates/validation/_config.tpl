{{- define "ai-agent.rule.run-budget-override" -}}
{{- $secret := .Values.secret }}
{{- $sources := list
  (list (list "config") .Values.config)
  (list (list "sample" "config") .Values.sample.config)
  (list (list "secret" "stringData") $secret.stringData)
  (list (list "secret" "sealedSecret" "encryptedData") $secret.sealedSecret.encryptedData) }}
{{- $derived := list "MAX_RUN_SECONDS" "DRAIN_SECONDS" }}
{{- range $source := $sources }}
  {{- range $name := keys (index $source 1 | default dict) | sortAlpha }}
    {{- if has $name $derived }}{{ include "ai-agent.runBudgetOverride" (append (index $source 0) $name) }}{{ end }}
  {{- end }}
{{- end }}
{{- range $i, $variable := .Values.env }}
  {{- if has .name $derived }}
    {{- include "ai-agent.runBudgetOverride" (list "env" (toString $i) .name) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The finding at a path; the last element is the name of the variable. */}}
{{- define "ai-agent.runBudgetOverride" }}
- path: {{ eq (first .) "env" | ternary (initial .) . | toJson }}
  problem: >-
    {{ first . }} sets {{ last . }}, which the chart derives so that the agent and everything around it use the same budget.
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
{{- range $name, $entry := include "ai-agent.config" . | fromJson }}
  {{- if not (kindIs "string" $entry.value) }}
- path: {{ include "ai-agent.path" $entry.path }}
  problem: >-
    {{ join "." $entry.path | quote }} is a {{ kindIs "bool" $entry.value | ternary "boolean" "number" }}, but a ConfigMap holds text, and
    YAML may have changed it: 01234 becomes 668, 1.10 becomes 1.1, yes becomes true.
  fix: >-
    Quote it. On the command line, use --set-string.
  {{- end }}
{{- end }}
{{- end }}
