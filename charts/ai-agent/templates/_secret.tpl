{{/* Where the agent's secrets come from. */}}

{{/* The sources that are set, space-separated; guards allow one. None means stringData. */}}
{{- define "ai-agent.secretSources" -}}
{{- $sources := list }}
{{- with .Values.secret }}
{{- if .existingSecret }}{{ $sources = append $sources "secret.existingSecret" }}{{ end }}
{{- if .externalSecret.enabled }}{{ $sources = append $sources "secret.externalSecret" }}{{ end }}
{{- if .sealedSecret.encryptedData }}{{ $sources = append $sources "secret.sealedSecret" }}{{ end }}
{{- if .secretProviderClass.provider }}{{ $sources = append $sources "secret.secretProviderClass" }}{{ end }}
{{- end }}
{{- join " " $sources }}
{{- end }}

{{/* Whether an ExternalSecret reads a store: a generator needs none. (secret.externalSecret) */}}
{{- define "ai-agent.readsStore" -}}
{{- range .dataFrom }}{{ if not (dig "sourceRef" "generatorRef" "" .) }}true{{ end }}{{ end }}
{{- end }}

{{- define "ai-agent.secretName" -}}
{{- default (printf "%s-secrets" (include "ai-agent.fullname" .)) .Values.secret.existingSecret }}
{{- end }}

{{/*
Changes when the Secret's content does: of values by the values, of any other source by the live
Secret, which the next `helm upgrade` reads, and by secret.revision where no cluster can be asked.
*/}}
{{- define "ai-agent.secretChecksum" -}}
{{- $live := dict }}
{{- if include "ai-agent.secretSources" . }}
{{- $live = dig "data" dict (lookup "v1" "Secret" .Release.Namespace (include "ai-agent.secretName" .)) }}
{{- end }}
{{- toJson (list .Values.secret $live) | sha256sum }}
{{- end }}

{{/* A SecretProviderClass copies into a Secret only what it is told to. */}}
{{- define "ai-agent.hasSecret" -}}
{{- if or (not .Values.secret.secretProviderClass.provider) .Values.secret.secretProviderClass.data }}true{{ end }}
{{- end }}
