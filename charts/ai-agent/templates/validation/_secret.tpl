{{- define "ai-agent.rule.secret-sources" -}}
{{- $sources := include "ai-agent.secretSources" . | splitList " " }}
{{- if gt (len $sources) 1 }}
- path: [secret]
  problem: >-
    secret has more than one source ({{ join ", " $sources }}), but the agent reads only one Secret.
  fix: >-
    Keep one of them.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.secret-values-unused" -}}
{{- $sources := include "ai-agent.secretSources" . | splitList " " }}
{{- if and (first $sources) (compact (values .Values.secret.stringData)) }}
- path: [secret, stringData]
  problem: >-
    secret.stringData has values that would be ignored: the agent reads {{ first $sources }}.
  fix: >-
    Move them to {{ first $sources }}, or remove that source.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.secret-in-values" -}}
{{- if and (not (include "ai-agent.secretSources" .)) (compact (values .Values.secret.stringData)) }}
- path: [secret, stringData]
  problem: >-
    secret.stringData is for development: its values remain readable in the release.
  fix: >-
    In production, create the Secret yourself and set secret.existingSecret, or use secret.externalSecret.
{{- end }}
{{- end }}

{{/* External Secrets reads each entry from its own store, or else from the common one. A generator needs none. */}}
{{- define "ai-agent.rule.external-secret-store" -}}
{{- $external := .Values.secret.externalSecret }}
{{- if and $external.enabled (not (dig "secretStoreRef" "name" "" $external)) }}
  {{- include "ai-agent.storeMissing" (dict "list" "data" "entries" $external.data) }}
  {{- include "ai-agent.storeMissing" (dict "list" "dataFrom" "entries" $external.dataFrom) }}
{{- end }}
{{- end }}

{{/* The entries of a list that name neither a store nor a generator: (dict "list" NAME "entries" LIST). */}}
{{- define "ai-agent.storeMissing" }}
{{- range $i, $entry := .entries }}
  {{- $source := get $entry "sourceRef" | default dict }}
  {{- if not (or (dig "storeRef" "name" "" $source) (get $source "generatorRef")) }}
- path: [secret, externalSecret, {{ $.list }}, {{ toString $i | quote }}]
  problem: >-
    secret.externalSecret.{{ $.list }}[{{ $i }}] has no store to read from.
  fix: >-
    Set secret.externalSecret.secretStoreRef.name and .kind (SecretStore or ClusterSecretStore), or sourceRef.storeRef of this entry.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.external-secret-empty" -}}
{{- with .Values.secret.externalSecret }}
  {{- if and .enabled (not (or .data .dataFrom)) }}
- path: [secret, externalSecret, data]
  problem: >-
    secret.externalSecret reads nothing: the Secret would be empty.
  fix: >-
    Set secret.externalSecret.data or .dataFrom.
  {{- end }}
{{- end }}
{{- end }}
