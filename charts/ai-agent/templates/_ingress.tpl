{{/* How the run budget is passed to each ingress controller. */}}

{{/*
The controller of the Ingress: nothing if no Ingress is created, "other" if its class is not known. Without a class the
default is nginx.
*/}}
{{- define "ai-agent.ingressController" -}}
{{- if and .Values.ingress.hosts (ne (toString .Values.ingress.enabled) "false") }}
{{- $class := include "ai-agent.ingressClass" . }}
{{- $known := empty $class | ternary "nginx" "other" }}
{{- range $pair := include "ai-agent.ingressClasses" . | fromYamlArray }}
  {{- if regexMatch (last $pair) $class }}{{ $known = first $pair }}{{ end }}
{{- end }}
{{- default $known .Values.ingress.controller }}
{{- end }}
{{- end }}

{{- define "ai-agent.ingressClass" -}}
{{- .Values.ingress.className | default (get (.Values.ingress.annotations | default dict) "kubernetes.io/ingress.class") }}
{{- end }}

{{/* Controllers, and what the names of their classes contain; the last that matches counts. webapprouting is nginx on AKS. */}}
{{- define "ai-agent.ingressClasses" -}}
- [gce, gce]
- [alb, alb]
- [haproxy, haproxy]
- [traefik, traefik]
- [nginx, nginx|webapprouting]
- [openshift, openshift]
- [kong, kong]
- [azure, application-gateway]
- [other, azure-alb]
{{- end }}

{{/* Traefik reads no timeout from an Ingress; the rule traefik-grace says what to set on its entry point. */}}
{{- define "ai-agent.ingressAnnotations" -}}
{{- $controller := include "ai-agent.ingressController" . -}}
{{- $idle := include "ai-agent.idleSeconds" . -}}
{{- $request := include "ai-agent.requestSeconds" . -}}
{{- if eq $controller "nginx" -}}
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $idle | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $idle | quote }}
nginx.ingress.kubernetes.io/proxy-buffering: "off"
{{- /* The controller of F5 has the same class, and reads only these. */}}
nginx.org/proxy-read-timeout: {{ $idle }}s
nginx.org/proxy-send-timeout: {{ $idle }}s
nginx.org/proxy-buffering: "False"
{{- else if eq $controller "haproxy" -}}
haproxy.org/timeout-server: {{ $idle }}s
haproxy-ingress.github.io/timeout-server: {{ $idle }}s
{{- else if eq $controller "alb" -}}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=
  {{- include "ai-agent.upToLimit" (dict "root" $ "annotation" "alb.ingress.kubernetes.io/load-balancer-attributes" "seconds" $idle) }}
alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=
  {{- include "ai-agent.upToLimit" (dict "root" $ "annotation" "alb.ingress.kubernetes.io/target-group-attributes" "seconds" $request) }}
alb.ingress.kubernetes.io/healthcheck-path: {{ include "ai-agent.readyPath" . | quote }}
{{- $ready := include "ai-agent.readyPort" . }}
{{- if ne $ready (toString .Values.containerPort) }}
alb.ingress.kubernetes.io/healthcheck-port: {{ quote $ready }}
{{- end }}
{{- if eq (include "ai-agent.readyScheme" .) "HTTPS" }}
alb.ingress.kubernetes.io/healthcheck-protocol: HTTPS
{{- end }}
{{- else if eq $controller "openshift" -}}
haproxy.router.openshift.io/timeout: {{ $idle }}s
{{- else if eq $controller "kong" -}}
konghq.com/response-buffering: "false"
{{- else if eq $controller "azure" -}}
appgw.ingress.kubernetes.io/request-timeout: {{ $request | quote }}
appgw.ingress.kubernetes.io/connection-draining: "true"
{{- $drain := dict "root" $ "annotation" "appgw.ingress.kubernetes.io/connection-draining-timeout" "seconds" $request }}
appgw.ingress.kubernetes.io/connection-draining-timeout: {{ include "ai-agent.upToLimit" $drain | quote }}
{{- else if eq $controller "gce" -}}
{{- /* GKE reads only this annotation, and ignores an Ingress that sets ingressClassName. */}}
kubernetes.io/ingress.class: {{ contains "internal" (toString .Values.ingress.className) | ternary "gce-internal" "gce" }}
{{- end }}
{{- end }}

{{/* The URLs of the agent outside the cluster, as a YAML list. The gateway of an HTTPRoute decides the scheme: https is usual. */}}
{{- define "ai-agent.urls" -}}
{{- if include "ai-agent.ingressController" . }}
  {{- range .Values.ingress.hosts }}
    {{- if .host }}
- {{ printf "%s://%s" (empty $.Values.ingress.tls | ternary "http" "https") .host | quote }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
  {{- range .Values.httpRoute.hostnames }}
- {{ printf "https://%s" . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* GKE reads the timeout from a BackendConfig that the Service names, Kong from the Service, in milliseconds. */}}
{{- define "ai-agent.serviceAnnotations" -}}
{{- $controller := include "ai-agent.ingressController" . }}
{{- if eq $controller "kong" }}
konghq.com/read-timeout: {{ mul 1000 (include "ai-agent.idleSeconds" .) | quote }}
konghq.com/write-timeout: {{ mul 1000 (include "ai-agent.idleSeconds" .) | quote }}
{{- else if eq $controller "gce" }}
cloud.google.com/backend-config: {{ dict "default" (include "ai-agent.fullname" .) | toJson | quote }}
{{- end }}
{{- end }}

{{/* What an Ingress and an HTTPRoute route by default: the API for runs. Metrics and readiness are not for the world. */}}
{{- define "ai-agent.routePath" -}}
/v1
{{- end }}

{{/* The gateways of the HTTPRoute, with what the API server would add. Merging would replace the group of a Service, which is empty. */}}
{{- define "ai-agent.routeParents" -}}
{{- $parents := list }}
{{- range .Values.httpRoute.parentRefs }}
  {{- $parent := dict "group" "gateway.networking.k8s.io" "kind" "Gateway" }}
  {{- range $field, $value := . }}{{ $_ := set $parent $field $value }}{{ end }}
  {{- $parents = append $parents $parent }}
{{- end }}
{{- toYaml $parents }}
{{- end }}

{{/* The matches of the HTTPRoute, with what the API server would add. */}}
{{- define "ai-agent.routeMatches" -}}
{{- $matches := list }}
{{- range .Values.httpRoute.matches | default (list (dict "path" (dict "value" (include "ai-agent.routePath" .)))) }}
  {{- $match := merge (deepCopy .) (dict "path" (dict "type" "PathPrefix" "value" "/")) }}
  {{- range $field := list "headers" "queryParams" }}
    {{- range get $match $field | default list }}{{ $_ := set . "type" (.type | default "Exact") }}{{ end }}
  {{- end }}
  {{- $matches = append $matches $match }}
{{- end }}
{{- toYaml $matches }}
{{- end }}
