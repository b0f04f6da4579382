{{/*
What liveness, and before it the startup probe, may end: every run of the pod, within the probe's own 10 s. So liveness must be about the
process alone, and must not mistake a slow agent for a hung one.
*/}}

{{/* At least 30 s, as with Kubernetes' defaults (3 × 10 s), and at least two checks: one failure may be a delay, not a hang. */}}
{{- define "ai-agent.rule.liveness-too-eager" -}}
{{- $probe := include "ai-agent.probe" (dict "root" . "name" "livenessProbe") | fromJson }}
{{- $period := $probe.periodSeconds | default 10 | int }}
{{- $threshold := $probe.failureThreshold | default 3 | int }}
{{- if and $probe (or (lt (mul $period $threshold) 30) (lt $threshold 2)) }}
- path: [livenessProbe, failureThreshold]
  problem: >-
    The liveness probe ends every run of a pod after {{ $threshold }} failed check{{ eq $threshold 1 | ternary "" "s" }}, one every
    {{ $period }} s: an agent that is slow for a moment fails it too.
  fix: >-
    Set livenessProbe.periodSeconds × livenessProbe.failureThreshold to at least 30, with a failureThreshold of 2 or more.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.liveness-timeout-short" -}}
{{- $probe := include "ai-agent.probe" (dict "root" . "name" "livenessProbe") | fromJson }}
{{- if and $probe (lt ($probe.timeoutSeconds | default 1 | int) 2) }}
- path: [livenessProbe, timeoutSeconds]
  problem: >-
    The liveness probe waits 1 s for an answer. An agent that has reached its CPU limit may take longer, and a failed probe ends every
    run of the pod.
  fix: >-
    Set livenessProbe.timeoutSeconds to 5.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.liveness-checks-dependencies" -}}
{{- if include "ai-agent.asksReadiness" (dict "root" . "name" "livenessProbe") | regexMatch (include "ai-agent.readinessPath" .) }}
- path: [livenessProbe]
  problem: >-
    The liveness probe requests the same endpoint as the readiness probe: while a dependency is unavailable, it restarts every pod
    and ends every run.
  fix: >-
    Check the process in livenessProbe (/health) and dependencies in readinessProbe (/ready).
{{- end }}
{{- end }}

{{- define "ai-agent.rule.liveness-may-check-dependencies" -}}
{{- with include "ai-agent.mayAskDependency" (dict "root" . "name" "livenessProbe") }}
- path: [livenessProbe]
  problem: >-
    The liveness probe {{ . }}. If that depends on another server, a failure of that server restarts every pod and ends every run.
  fix: >-
    Let it check the process alone, as /health does, and check dependencies in readinessProbe.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.probe-without-handler" -}}
{{- range $name := list "livenessProbe" "readinessProbe" "startupProbe" }}
  {{- $probe := include "ai-agent.probe" (dict "root" $ "name" $name) | fromJson }}
  {{- if and $probe (empty (pick $probe "exec" "grpc" "httpGet" "tcpSocket")) }}
- path: [{{ $name }}, httpGet]
  problem: >-
    {{ $name }} has no handler, so Kubernetes refuses the pod.
  fix: >-
    Set {{ $name }}.httpGet, tcpSocket, grpc or exec. To remove the probe, set {{ $name }} to null.
  {{- end }}
{{- end }}
{{- end }}

{{/* The kubelet looks for the name of a port among the ports of the container that has the probe. */}}
{{- define "ai-agent.rule.probe-port-unknown" -}}
{{- range include "ai-agent.probePorts" . | fromJsonArray }}
  {{- if not (regexMatch "^[0-9]+$" .port) }}
- path: [{{ .probe }}, {{ .handler }}, port]
  problem: >-
    {{ .probe }} uses the port name {{ quote .port }}, which the agent's container does not declare, so the probe always fails.
  fix: >-
    Use {{ include "ai-agent.portNames" $ }}a port number.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.portNames" -}}
{{- range include "ai-agent.ports" . | fromYamlArray }}{{ .name }} or {{ end }}
{{- end }}

{{/* A container need not name a port to listen on it. */}}
{{- define "ai-agent.rule.probe-port-undeclared" -}}
{{- range include "ai-agent.probePorts" . | fromJsonArray }}
  {{- if regexMatch "^[0-9]+$" .port }}
- path: [{{ .probe }}, {{ .handler }}, port]
  problem: >-
    {{ .probe }} uses port {{ .port }}, but containerPort is {{ int $.Values.containerPort }}. If the agent does not listen on
    {{ .port }}, the probe always fails.
  fix: >-
    Set the probe's port to {{ eq .handler "grpc" | ternary (toString $.Values.containerPort) "http, the name of containerPort" }}. If the
    agent does listen on {{ .port }}, add probe-port-undeclared to validation.skip.
  {{- end }}
{{- end }}
{{- end }}

