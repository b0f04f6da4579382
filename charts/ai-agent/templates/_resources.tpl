{{/* Resources by agent.type, the seed's table, with .Values.resources over them field by field. */}}

{{- define "ai-agent.sizes" -}}
api:
  requests: {cpu: 250m, memory: 256Mi}
  limits: {cpu: 1000m, memory: 1Gi}
embeddings:
  requests: {cpu: 500m, memory: 512Mi}
  limits: {cpu: 2000m, memory: 2Gi}
local-model:
  requests: {cpu: 2000m, memory: 4Gi}
  limits: {cpu: 4000m, memory: 8Gi}
orchestrator:
  requests: {cpu: 1000m, memory: 1Gi}
  limits: {cpu: 4000m, memory: 4Gi}
{{- end }}

{{/* (dict "root" $ "own" RESOURCES): RESOURCES, over .Values.resources, over the type's. A null takes one away. */}}
{{- define "ai-agent.resources" -}}
{{- $size := get (include "ai-agent.sizes" . | fromYaml) .root.Values.agent.type }}
{{- $all := mustMergeOverwrite $size (.root.Values.resources | default dict | deepCopy) (deepCopy (.own | default dict)) }}
{{- range $list := list "requests" "limits" }}
{{- range $name, $amount := get $all $list }}
{{- if kindIs "invalid" $amount }}{{ $_ := unset (get $all $list) $name }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{/* A quantity of Kubernetes as a number. */}}
{{- define "ai-agent.quantity" -}}
{{- $text := toString . }}
{{- $suffix := regexFind "[A-Za-z]+$" $text }}
{{- $factors := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- mulf (trimSuffix $suffix $text | float64) (get $factors $suffix | default 1) }}
{{- end }}
