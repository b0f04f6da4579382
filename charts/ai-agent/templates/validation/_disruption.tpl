{{/* The limit of the PodDisruptionBudget that takes effect, as YAML: field and value. Nothing without a budget or a pod. */}}
{{- define "ai-agent.disruptionLimit" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- $field := kindIs "invalid" $budget.maxUnavailable | ternary "minAvailable" "maxUnavailable" }}
{{- if and $budget.enabled (not .Values.singleton) (ne (include "ai-agent.leastPods" .) "0") }}
{{- dict "field" $field "value" (get $budget $field) | toYaml }}
{{- end }}
{{- end }}

{{/* The fewest pods that the release runs, or nothing where another autoscaler decides, or where it may be any number. */}}
{{- define "ai-agent.leastPods" -}}
{{- $count := .Values.singleton | ternary 1 .Values.replicaCount }}
{{- if include "ai-agent.autoscaled" . }}{{ $count = .Values.autoscaling.minReplicas | default nil }}{{ end }}
{{- if not (kindIs "invalid" $count) }}{{ int $count }}{{ end }}
{{- end }}

{{- define "ai-agent.leastPodsText" -}}
{{- with include "ai-agent.leastPods" . }}: the release may run as few as {{ . }} pod{{ eq . "1" | ternary "" "s" }}{{ end }}
{{- end }}

{{- define "ai-agent.rule.disruption-budget-empty" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- $empty := and (kindIs "invalid" $budget.minAvailable) (kindIs "invalid" $budget.maxUnavailable) }}
{{- if and $empty (include "ai-agent.disruptionLimit" .) }}
- path: [podDisruptionBudget, minAvailable]
  problem: >-
    podDisruptionBudget has neither minAvailable nor maxUnavailable.
  fix: >-
    Set podDisruptionBudget.minAvailable to 1, or podDisruptionBudget.enabled to false.
{{- end }}
{{- end }}

{{/* A PodDisruptionBudget that allows no eviction blocks every drain, and with it every upgrade of the nodes. */}}
{{- define "ai-agent.rule.disruption-budget-blocks-drains" -}}
{{- $limit := include "ai-agent.disruptionLimit" . | fromYaml }}
{{- $value := $limit.value | toString }}
{{- if and (eq (toString $limit.field) "maxUnavailable") (eq (trimSuffix "%" $value | int) 0) }}
- path: [podDisruptionBudget, maxUnavailable]
  problem: >-
    podDisruptionBudget.maxUnavailable {{ $value }} allows no eviction and blocks every drain.
  fix: >-
    Set podDisruptionBudget.maxUnavailable to 1.
{{- else if include "ai-agent.keepsEveryPod" (dict "limit" $limit "least" (include "ai-agent.leastPods" .)) }}
- path: [podDisruptionBudget, minAvailable]
  problem: >-
    podDisruptionBudget.minAvailable {{ $value }} allows no eviction and blocks every drain{{ include "ai-agent.leastPodsText" . }}.
  fix: >-
    Lower podDisruptionBudget.minAvailable, run more pods, or set podDisruptionBudget.enabled to false.
{{- end }}
{{- end }}

{{/* Whether minAvailable keeps every pod. Kubernetes rounds a percentage up: (dict "limit" LIMIT "least" PODS). */}}
{{- define "ai-agent.keepsEveryPod" -}}
{{- $value := .limit.value | toString }}
{{- $share := trimSuffix "%" $value | float64 }}
{{- $kept := hasSuffix "%" $value | ternary (mulf $share (.least | default "1" | float64) 0.01 | ceil) $share }}
{{- if and (eq (toString .limit.field) "minAvailable") (not (kindIs "invalid" .limit.value)) }}
  {{- if and .least (ge (int $kept) (int .least)) }}true{{ end }}
  {{- if and (hasSuffix "%" $value) (ge $share 100.0) }}true{{ end }}
{{- end }}
{{- end }}
