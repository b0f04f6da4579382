{{/*
What the container of the agent reads as its environment, as far as the values tell. Kubernetes' order: env over envFrom
over the Secret over config.
*/}}

{{/* By name: path (where the values set it), and value, or unreadable if the values do not have it. As JSON. */}}
{{- define "ai-agent.environment" -}}
{{- $known := dict }}
{{- range $name, $entry := include "ai-agent.config" . | fromJson }}
  {{- $known = set $known $name (dict "path" $entry.path "value" (toString $entry.value)) }}
{{- end }}
{{- $known = merge (include "ai-agent.secretEnvironment" . | fromJson) $known }}
{{- range $name, $value := include "ai-agent.budgetEnvironment" . | fromYaml }}
  {{- $known = set $known $name (dict "path" (list "agent" "maxRunSeconds") "value" $value) }}
{{- end }}
{{- range $i, $variable := .Values.env }}
  {{- $entry := dict "path" (list "env" (toString $i)) "unreadable" true }}
  {{- if not .valueFrom }}
    {{- $entry = dict "path" $entry.path "value" (include "ai-agent.expanded" (dict "value" (.value | default "") "known" $known)) }}
  {{- end }}
  {{- $known = set $known .name $entry }}
{{- end }}
{{- toJson $known }}
{{- end }}

{{/* The variables that the Secret is known to set. */}}
{{- define "ai-agent.secretEnvironment" -}}
{{- $set := dict }}
{{- $secret := .Values.secret }}
{{- if and (not $secret.mountPath) (not (include "ai-agent.secretSources" .)) }}
  {{- range $name, $value := $secret.stringData }}
    {{- if $value }}{{ $set = set $set $name (dict "path" (list "secret" "stringData" $name) "value" $value) }}{{ end }}
  {{- end }}
{{- else if not $secret.mountPath }}
  {{- range $name, $value := $secret.sealedSecret.encryptedData }}
    {{- $set = set $set $name (dict "path" (list "secret" "sealedSecret" "encryptedData" $name) "unreadable" true) }}
  {{- end }}
  {{- range $secret.externalSecret.enabled | ternary $secret.externalSecret.data list }}
    {{- $set = set $set (.secretKey | default "" | toString) (dict "path" (list "secret" "externalSecret" "data") "unreadable" true) }}
  {{- end }}
  {{- range $secret.secretProviderClass.data }}
    {{- $set = set $set .key (dict "path" (list "secret" "secretProviderClass" "data") "unreadable" true) }}
  {{- end }}
{{- end }}
{{- toJson $set }}
{{- end }}

{{/* The sources that may set any variable, as a JSON list of paths. */}}
{{- define "ai-agent.opaqueEnvironment" -}}
{{- $paths := list }}
{{- $secret := .Values.secret }}
{{- if and $secret.existingSecret (not $secret.mountPath) }}{{ $paths = append $paths (list "secret" "existingSecret") }}{{ end }}
{{- if and $secret.externalSecret.enabled $secret.externalSecret.dataFrom (not $secret.mountPath) }}
  {{- $paths = append $paths (list "secret" "externalSecret" "dataFrom") }}
{{- end }}
{{- if .Values.envFrom }}{{ $paths = append $paths (list "envFrom") }}{{ end }}
{{- toJson $paths }}
{{- end }}

{{/* A value with its references $(NAME) replaced where they are known: (dict "value" TEXT "known" the environment so far). */}}
{{- define "ai-agent.expanded" -}}
{{- $text := .value }}
{{- range $reference := regexFindAll `\$\([A-Za-z0-9_.-]+\)` .value -1 | uniq }}
  {{- $entry := get $.known (trimPrefix "$(" $reference | trimSuffix ")") | default dict }}
  {{- if hasKey $entry "value" }}{{ $text = replace $reference $entry.value $text }}{{ end }}
{{- end }}
{{- $text }}
{{- end }}