{{/* The ports of probes that no container of the pod declares, as a JSON list: probe, handler, port. */}}
{{- define "ai-agent.probePorts" -}}
{{- $known := list }}
{{- range include "ai-agent.ports" . | fromYamlArray }}{{ $known = concat $known (list .name (toString .containerPort)) }}{{ end }}
{{- range concat (.Values.extraContainers | default list) (.Values.initContainers | default list) }}
  {{- range .ports }}{{ $known = append $known (toString .containerPort) }}{{ end }}
{{- end }}
{{- $unknown := list }}
{{- range $name := list "livenessProbe" "readinessProbe" "startupProbe" }}
  {{- range $handler, $asked := pick (include "ai-agent.probe" (dict "root" $ "name" $name) | fromJson) "httpGet" "tcpSocket" "grpc" }}
    {{- $port := toString $asked.port }}
    {{- if not (or $asked.host (has $port $known)) }}
      {{- $unknown = append $unknown (dict "probe" $name "handler" $handler "port" $port) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toJson $unknown }}
{{- end }}

{{- define "ai-agent.rule.startup-checks-dependencies" -}}
{{- $probe := dict "root" . "name" "startupProbe" }}
{{- $how := include "ai-agent.mayAskDependency" $probe }}
{{- if include "ai-agent.asksReadiness" $probe }}
  {{- $how = "requests the same endpoint as the readiness probe" }}
{{- end }}
{{- if $how }}
- path: [startupProbe]
  problem: >-
    The startup probe {{ $how }}. While another server is unavailable, new pods restart again and again instead of waiting for it.
  fix: >-
    Let it check the process alone, as /health does: the readiness probe waits for dependencies.
{{- end }}
{{- end }}

{{/*
The readiness probe's endpoint if the probe NAME requests it too, in any spelling; otherwise nothing. An endpoint whose name is about the
process alone (/healthz) does not count: readiness then checks too little, which interrupts no run. (dict "root" $ "name" NAME)
*/}}
{{- define "ai-agent.asksReadiness" -}}
{{- $ready := include "ai-agent.probe" (dict "root" .root "name" "readinessProbe") | fromJson }}
{{- if $ready.httpGet }}
  {{- $endpoint := include "ai-agent.endpoint" (dict "root" .root "get" $ready.httpGet) }}
  {{- $process := "health(z|y|check)?|live(z|ness|liness)?|alive|ping|status|up|ok|(lb)?heartbeat|version" }}
  {{- $isProcess := regexMatch (printf "/(_*(%s)([-_]check)?_*([.][a-z]+)?)?$" $process) $endpoint }}
  {{- $unclear := or (not $isProcess) (regexMatch (include "ai-agent.readinessPath" .) $endpoint) }}
  {{- if and $unclear (has $endpoint (include "ai-agent.endpoints" . | splitList " ")) }}{{ $endpoint }}{{ end }}
{{- end }}
{{- end }}

{{/* An endpoint whose last segment says that it is about dependencies. */}}
{{- define "ai-agent.readinessPath" -}}
/([^/]*[^a-z/])?(is)?(ready|readiness|deep([-_]|$|health|check)|dependenc)[^/]*$
{{- end }}

{{/* The endpoints of the agent that a probe requests, by itself or in a command: (dict "root" $ "name" NAME). */}}
{{- define "ai-agent.endpoints" -}}
{{- $probe := include "ai-agent.probe" . | fromJson }}
{{- with $probe.httpGet }}
  {{- include "ai-agent.endpoint" (dict "root" $.root "get" .) }}
{{- end }}
{{- range regexFindAll (include "ai-agent.localEndpoint" .) (dig "exec" "command" list $probe | join " ") -1 }}
  {{- $path := regexFind "/.*$" . }}
  {{- $port := regexFind ":([$].*|[0-9]+)$" (trimSuffix $path .) | trimPrefix ":" | default "80" }}
  {{- if hasPrefix "$" $port }}{{ $port = "http" }}{{ end }}
  {{- printf " %s" (include "ai-agent.endpoint" (dict "root" $.root "get" (dict "path" $path "port" $port))) }}
{{- end }}
{{- end }}

