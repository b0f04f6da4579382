{{- define "ai-agent.rule.replica-range" -}}
{{- $min := int .Values.autoscaling.minReplicas }}
{{- $max := int .Values.autoscaling.maxReplicas }}
{{- if and (include "ai-agent.autoscaled" .) (gt $min $max) }}
- path: [autoscaling, minReplicas]
  problem: >-
    autoscaling.minReplicas {{ $min }} exceeds autoscaling.maxReplicas {{ $max }}.
  fix: >-
    Set minReplicas to at most {{ $max }}, or raise maxReplicas.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.autoscaler-without-metric" -}}
{{- with .Values.autoscaling }}
  {{- if and (include "ai-agent.autoscaled" $) (not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage .metrics)) }}
- path: [autoscaling, metrics]
  problem: >-
    autoscaling has no metric, so the number of pods would never change.
  fix: >-
    Set autoscaling.targetCPUUtilizationPercentage (the default is 70) or autoscaling.metrics, or set autoscaling.enabled to false.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.scale-to-zero-unsupported" -}}
{{- $old := semverCompare "<1.37.0-0" .Capabilities.KubeVersion.Version }}
{{- $lasting := false }}
{{- range .Values.autoscaling.metrics }}
  {{- if has .type (list "Object" "External") }}{{ $lasting = true }}{{ end }}
{{- end }}
{{- if and (include "ai-agent.autoscaled" .) (eq (int .Values.autoscaling.minReplicas) 0) (or $old (not $lasting)) }}
- path: [autoscaling, minReplicas]
  {{- if $old }}
  problem: >-
    autoscaling.minReplicas is 0, which Kubernetes {{ .Capabilities.KubeVersion.Version }} refuses: an autoscaler may remove the last pod
    from 1.37 on.
  fix: >-
    Set autoscaling.minReplicas to 1 or more. When rendering offline for a newer cluster, pass --kube-version.
  {{- else }}
  problem: >-
    autoscaling.minReplicas is 0, which Kubernetes refuses without an Object or External metric: CPU, memory and the metrics of pods do not
    exist while no pod runs.
  fix: >-
    Add a metric of type Object or External to autoscaling.metrics, such as the length of a queue, or set autoscaling.minReplicas to 1.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.metric-target-value" -}}
{{- range $index, $metric := (include "ai-agent.autoscaled" . | eq "true") | ternary .Values.autoscaling.metrics list }}
  {{- $source := eq .type "Object" | ternary "object" "external" }}
  {{- if eq (dig $source "target" "type" "" .) "Value" }}
- path: [autoscaling, metrics, "{{ $index }}", {{ $source }}, target, type]
  problem: >-
    The target of the metric {{ dig $source "metric" "name" "" . | quote }} has the type Value. The autoscaler multiplies its ratio by the
    number of Ready pods, and pods that finish their last runs count as Ready, so it adds pods again as soon as it removes some.
  fix: >-
    Use a target of type AverageValue (the value for each pod), or a metric of type Pods.
  {{- end }}
{{- end }}
{{- end }}

