{{/* The servers in the agent's environment, as a JSON list: name, path, url, and state (read, unreadable or unknown). */}}
{{- define "ai-agent.namedServers" -}}
{{- $servers := list }}
{{- $environment := include "ai-agent.environment" . | fromJson }}
{{- range $name := include "ai-agent.serverVariables" . | fromYamlArray }}
  {{- $entry := get $environment $name | default dict }}
  {{- if or $entry.unreadable $entry.value }}
    {{- $state := include "ai-agent.urlState" $entry }}
    {{- $servers = append $servers (dict "name" $name "path" $entry.path "url" ($entry.value | default "") "state" $state) }}
  {{- end }}
{{- end }}
{{- toJson $servers }}
{{- end }}

{{/* Takes an entry of the environment. Kubernetes keeps a reference $(NAME) that it cannot resolve, and so does the chart. */}}
{{- define "ai-agent.urlState" -}}
{{- if .unreadable -}}
unknown
{{- else if include "ai-agent.readableURL" .value -}}
read
{{- else -}}
{{ and (eq (first .path) "env") (contains "$(" .value) | ternary "unknown" "unreadable" }}
{{- end }}
{{- end }}

{{/* Whether the policy can name every server in a URL. */}}
{{- define "ai-agent.readableURL" -}}
{{- $url := include "ai-agent.url" . | fromYaml }}
{{- $readable := not (empty $url.scheme) }}
{{- range $server := $url.servers }}
  {{- $readable = and $readable (include "ai-agent.validServer" $server) }}
{{- end }}
{{- if $readable }}true{{ end }}
{{- end }}

{{/* A rule to paste into networkPolicy.extraEgress, for a variable. */}}
{{- define "ai-agent.egressExample" -}}
{{- $port := get (dict "REDIS_URL" 6379 "DATABASE_URL" 5432 "OPENAI_BASE_URL" 443) . -}}
"- {to: [{ipBlock: {cidr: 10.0.0.0/16}}], ports: [{port: {{ $port }}}]}"
{{- end }}

