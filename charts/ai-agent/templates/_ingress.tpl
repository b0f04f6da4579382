{{/* What each ingress controller really honours of the run budget. */}}

{{/*
The controller of the Ingress that is made, or nothing where none is; "other" where its class is
not known. No class is the seed's: nginx.
*/}}
{{- define "ai-agent.ingressController" -}}
{{- if and .Values.ingress.enabled .Values.ingress.hosts }}
{{- $class := .Values.ingress.className | default (get (.Values.ingress.annotations | default dict) "kubernetes.io/ingress.class") }}
{{- $told := empty $class | ternary "nginx" "other" }}
{{- range $name := list "nginx" "traefik" "haproxy" "alb" "gce" }}
{{- if contains $name $class }}{{ $told = $name }}{{ end }}
{{- end }}
{{- default $told .Values.ingress.controller }}
{{- end }}
{{- end }}

{{/* Traefik honours no timeout of an Ingress: NOTES tells what to set on its entry point. */}}
{{- define "ai-agent.ingressAnnotations" -}}
{{- $controller := include "ai-agent.ingressController" . -}}
{{- $idle := include "ai-agent.idleSeconds" . -}}
{{- if eq $controller "nginx" -}}
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $idle | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $idle | quote }}
nginx.ingress.kubernetes.io/proxy-buffering: "off"
{{- else if eq $controller "haproxy" -}}
haproxy.org/timeout-server: {{ $idle }}s
haproxy-ingress.github.io/timeout-server: {{ $idle }}s
{{- else if eq $controller "alb" -}}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $idle | int | min 4000 }}
alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds={{ include "ai-agent.requestSeconds" . | int | min 3600 }}
alb.ingress.kubernetes.io/healthcheck-path: {{ include "ai-agent.readyPath" . | quote }}
{{- else if eq $controller "gce" -}}
{{- /* GKE looks at this annotation alone, and ignores an Ingress with a class. */}}
kubernetes.io/ingress.class: {{ contains "internal" (toString .Values.ingress.className) | ternary "gce-internal" "gce" }}
{{- end }}
{{- end }}

{{/* GKE reads its timeout from a BackendConfig that the Service names. */}}
{{- define "ai-agent.backendConfigAnnotation" -}}
cloud.google.com/backend-config: {{ dict "default" (include "ai-agent.fullname" .) | toJson | quote }}
{{- end }}
