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

{{/* (dict "root" $ "own" RESOURCES): RESOURCES, over .Values.resources, over the type's. */}}
{{- define "ai-agent.resources" -}}
{{- $size := get (include "ai-agent.sizes" . | fromYaml) .root.Values.agent.type }}
{{- mustMergeOverwrite $size (deepCopy .root.Values.resources) (deepCopy (.own | default dict)) | toYaml }}
{{- end }}