{{/*
Whether a rule of extraEgress may be for the server of a variable, whose port the chart cannot know: one that allows a port of TCP
which is not known to be for something else. (dict "rules" LIST "name" VARIABLE)
*/}}
{{- define "ai-agent.mayAllow" -}}
{{- $usual := dict "REDIS_URL" (list "6379") "DATABASE_URL" (list "5432") "OPENAI_BASE_URL" (list "80" "443") }}
{{- $others := list "53" "4317" "4318" "6443" }}
{{- range $name, $ports := $usual }}
  {{- if ne $name $.name }}{{ $others = concat $others $ports }}{{ end }}
{{- end }}
{{- range .rules }}
  {{- if not .ports }}true{{ end }}
  {{- range .ports }}
    {{- $isOther := and (has (toString .port) $others) (has (toString (default .port .endPort)) $others) }}
    {{- if include "ai-agent.inRange" (dict "range" . "ports" (get $usual $.name)) }}{{ $isOther = false }}{{ end }}
    {{- if and (eq (default "TCP" .protocol) "TCP") (not $isOther) }}true{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.url-unreadable" -}}
{{- $policy := .Values.networkPolicy }}
{{- $rules := include "ai-agent.furtherEgress" . | fromYamlArray }}
{{- range include "ai-agent.namedServers" . | fromJsonArray }}
  {{- $allowed := include "ai-agent.mayAllow" (dict "rules" $rules "name" .name) }}
  {{- if and $policy.enabled (not $allowed) (eq .state "unreadable") }}
- path: {{ toJson .path }}
  problem: >-
    {{ .name }} has no host and port that the chart can read, so the NetworkPolicy cannot allow that server.
  fix: >-
    Write it as scheme://host:port. Or allow its address in networkPolicy.extraEgress, such as
    {{ include "ai-agent.egressExample" .name }}.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.url-unknown" -}}
{{- $policy := .Values.networkPolicy }}
{{- $rules := include "ai-agent.furtherEgress" . | fromYamlArray }}
{{- range include "ai-agent.namedServers" . | fromJsonArray }}
  {{- $public := and $policy.egress.https (eq .name "OPENAI_BASE_URL") }}
  {{- $allowed := include "ai-agent.mayAllow" (dict "rules" $rules "name" .name) }}
  {{- if and $policy.enabled (not $allowed) (eq .state "unknown") (not $public) }}
- path: {{ toJson .path }}
  problem: >-
    The NetworkPolicy allows only servers whose URLs are in the values. {{ .name }} gets its value elsewhere, so the agent cannot
    connect to that server.
  fix: >-
    Add its address to networkPolicy.extraEgress, such as {{ include "ai-agent.egressExample" .name }}.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.url-overridden" -}}
{{- $policy := .Values.networkPolicy }}
{{- $rules := include "ai-agent.furtherEgress" . | fromYamlArray }}
{{- $fixed := dict }}
{{- range .Values.env }}{{ $fixed = set $fixed .name true }}{{ end }}
{{- $open := list }}
{{- range include "ai-agent.serverVariables" . | fromYamlArray }}
  {{- $allowed := include "ai-agent.mayAllow" (dict "rules" $rules "name" .) }}
  {{- $public := and $policy.egress.https (eq . "OPENAI_BASE_URL") }}
  {{- if not (or (hasKey $fixed .) $allowed $public) }}{{ $open = append $open . }}{{ end }}
{{- end }}
{{- range include "ai-agent.opaqueEnvironment" . | fromJsonArray }}
  {{- if and $policy.enabled $open }}
- path: {{ toJson . }}
  problem: >-
    {{ join "." . }} takes precedence over config. If it sets one of {{ join ", " $open }}, the NetworkPolicy does not allow
    that server: it knows only what is in the values.
  fix: >-
    If it does, add the address to networkPolicy.extraEgress, such as {{ include "ai-agent.egressExample" (first $open) }}.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.public-name-private-address" -}}
{{- $policy := .Values.networkPolicy }}
{{- $urls := include "ai-agent.egressURLs" . | fromJsonArray }}
{{- range $named := include "ai-agent.namedServers" . | fromJsonArray | concat $urls }}
  {{- $url := include "ai-agent.url" .url | fromYaml }}
  {{- $public := "" }}
  {{- $namespace := false }}
  {{- range $url.servers }}
    {{- $peers := include "ai-agent.peersOf" (dict "host" .host "web" (hasPrefix "http" $url.scheme)) }}
    {{- $isPrivate := regexMatch "^[^.]+[.](internal|local|lan|corp|intranet|private|home)$" .host }}
    {{- $isPublic := or $isPrivate (eq $peers (include "ai-agent.publicPeers" .)) }}
    {{- $allowed := include "ai-agent.allowsPort" (dict "rules" $policy.extraEgress "ports" (list (toString .port))) }}
    {{- if and $isPublic (not $allowed) }}{{ $public = .port }}{{ $namespace = $isPrivate }}{{ end }}
  {{- end }}
  {{- if and $policy.enabled $public (eq .state "read") (not (hasPrefix "http" $url.scheme)) }}
- path: {{ toJson .path }}
  problem: >-
    {{- if $namespace }}
    The host name in {{ .name }} could be a Service with its namespace, which the NetworkPolicy allows, or a private host outside the
    cluster, whose address remains blocked.
    {{- else }}
    {{ .name }} names a host outside the cluster, so the NetworkPolicy allows egress to the public internet on port {{ $public }}.
    Names of managed databases often resolve to private addresses, which remain blocked.
    {{- end }}
  fix: >-
    If the name resolves to a private address, add its range to networkPolicy.extraEgress, such as
    "- {to: [{ipBlock: {cidr: 10.0.0.0/16}}], ports: [{port: {{ $public }}}]}". For a Service in the cluster,
    use a host name that ends in .svc.
  {{- end }}
{{- end }}
{{- end }}

{{/* Whether a rule of extraEgress allows one of these ports: (dict "rules" LIST "ports" LIST). */}}
{{- define "ai-agent.allowsPort" -}}
{{- range .rules }}
  {{- if not .ports }}true{{ end }}
  {{- range .ports }}
    {{- $within := include "ai-agent.inRange" (dict "range" . "ports" $.ports) }}
    {{- $matches := or (not .port) (has (toString .port) $.ports) $within }}
    {{- if and (eq (default "TCP" .protocol) "TCP") $matches }}true{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Whether one of the ports is in a range: (dict "range" PORT "ports" LIST). */}}
{{- define "ai-agent.inRange" -}}
{{- range .range.endPort | empty | ternary list .ports }}
  {{- if and (ge (int .) (int $.range.port)) (le (int .) (int $.range.endPort)) }}true{{ end }}
{{- end }}
{{- end }}

