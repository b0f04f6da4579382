{{/* The sizes of agent.type. .Values.resources overrides single fields. */}}

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

{{/* (dict "root" $ "own" RESOURCES): RESOURCES override .Values.resources, which override the size. A null removes a field. */}}
{{- define "ai-agent.resources" -}}
{{- $size := get (include "ai-agent.sizes" . | fromYaml) .root.Values.agent.type }}
{{- $all := mustMergeOverwrite $size (.root.Values.resources | default dict | deepCopy) (deepCopy (.own | default dict)) }}
{{- range $list := list "requests" "limits" }}
  {{- range $name, $amount := get $all $list }}
    {{- if kindIs "invalid" $amount }}{{ $_ := unset (get $all $list) $name }}{{ end }}
  {{- end }}
{{- end }}
{{- include "ai-agent.requestScratch" (dict "root" .root "resources" $all "given" (list .root.Values.resources .own)) }}
{{- toYaml $all }}
{{- end }}

{{/*
Adds a request for what /tmp may hold. Without one, a node with a full disk evicts this pod among the first. A request in the values, even
null, takes precedence; a limit in the values is also the request, as in Kubernetes.
(dict "root" $ "resources" RESOURCES "given" VALUES)
*/}}
{{- define "ai-agent.requestScratch" -}}
{{- $unmounted := and (include "ai-agent.mountsTmp" .root) (empty .root.Values.writableDirs) }}
{{- $own := or (has "tmp" (include "ai-agent.volumeNames" .root | splitList " ")) $unmounted }}
{{- range .given }}
  {{- if hasKey (dig "requests" dict (. | default dict) | default dict) "ephemeral-storage" }}{{ $own = true }}{{ end }}
{{- end }}
{{- if not $own }}
  {{- $limit := get (.resources.limits | default dict) "ephemeral-storage" | default .root.Values.tmp.sizeLimit }}
  {{- $_ := set .resources "requests" (set (.resources.requests | default dict) "ephemeral-storage" $limit) }}
{{- end }}
{{- end }}

{{/* A Kubernetes quantity, such as 500m or 2Gi, as a number. */}}
{{- define "ai-agent.quantity" -}}
{{- $text := toString . }}
{{- $suffix := regexFind "[A-Za-z]+$" $text }}
{{- $small := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 }}
{{- $decimal := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 }}
{{- $binary := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- mulf (trimSuffix $suffix $text | float64) (get (merge $small $decimal $binary) $suffix | default 1) }}
{{- end }}
