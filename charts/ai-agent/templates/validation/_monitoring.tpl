{{- define "ai-agent.rule.metrics-port-conflict" -}}
{{- with .Values.metricsPort }}
  {{- if eq (int .) (int $.Values.containerPort) }}
- path: [metricsPort]
  problem: >-
    metricsPort {{ int . }} is also containerPort: two listeners cannot share a port.
  fix: >-
    Set metricsPort to null if containerPort serves the metrics, or else to the port of the agent's second listener.
  {{- end }}
  {{- if and $.Values.serviceMonitor.enabled (eq (int .) (int $.Values.service.port)) }}
- path: [service, port]
  problem: >-
    service.port {{ int . }} is also metricsPort, and a Service cannot have a port twice. serviceMonitor adds metricsPort to it.
  fix: >-
    Set service.port to another port, or use podMonitor, which needs no port of the Service.
  {{- end }}
  {{- include "ai-agent.sidecarsOnPort" (dict "root" $ "port" (int .)) }}
{{- end }}
{{- end }}

{{/* Findings about additional containers that use the port of the metrics: (dict "root" $ "port" PORT). */}}
{{- define "ai-agent.sidecarsOnPort" -}}
{{- range $list := list "initContainers" "extraContainers" }}
  {{- range $i, $container := get $.root.Values $list | default list }}
    {{- if regexMatch (printf "\"containerPort\":%d[,}]" $.port) (toJson $container.ports) }}
- path: [{{ $list }}, {{ quote $i }}, ports]
  problem: >-
    Port {{ $.port }} of container {{ quote $container.name }} is also metricsPort: the containers of a pod share its ports.
  fix: >-
    Set metricsPort to another port, or to null if the agent has no second listener.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.monitors-overlap" -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
- path: [podMonitor, enabled]
  problem: >-
    serviceMonitor and podMonitor are both enabled: Prometheus would scrape every metric twice.
  fix: >-
    Set serviceMonitor.enabled or podMonitor.enabled to false.
{{- end }}
{{- end }}