{{/* Whether the pods have a token for the Kubernetes API, also one that a volume projects for its default audience. */}}
{{- define "ai-agent.hasToken" -}}
{{- if eq (include "ai-agent.automountsToken" .) "true" }}true{{ end }}
{{- range .Values.volumes }}
  {{- range dig "projected" "sources" list . }}
    {{- if and .serviceAccountToken (not (get .serviceAccountToken "audience")) }}true{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.kubernetes-api-blocked" -}}
{{- $policy := .Values.networkPolicy }}
{{- $extra := include "ai-agent.allowsPort" (dict "rules" $policy.extraEgress "ports" (list "443" "6443")) }}
{{- $allowed := or $policy.egress.kubernetesAPI .Values.rbac.rules $extra }}
{{- if and $policy.enabled (include "ai-agent.hasToken" .) (not $allowed) }}
- path: [networkPolicy, egress, kubernetesAPI]
  problem: >-
    The agent has a token for the Kubernetes API, but the NetworkPolicy blocks the API server, whose address the chart cannot know.
  fix: >-
    Set networkPolicy.egress.kubernetesAPI to a list of its addresses, such as "[{ipBlock: {cidr: 192.0.2.1/32}}]". This prints them:
    kubectl get endpointslices --namespace default --selector kubernetes.io/service-name=kubernetes
{{- end }}
{{- end }}

{{- define "ai-agent.rule.cloud-identity-blocked" -}}
{{- $policy := .Values.networkPolicy }}
{{- $annotations := .Values.serviceAccount.create | ternary (.Values.serviceAccount.annotations | default dict) dict }}
{{- $named := has "gke-metadata" ($policy.egress.cloudIdentity | default list) }}
{{- $metadata := or $named (toJson $policy.extraEgress | contains "169.254.169.25") }}
{{- if and $policy.enabled (get $annotations "iam.gke.io/gcp-service-account") (not $metadata) }}
- path: [networkPolicy, egress, cloudIdentity]
  problem: >-
    serviceAccount.annotations has iam.gke.io/gcp-service-account, but the NetworkPolicy blocks GKE's metadata server, which
    hands out the credentials.
  fix: >-
    Add gke-metadata to networkPolicy.egress.cloudIdentity.
{{- end }}
{{- $https := or $policy.egress.https (include "ai-agent.allowsPort" (dict "rules" $policy.extraEgress "ports" (list "443"))) }}
{{- range $annotation, $server := dict "eks.amazonaws.com/role-arn" "AWS STS" "azure.workload.identity/client-id" "Microsoft Entra ID" }}
  {{- if and $policy.enabled (get $annotations $annotation) (not $https) }}
- path: [networkPolicy, egress, https]
  problem: >-
    serviceAccount.annotations has {{ $annotation }}, but the NetworkPolicy allows no HTTPS to {{ $server }}, which exchanges the token.
  fix: >-
    Set networkPolicy.egress.https to true, or allow port 443 of {{ $server }} in networkPolicy.extraEgress.
  {{- end }}
{{- end }}
{{- end }}

{{/* What a rule opens entirely, or nothing: (dict "peers" its from or to "ports" its ports). */}}
{{- define "ai-agent.opensAll" -}}
{{- if not .peers -}}
any address
{{- end }}
{{- range .peers }}
  {{- $everyNamespace := and (hasKey . "namespaceSelector") (include "ai-agent.selectsAll" .namespaceSelector) }}
  {{- $everyPod := and $everyNamespace (include "ai-agent.selectsAll" .podSelector) }}
  {{- if and $everyPod (include "ai-agent.everyPort" $) }}every pod of the cluster{{ break }}{{ end }}
  {{- if and .ipBlock (include "ai-agent.wideBlock" .ipBlock) }}{{ .ipBlock.cidr }}{{ break }}{{ end }}
{{- end }}
{{- end }}

{{/* Whether a selector has no requirement. */}}
{{- define "ai-agent.selectsAll" -}}
{{- $selector := . | default dict }}
{{- if not (or $selector.matchLabels $selector.matchExpressions) }}true{{ end }}
{{- end }}

{{/* Whether the ports of a rule are all ports of TCP: without a port, or a range from 1 to 65535. */}}
{{- define "ai-agent.everyPort" -}}
{{- if not .ports }}true{{ end }}
{{- range .ports }}
  {{- $range := and .endPort (eq (toString .port) "1") (eq (toString .endPort) "65535") }}
  {{- if and (eq (default "TCP" .protocol) "TCP") (or (not .port) $range) }}true{{ end }}
{{- end }}
{{- end }}

{{/* Whether a block has private addresses of every kind, and no exception for those that hand out credentials. */}}
{{- define "ai-agent.wideBlock" -}}
{{- $bits := splitList "/" .cidr | last | int }}
{{- $wide := lt $bits (contains ":" .cidr | ternary 3 8) }}
{{- $all := and (eq $bits 0) (not (contains ":" .cidr)) }}
{{- $guarded := $all | ternary (toJson .except | contains "\"169.254.") (not (empty .except)) }}
{{- if and $wide (not $guarded) (regexMatch "/[0-9]+$" .cidr) }}true{{ end }}
{{- end }}

{{- define "ai-agent.rule.egress-unrestricted" -}}
{{- range $i, $rule := .Values.networkPolicy.enabled | ternary .Values.networkPolicy.extraEgress list }}
  {{- with include "ai-agent.opensAll" (dict "peers" .to "ports" .ports) }}
- path: [networkPolicy, extraEgress, {{ quote $i }}]
  problem: >-
    A rule of networkPolicy.extraEgress allows {{ . }}, and rules are additive: the exceptions of the other rules have no effect on
    {{ $rule.ports | empty | ternary "any port" "its ports" }}.
  fix: >-
    Name the pods or addresses in `to`. For the public internet, add 169.254.0.0/16 and your private ranges to `except`.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.ingress-unrestricted" -}}
{{- range $i, $rule := .Values.networkPolicy.enabled | ternary .Values.networkPolicy.extraIngress list }}
  {{- $all := include "ai-agent.opensAll" (dict "peers" .from "ports" .ports) }}
  {{- if and $all (or $.Values.networkPolicy.ingress.from (include "ai-agent.everyPort" .)) }}
- path: [networkPolicy, extraIngress, {{ quote $i }}]
  problem: >-
    A rule of networkPolicy.extraIngress admits {{ $all }}. Rules are additive, so it undoes what networkPolicy.ingress restricts.
  fix: >-
    Name the clients in `from` and the ports in `ports`, or remove the rule.
  {{- end }}
{{- end }}
{{- end }}
