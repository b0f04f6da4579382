{{/* What Kubernetes accepts only together, as a YAML list: field, whether its condition holds, and what it needs. */}}
{{- define "ai-agent.serviceConditions" -}}
{{- $service := .Values.service }}
{{- $balanced := eq $service.type "LoadBalancer" }}
{{- $external := ne $service.type "ClusterIP" }}
{{- $local := eq (toString $service.externalTrafficPolicy) "Local" }}
- {field: nodePort, holds: {{ $external }}, needs: type NodePort or LoadBalancer}
- {field: externalTrafficPolicy, holds: {{ or $external $service.externalIPs | empty | not }}, needs: type NodePort or LoadBalancer}
- {field: healthCheckNodePort, holds: {{ and $balanced $local }}, needs: type LoadBalancer and externalTrafficPolicy Local}
{{- range list "allocateLoadBalancerNodePorts" "loadBalancerClass" "loadBalancerIP" "loadBalancerSourceRanges" }}
- {field: {{ . }}, holds: {{ $balanced }}, needs: type LoadBalancer}
{{- end }}
- {field: sessionAffinityConfig, holds: {{ eq (toString $service.sessionAffinity) "ClientIP" }}, needs: sessionAffinity ClientIP}
{{- if eq (toString $service.clusterIP) "None" }}
- {field: clusterIP, holds: {{ not $external }}, needs: type ClusterIP if it is None}
{{- end }}
{{- if gt (len ($service.ipFamilies | default list)) 1 }}
- field: ipFamilies
  holds: {{ contains "DualStack" (toString $service.ipFamilyPolicy) }}
  needs: ipFamilyPolicy PreferDualStack or RequireDualStack
{{- end }}
{{- end }}

{{- define "ai-agent.rule.service-field-conflict" -}}
{{- range include "ai-agent.serviceConditions" . | fromYamlArray }}
  {{- $value := get $.Values.service .field }}
  {{- if and (not .holds) (or $value (kindIs "bool" $value)) }}
- path: [service, {{ .field }}]
  problem: >-
    service.{{ .field }} is set, which Kubernetes accepts only with {{ .needs }}.
  fix: >-
    Remove service.{{ .field }}, or set {{ .needs }}.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.client-address-hidden" -}}
{{- $peers := .Values.networkPolicy.ingress.from }}
{{- $named := and $peers (toJson (list $peers .Values.networkPolicy.extraIngress) | contains "ipBlock") }}
{{- $hidden := ne (get .Values.service "externalTrafficPolicy" | toString) "Local" }}
{{- if and $named $hidden .Values.networkPolicy.enabled (ne .Values.service.type "ClusterIP") }}
- path: [service, externalTrafficPolicy]
  problem: >-
    networkPolicy names clients by their addresses, but a Service of type {{ .Values.service.type }} may replace these by the address of a
    node, so the policy would drop their connections.
  fix: >-
    Set service.externalTrafficPolicy to Local, which keeps the addresses of clients, or name the addresses of the nodes in the policy.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.service-required" -}}
{{- $users := list }}
{{- if include "ai-agent.ingressController" . }}{{ $users = append $users "ingress" }}{{ end }}
{{- if .Values.httpRoute.enabled }}{{ $users = append $users "httpRoute" }}{{ end }}
{{- if .Values.serviceMonitor.enabled }}{{ $users = append $users "serviceMonitor" }}{{ end }}
{{- if and .Values.podMonitor.enabled (not .Values.metricsPort) }}{{ $users = append $users "podMonitor without metricsPort" }}{{ end }}
{{- if and $users (not .Values.service.enabled) }}
- path: [service, enabled]
  problem: >-
    service.enabled is false, but {{ join " and " $users }} need{{ len $users | eq 1 | ternary "s" "" }} the Service.
  fix: >-
    Set service.enabled to true, or disable what needs it. For metrics, set metricsPort and use podMonitor.
{{- end }}
{{- end }}
