{{/*
Whether node autoscalers may move the pods to other nodes. Drains, as in an upgrade of the nodes, read neither of the annotations: they
respect the PodDisruptionBudget and the grace period.
*/}}

{{/* How long the Cluster Autoscaler waits by default. */}}
{{- define "ai-agent.autoscalerSeconds" -}}
{{- range .Files.Get "files/platforms.yaml" | fromYamlArray }}
  {{- if eq .id "cluster-autoscaler" }}{{ int .seconds }}{{ end }}
{{- end }}
{{- end }}

{{- define "ai-agent.outlastsAutoscaler" -}}
{{- $needed := add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds }}
{{- if gt $needed (include "ai-agent.autoscalerSeconds" . | int64) }}true{{ end }}
{{- end }}

{{/* Always, if a run ends while the Cluster Autoscaler waits, or OnUpgrade. */}}
{{- define "ai-agent.eviction" -}}
{{- .Values.disruption.eviction | default (include "ai-agent.outlastsAutoscaler" . | empty | ternary "Always" "OnUpgrade") }}
{{- end }}

{{/*
The annotations of a pod. A Job's run starts again after an eviction, so autoscalers must not evict its pod; the Job's deadline limits
how long it runs. The value is "true" and not a duration, because Karpenter before 1.12 ignores durations.
(dict "root" $ "component" COMPONENT)
*/}}
{{- define "ai-agent.evictionAnnotations" -}}
{{- if or (hasKey .root "job") (eq (include "ai-agent.eviction" .root) "OnUpgrade") -}}
cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
karpenter.sh/do-not-disrupt: "true"
{{- else -}}
cluster-autoscaler.kubernetes.io/safe-to-evict: "true"
{{- with include "ai-agent.scratchVolumes" .root | fromYamlArray }}
cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: {{ join "," . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The emptyDir volumes on disk, with which the Cluster Autoscaler would otherwise keep the node. They end with the pod anyway. */}}
{{- define "ai-agent.scratchVolumes" -}}
{{- if not (has "tmp" (include "ai-agent.volumeNames" . | splitList " ")) }}
- tmp
{{- end }}
{{- range .Values.volumes }}
  {{- if and (hasKey . "emptyDir") (ne (dig "medium" "" (.emptyDir | default dict)) "Memory") }}
- {{ .name | quote }}
  {{- end }}
{{- end }}
{{- end }}
