{{- define "ai-agent.rule.port-conflict" -}}
{{- $names := list "http" "metrics" }}
{{- $numbers := list (.Values.service.enabled | ternary (int .Values.containerPort) 0) (.Values.metricsPort | default 0 | int) }}
{{- range $i, $port := .Values.ports }}
  {{- $number := int .containerPort }}
  {{- $udp := ne (.protocol | default "TCP") "TCP" }}
  {{- if or (has .name $names) (and (has $number $numbers) (not $udp)) }}
- path: [ports, {{ quote $i }}]
  problem: >-
    The port {{ quote .name }}, {{ $number }}, has the name or the number of another port. The names http and metrics are those of
    containerPort and metricsPort.
  fix: >-
    Give it another name and another number.
  {{- end }}
  {{- $names = append $names .name }}
  {{- if not $udp }}{{ $numbers = append $numbers $number }}{{ end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.service-port-conflict" -}}
{{- $names := list "http" "metrics" }}
{{- $numbers := list (int .Values.service.port) }}
{{- if and .Values.serviceMonitor.enabled .Values.metricsPort }}{{ $numbers = append $numbers (int .Values.metricsPort) }}{{ end }}
{{- range $i, $port := get .Values.service "ports" | default list }}
  {{- $tcp := eq (.protocol | default "TCP") "TCP" }}
  {{- if or (has .name $names) (and $tcp (has (int .port) $numbers)) }}
- path: [service, ports, {{ quote $i }}]
  problem: >-
    The port {{ quote .name }}, {{ int .port }}, of the Service has the name or the number of another one. The names http and metrics are
    those of service.port and of the metrics.
  fix: >-
    Give it another name and another number.
  {{- end }}
  {{- $names = append $names .name }}
  {{- if $tcp }}{{ $numbers = append $numbers (int .port) }}{{ end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.service-port-unknown" -}}
{{- $known := list }}
{{- range include "ai-agent.ports" . | fromYamlArray }}{{ $known = concat $known (list .name (toString .containerPort)) }}{{ end }}
{{- range concat (.Values.extraContainers | default list) (.Values.initContainers | default list) }}
  {{- range .ports }}{{ $known = concat $known (list (.name | default "") (toString .containerPort)) }}{{ end }}
{{- end }}
{{- range $i, $port := get .Values.service "ports" | default list }}
  {{- $target := .targetPort | default .port | toString }}
  {{- if not (has $target $known) }}
- path: [service, ports, {{ quote $i }}, targetPort]
  problem: >-
    service.ports[{{ $i }}] goes to the port {{ $target }} of the pods, which no container declares: the NetworkPolicy does not admit
    clients to it.
  fix: >-
    Add it to ports, such as "- {name: {{ .name }}, containerPort: {{ int .port }}}", and set targetPort to its name.
  {{- end }}
{{- end }}
{{- end }}

{{/* Two pods may serve at once, at least during a rollout. */}}
{{- define "ai-agent.mayBeSeveral" -}}
{{- $one := and (eq (include "ai-agent.leastPods" .) "1") (eq (include "ai-agent.autoscaled" .) "") }}
{{- $strategy := include "ai-agent.strategy" . | fromJson }}
{{- $none := regexMatch "^0+%?$" (dig "rollingUpdate" "maxSurge" "1" $strategy | toString) }}
{{- $surges := and (empty (include "ai-agent.stateful" .)) (not $none) }}
{{- if not (and $one (or (eq $strategy.type "Recreate") (not $surges))) }}true{{ end }}
{{- end }}

{{- define "ai-agent.rule.sessions-spread" -}}
{{- $sticky := eq (get .Values.service "sessionAffinity" | toString) "ClientIP" }}
{{- $proxied := or (include "ai-agent.ingressController" .) .Values.httpRoute.enabled }}
{{- if and (eq .Values.agent.sessions "InProcess") (include "ai-agent.mayBeSeveral" .) (or $proxied (not $sticky)) }}
- path: [agent, sessions]
  {{- if $sticky }}
  problem: >-
    Sessions exist only in the pod that began them. service.sessionAffinity does not help clients behind the Ingress or the gateway: a
    proxy chooses a pod for each request, and other pods answer 404.
  fix: >-
    Set singleton to true, or configure the proxy to keep a session on its pod, then add sessions-spread to validation.skip. Or let the
    server keep no sessions, and set agent.sessions to "".
  {{- else }}
  problem: >-
    Sessions exist only in the pod that began them, but several pods may serve, at least during a rollout: the others answer 404 to every
    request of a session that they do not have.
  fix: >-
    Set singleton to true, or service.sessionAffinity to ClientIP. Or let the server keep no sessions, such as stateless mode of an MCP
    server, and set agent.sessions to "".
  {{- end }}
{{- end }}
{{- end }}
