{{- define "ai-agent.rule.ingress-without-hosts" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
- path: [ingress, hosts]
  problem: >-
    ingress.enabled is true, but ingress.hosts is empty: no Ingress would be created.
  fix: >-
    Add an entry to ingress.hosts, or leave ingress.enabled at null, which creates an Ingress once ingress.hosts has an entry.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.ingress-class-conflict" -}}
{{- $annotated := get (.Values.ingress.annotations | default dict) "kubernetes.io/ingress.class" }}
{{- if and $annotated .Values.ingress.className (ne $annotated .Values.ingress.className) }}
- path: [ingress, className]
  problem: >-
    ingress.className {{ quote .Values.ingress.className }} and the annotation kubernetes.io/ingress.class
    {{ quote $annotated }} differ, and Kubernetes refuses an Ingress in which they do not match.
  fix: >-
    Remove the annotation.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.ingress-controller-unknown" -}}
{{- $class := include "ai-agent.ingressClass" . }}
{{- $isContour := contains "contour" $class }}
{{- /* These ignore the timeout annotations of other controllers. */}}
{{- $isOther := regexMatch "cilium|istio|gloo|emissary|ambassador|apisix|tyk|pomerium|ngrok|caddy|skipper|voyager" $class }}
{{- $set := false }}
{{- range $name, $format := .Files.Get "files/timeouts.yaml" | fromYaml }}
  {{- $read := $isContour | ternary (hasPrefix "projectcontour.io/" $name) (not $isOther) }}
  {{- if and $read (get ($.Values.ingress.annotations | default dict) $name) }}{{ $set = true }}{{ end }}
{{- end }}
{{- $seconds := int .Values.agent.maxRunSeconds }}
{{- if and (eq (include "ai-agent.ingressController" .) "other") (not $set) }}
- path: [ingress, className]
  {{- if $isContour }}
  problem: >-
    Contour ends a response after 15 s by default, and the chart sets no timeout for it.
  fix: >-
    Set projectcontour.io/response-timeout in ingress.annotations to infinity, or to {{ $seconds }}s or more. It also ends a stream that is
    silent for 5 minutes: send a heartbeat.
  {{- else }}
  problem: >-
    The chart does not know the controller of the Ingress class {{ quote $class }} and sets no timeout for it. Some
    controllers end a response after 15 s by default.
  fix: >-
    If the controller is nginx, traefik, haproxy, openshift, kong, alb, gce or azure, set ingress.controller to it. Otherwise, set the
    controller's timeouts to {{ $seconds }} s or more; if you set them outside ingress.annotations, add ingress-controller-unknown to
    validation.skip.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.timeout-annotation-too-short" -}}
{{- range $list := list "ingress" "service" }}
  {{- $annotations := index $.Values $list "annotations" | default dict }}
  {{- range $name, $format := $.Files.Get "files/timeouts.yaml" | fromYaml }}
    {{- with get $annotations $name }}
      {{- include "ai-agent.shortTimeouts" (dict "root" $ "list" $list "name" $name "format" $format "value" (toString .)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.shortTimeouts" -}}
{{- $run := int .root.Values.agent.maxRunSeconds }}
{{- $needed := .format.limit | default $run | int | min $run }}
{{- range include "ai-agent.annotationTimeouts" . | fromYamlArray }}
  {{- if lt (int .) $needed }}
- path: [{{ $.list }}, annotations, {{ quote $.name }}]
  problem: >-
    With the annotation {{ $.name }} the timeout is {{ int . }} s, which would interrupt a run: agent.maxRunSeconds is {{ $run }}.
  fix: >-
    {{- with $.format.attribute }}
    Add {{ . }}={{ $needed }}, because the annotation replaces the chart's whole list.
    {{- else }}
    Set it to {{ $needed }} s or more in the format that the controller reads.
    {{- end }}
    Or remove it: the chart sets the timeouts of the controllers that it knows.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.route-without-gateway" -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
- path: [httpRoute, parentRefs]
  problem: >-
    httpRoute.parentRefs is empty: the HTTPRoute would attach to no gateway.
  fix: >-
    Add your gateway to httpRoute.parentRefs, such as "- name: my-gateway".
{{- end }}
{{- end }}

{{- define "ai-agent.rule.route-timeout-too-short" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- range $name, $value := .Values.httpRoute.timeouts }}
  {{- $seconds := include "ai-agent.seconds" (dict "value" $value "unit" "s") | int }}
  {{- if and $seconds (lt $seconds $run) }}
- path: [httpRoute, timeouts, {{ $name }}]
  problem: >-
    httpRoute.timeouts.{{ $name }} {{ $value }} would interrupt a run: agent.maxRunSeconds is {{ $run }}.
  fix: >-
    Set it to at least {{ $run }}s, or remove it: the chart derives it.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.route-timeout-order" -}}
{{- $request := get (.Values.httpRoute.timeouts | default dict) "request" | default "" }}
{{- $backend := get (.Values.httpRoute.timeouts | default dict) "backendRequest" | default "" }}
{{- $limit := include "ai-agent.seconds" (dict "value" $request "unit" "s") | int }}
{{- if and $limit (gt (include "ai-agent.seconds" (dict "value" $backend "unit" "s") | int) $limit) }}
- path: [httpRoute, timeouts, backendRequest]
  problem: >-
    httpRoute.timeouts.backendRequest {{ $backend }} exceeds request {{ $request }}, which the Gateway API refuses.
  fix: >-
    Set httpRoute.timeouts.request to {{ $backend }} or more.
{{- end }}
{{- end }}

{{/* What brings clients from outside the cluster, or nothing. */}}
{{- define "ai-agent.outsideClients" -}}
{{- $controller := include "ai-agent.ingressController" . }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- printf "service.type %s" .Values.service.type }}
{{- else if has $controller (list "alb" "azure" "gce") }}
{{- printf "A load balancer of %s" $controller }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.clients-blocked-by-policy" -}}
{{- $outside := include "ai-agent.outsideClients" . }}
{{- $peers := .Values.networkPolicy.ingress.from }}
{{- $admitted := toJson (list $peers .Values.networkPolicy.extraIngress) | contains "ipBlock" }}
{{- if and .Values.networkPolicy.enabled $outside $peers (not $admitted) }}
- path: [networkPolicy, ingress, from]
  problem: >-
    {{ $outside }} exposes the agent to clients outside the cluster, but networkPolicy.ingress.from admits only pods, so their
    connections would be dropped.
  fix: >-
    Add an ipBlock with the clients' range to networkPolicy.ingress.from, or leave it empty to admit anyone.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.alb-idle-limit" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- if and (eq (include "ai-agent.ingressController" .) "alb") (gt $run 4000) }}
- path: [agent, maxRunSeconds]
  problem: >-
    agent.maxRunSeconds is {{ $run }}, but an ALB closes a connection that has been silent for 4000 s.
  fix: >-
    Send a heartbeat on the stream.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.load-balancer-drain-limit" -}}
{{- $controller := include "ai-agent.ingressController" . }}
{{- if and (has $controller (list "alb" "azure" "gce")) (gt (include "ai-agent.requestSeconds" . | int) 3600) }}
- path: [agent, maxRunSeconds]
  problem: >-
    The load balancer of {{ $controller }} drains a pod for at most 3600 s: a rollout interrupts longer runs.
  fix: >-
    Save the progress of a run (checkpoint) and resume it, or lower agent.maxRunSeconds.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.gke-backend-config" -}}
{{- $own := hasKey (.Values.service.annotations | default dict) "cloud.google.com/backend-config" }}
{{- if and (eq (include "ai-agent.ingressController" .) "gce") $own }}
- path: [service, annotations, cloud.google.com/backend-config]
  problem: >-
    service.annotations names your BackendConfig instead of the chart's. If it does not set timeoutSec, GKE interrupts runs
    after 30 s.
  fix: >-
    Set timeoutSec in your BackendConfig to {{ include "ai-agent.requestSeconds" . }}, then add gke-backend-config to validation.skip.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.haproxy-reload" -}}
{{- if and (eq (include "ai-agent.ingressController" .) "haproxy") (gt (int .Values.agent.maxRunSeconds) 600) }}
- path: [agent, maxRunSeconds]
  problem: >-
    After a reload, HAProxy's ingress controllers stop the old processes, which drops their streams. haproxy-ingress waits 10
    minutes by default.
  fix: >-
    Set timeout-stop (haproxy-ingress) or hard-stop-after (HAProxy Technologies) in the controller's ConfigMap to
    {{ include "ai-agent.requestSeconds" . }}s, then add haproxy-reload to validation.skip.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.nginx-reload" -}}
{{- if and (eq (include "ai-agent.ingressController" .) "nginx") (gt (int .Values.agent.maxRunSeconds) 240) }}
- path: [agent, maxRunSeconds]
  problem: >-
    ingress-nginx stops old workers 240 s after a reload, which drops their streams.
  fix: >-
    Set worker-shutdown-timeout in the controller's ConfigMap to {{ include "ai-agent.requestSeconds" . }}s, then add nginx-reload to
    validation.skip.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.traefik-grace" -}}
{{- $seconds := include "ai-agent.requestSeconds" . | int }}
{{- $lifeCycle := printf "--entryPoints.%s.transport.lifeCycle" (empty .Values.ingress.tls | ternary "web" "websecure") }}
{{- if eq (include "ai-agent.ingressController" .) "traefik" }}
- path: [ingress, className]
  problem: >-
    Traefik reads no timeout from an Ingress, and while its own pods are replaced, it refuses new requests immediately and interrupts runs
    after 10 s.
  fix: >-
    Give Traefik's pods a terminationGracePeriodSeconds of {{ add 20 $seconds }}, and set
    {{ $lifeCycle }}.requestAcceptGraceTimeout=10s and {{ $lifeCycle }}.graceTimeOut={{ $seconds }}s,
    then add traefik-grace to validation.skip.
{{- end }}
{{- end }}