{{/* A local URL in a command, without its scheme. The variables are the pod's own name and address, by their usual names. */}}
{{- define "ai-agent.localEndpoint" -}}
(localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|\$\{?(HOSTNAME|HOST|POD_IP|POD_NAME)\}?)(:([0-9]+|\$\{?[A-Z_]*PORT(:-[0-9]+)?\}?))?/[^\s"';|&)]*
{{- end }}

{{/*
An endpoint in one form, such as 8000/ready: the name of a port is resolved, and a path is read as servers do, decoded and without query,
empty segments and case. The sample agent serves the same paths on both its listeners. (dict "root" $ "get" HTTPGET)
*/}}
{{- define "ai-agent.endpoint" -}}
{{- $port := include "ai-agent.portNumber" (dict "root" .root "port" .get.port) }}
{{- $isOwn := has $port (list (toString .root.Values.containerPort) (toString .root.Values.metricsPort)) }}
{{- $path := regexReplaceAll "[[:cntrl:]]|%[01][0-9A-Fa-f]|%7[Ff]|%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)" (.get.path | default "") "" }}
{{- $path = get (urlParse (print "http://agent/" $path)) "path" | clean | lower | replace " " "" }}
{{- $isOwn | ternary (toString .root.Values.containerPort) $port }}{{ $path }}
{{- end }}

{{/* How a probe may depend on another server, as the rest of a sentence, or nothing: (dict "root" $ "name" NAME). */}}
{{- define "ai-agent.mayAskDependency" -}}
{{- $probe := include "ai-agent.probe" . | fromJson }}
{{- $ready := include "ai-agent.probe" (dict "root" .root "name" "readinessProbe") | fromJson }}
{{- $host := dig "httpGet" "host" "" $probe | default (dig "tcpSocket" "host" "" $probe) }}
{{- $same := include "ai-agent.asksReadiness" . }}
{{- if and $same (not (regexMatch (include "ai-agent.readinessPath" .) $same)) -}}
requests the same endpoint as the readiness probe, which may check dependencies
{{- else if $same }}
{{- else if and $host (not (regexMatch "^(localhost|127\\..*|::1)$" $host)) -}}
connects to another host
{{- else if regexMatch (printf "(?m)%s" (include "ai-agent.readinessPath" .)) (include "ai-agent.endpoints" . | replace " " "\n") -}}
requests a path that looks like a readiness endpoint
{{- else if and $probe.exec (eq (toJson $probe.exec) (toJson $ready.exec)) -}}
runs the same command as the readiness probe
{{- else if include "ai-agent.asksServer" (dig "exec" "command" list $probe | join " ") -}}
runs a command that connects to another server
{{- else if and $probe.grpc (eq (toJson $probe.grpc) (toJson $ready.grpc)) -}}
asks the same gRPC service as the readiness probe
{{- else if regexMatch "(?i)(ready|readiness)$" (dig "grpc" "service" "" $probe | default "") -}}
checks a gRPC service that looks like a readiness service
{{- end }}
{{- end }}

{{/* Whether a command is a client of another server: by its name, by an address, or by a variable that has one. */}}
{{- define "ai-agent.asksServer" -}}
{{- $addresses := regexFindAll "(://|/dev/tcp/|\\b(nc|ncat|telnet)\\s+(-\\S+\\s+([0-9]+\\s+)?)*)(\\S*@)?[\\w.\\[-][\\w.:-]*" . -1 }}
{{- $addresses = concat $addresses (regexFindAll "(^|[\\s=\"'@])[A-Za-z0-9][\\w.-]*:[0-9]{2,5}\\b" . -1) }}
{{- range list "Command" "Library" "Variable" }}
  {{- if regexMatch (include (print "ai-agent.client" .) $) $ }}true{{ end }}
{{- end }}
{{- range $addresses }}
  {{- if not (regexMatch "(^|[/\\s@=\"'])(localhost|127\\.[0-9.]+|0\\.0\\.0\\.0|\\[::?1?)([:/\\s\\]]|$)" .) }}true{{ end }}
{{- end }}
{{- end }}

{{/* A program that asks a server, where a command begins: not an argument of another program. */}}
{{- define "ai-agent.clientCommand" -}}
{{- $clients := list "(redis|valkey|keydb)-cli" "pg_isready" "psql" "(mysql|mariadb)(-?admin)?" "mongo(sh)?" "cqlsh" "etcdctl" "kcat"
  "rabbitmq-diagnostics" "kafka-[a-z-]+" "nslookup" "dig" "ping" }}
{{- $begin := "(^|[;&|(`!{\n]\\s*|\\b(exec|if|then|do|while|until|not)\\s+)" }}
{{- $programs := "timeout|time|nice|nohup|env|command|xargs|sudo|gosu|stdbuf|tini|dumb-init|(ba|da|a|z)?sh" }}
{{- $wrapper := printf "(\\S*/)?(%s)\\s+((-\\S+|[0-9A-Z]\\S*)\\s+)*" $programs }}
{{- printf "%s[\"']?(%s|\\w+=\\S*\\s+|(-u|gosu)\\s+\\S+\\s+)*[\"']?([\\w./-]*/)?(%s)([\\s;&|)\"']|$)" $begin $wrapper (join "|" $clients) }}
{{- end }}

{{/* A client library in a script of Python, Node or Ruby. */}}
{{- define "ai-agent.clientLibrary" -}}
{{- $libraries := list "psycopg2?" "asyncpg" "pg8000" "sqlalchemy" "redis(\\.asyncio)?" "aioredis" "ioredis" "pymongo" "motor" "mongodb"
  "mongoose" "pymysql" "mysql2?" "MySQLdb" "mysql\\.connector" "pg" "pika" "amqplib" "kafkajs" "openai" "anthropic" }}
{{- printf "\\b(import|from|require)[\\s('\"]+(\\w+\\s*,\\s*)*(%s)\\b" (join "|" $libraries) }}
{{- end }}

{{/* A variable of the environment that has the address of a server, in a shell or in a script. */}}
{{- define "ai-agent.clientVariable" -}}
(\$\{?|(environ|env|ENV|getenv)(\.get|\.fetch)?[.(\[]+["']?)[A-Z_]*(URL|URI|DSN|REDIS|DATABASE|POSTGRES|PG|DB|OPENAI_(API_)?BASE)[A-Z_]*
{{- end }}