{{/* The kind of autoscaler in extraObjects that scales the Deployment, or nothing. */}}
{{- define "ai-agent.ownAutoscaler" -}}
{{- range .Values.extraObjects }}
  {{- $text := tpl (kindIs "string" . | ternary (toString .) (toYaml .)) $ }}
  {{- range splitList "\n---" (printf "\n%s" $text) }}
    {{- $object := fromYaml . }}
    {{- $spec := kindIs "map" $object.spec | ternary $object.spec dict }}
    {{- $target := kindIs "map" $spec.scaleTargetRef | ternary $spec.scaleTargetRef dict }}
    {{- $scales := eq (toString $target.name) (include "ai-agent.workloadName" $) }}
    {{- if and $scales (has $object.kind (list "ScaledObject" "HorizontalPodAutoscaler")) }}{{ $object.kind }} {{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.autoscaler-twice" -}}
{{- $own := include "ai-agent.ownAutoscaler" . | splitList " " | first }}
{{- if and $own (include "ai-agent.autoscaled" .) }}
- path: [autoscaling, enabled]
  problem: >-
    extraObjects has a {{ $own }} for the Deployment of the agent, which the chart's HorizontalPodAutoscaler scales too: each undoes what
    the other does.
  fix: >-
    Set autoscaling.enabled to false and replicaCount to null, or remove the {{ $own }}.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.replica-count-with-autoscaler" -}}
{{- $own := include "ai-agent.ownAutoscaler" . | splitList " " | first }}
{{- if and $own (not (include "ai-agent.autoscaled" .)) (not (kindIs "invalid" .Values.replicaCount)) }}
- path: [replicaCount]
  problem: >-
    extraObjects has a {{ $own }} for the Deployment of the agent, but every upgrade resets the number of pods to replicaCount
    {{ int .Values.replicaCount }}.
  fix: >-
    Set replicaCount to null.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.disruption-budget-of-few-pods" -}}
{{- $limit := include "ai-agent.disruptionLimit" . | fromYaml }}
{{- $value := $limit.value | default 0 | toString }}
{{- $any := eq (include "ai-agent.leastPods" .) "" }}
{{- $zero := and (include "ai-agent.autoscaled" . | eq "true") (eq (toString .Values.autoscaling.minReplicas) "0") }}
{{- $none := eq (trimSuffix "%" $value | int) 0 }}
{{- if not (or (ne (toString $limit.field) "minAvailable") (not $any) $none (regexMatch "^[0-9]{3,}%$" $value)) }}
- path: [podDisruptionBudget, minAvailable]
  problem: >-
    {{ $zero | ternary "autoscaling.minReplicas is 0." "The chart does not know how many pods your autoscaler keeps." }} Every
    drain is blocked while no more pods run than podDisruptionBudget.minAvailable {{ $value }} requires.
  fix: >-
    Set podDisruptionBudget.maxUnavailable to 1, or keep more pods than minAvailable.
{{- end }}
{{- end }}

{{/* What is given for autoscaling.behavior.scaleDown, where there is an autoscaler. */}}
{{- define "ai-agent.scaleDown" -}}
{{- if include "ai-agent.autoscaled" . }}
{{- .Values.autoscaling.behavior.scaleDown | default dict | toYaml }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.scale-down-policies-empty" -}}
{{- $down := include "ai-agent.scaleDown" . | fromYaml }}
{{- if and (include "ai-agent.autoscaled" .) (not $down.policies) (ne (toString $down.selectPolicy) "Disabled") }}
- path: [autoscaling, behavior, scaleDown, policies]
  problem: >-
    autoscaling.behavior.scaleDown has no policies. Kubernetes refuses an empty list, and without the field all pods above the
    minimum may be removed at once.
  fix: >-
    Leave autoscaling.behavior.scaleDown.policies at its default, or set a policy such as {type: Pods, value: 1, periodSeconds: 120}.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.scale-down-window-too-long" -}}
{{- $window := get (include "ai-agent.scaleDown" . | fromYaml) "stabilizationWindowSeconds" | int }}
{{- if gt $window 3600 }}
- path: [autoscaling, behavior, scaleDown, stabilizationWindowSeconds]
  problem: >-
    autoscaling.behavior.scaleDown.stabilizationWindowSeconds {{ $window }} exceeds 3600, the most that Kubernetes allows.
  fix: >-
    Set it to 3600, or remove it.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.scale-down-window-too-short" -}}
{{- $window := get (include "ai-agent.scaleDown" . | fromYaml) "stabilizationWindowSeconds" }}
{{- $needed := include "ai-agent.scaleDownSeconds" . | int }}
{{- if and (ne (toString $window) "") (lt (int $window) $needed) }}
- path: [autoscaling, behavior, scaleDown, stabilizationWindowSeconds]
  problem: >-
    autoscaling.behavior.scaleDown.stabilizationWindowSeconds {{ int $window }} is too short: it must be at least {{ $needed }}
    (agent.maxRunSeconds {{ int .Values.agent.maxRunSeconds }}, minimum 300, maximum 3600). A brief lull would remove pods that are needed
    again a minute later.
  fix: >-
    Set it to at least {{ $needed }}, or remove it.
{{- end }}
{{- end }}
