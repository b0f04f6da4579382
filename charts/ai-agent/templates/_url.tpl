{{/* The servers in a URL, as the clients of Redis, PostgreSQL and HTTP read it. */}}

{{- define "ai-agent.defaultPort" -}}
{{- $ports := dict "http" "80" "https" "443" "redis" "6379" "rediss" "6379" "valkey" "6379" "valkeys" "6379" "sentinel" "26379"
  "redis-sentinel" "26379" "postgres" "5432" "postgresql" "5432" "cockroachdb" "26257" "mysql" "3306" "mariadb" "3306" "mssql" "1433"
  "mongodb" "27017" }}
{{- get $ports . }}
{{- end }}

{{/*
As YAML: scheme, and servers with host and port. A socket, a file and this pod (localhost) are no servers.
*/}}
{{- define "ai-agent.url" -}}
{{- $text := include "ai-agent.canonicalURL" . }}
{{- $scheme := regexFind "^[a-z0-9+.-]+://" $text }}
{{- $rest := trimPrefix $scheme $text }}
{{- $scheme = trimSuffix "://" $scheme }}
{{- $sentinel := contains "sentinel" $scheme }}
{{- $base := splitList "+" $scheme | first }}
{{- $default := include "ai-agent.defaultPort" ($sentinel | ternary "sentinel" $base) }}
{{- $authority := regexFind "^[^/?#]*" $rest | splitList "@" | last }}
{{- $query := regexMatch "^(postgres|cockroach)" $base | ternary (regexFind "[?][^#]*" $rest | trimPrefix "?") "" }}
{{- $hosts := include "ai-agent.urlHosts" (dict "authority" $authority "query" $query) | fromJson }}
{{- $servers := list }}
{{- range $i, $host := regexMatch "(^|[+-])(unix|socket)$" $scheme | ternary list $hosts.names }}
  {{- $port := index $hosts.ports (min $i (sub (len $hosts.ports) 1)) | default $default }}
  {{- $server := include "ai-agent.server" (dict "host" $host "port" $port) | fromJson }}
  {{- if $server.host }}{{ $servers = append $servers $server }}{{ end }}
  {{- /* A Sentinel names the Redis servers, which are next to it and have their usual port. */}}
  {{- if and $server.host $sentinel }}{{ $servers = append $servers (dict "host" $server.host "port" "6379") }}{{ end }}
{{- end }}
{{- dict "scheme" $scheme "servers" $servers | toYaml }}
{{- end }}

{{/* One URL, in lower case, for the ways to write it: a path, libpq's keywords, JDBC, Celery's several URLs. */}}
{{- define "ai-agent.canonicalURL" -}}
{{- $text := regexReplaceAll ";[a-z0-9+.-]+://([^@;]*@)?" (lower . | trim | trimPrefix "jdbc:") "," }}
{{- if hasPrefix "/" $text }}
  {{- $text = "unix://" }}
{{- else if regexMatch `^[a-z_]+\s*=` $text }}
  {{- $query := regexReplaceAll `\s+` (regexReplaceAll `\s*=\s*` $text "=") "&" | replace "'" "" }}
  {{- $text = printf "postgresql://?%s" $query }}
{{- end }}
{{- $text }}
{{- end }}

{{/*
The hosts and ports of a URL, as JSON. libpq's parameters take precedence over the authority; SQLAlchemy's hosts have their
ports. (dict "authority" TEXT "query" TEXT)
*/}}
{{- define "ai-agent.urlHosts" -}}
{{- $parameters := dict }}
{{- range splitList "&" .query }}
  {{- $pair := splitn "=" 2 . }}
  {{- $values := append (get $parameters $pair._0 | default list) ($pair._1 | default "") }}
  {{- $parameters = set $parameters $pair._0 $values }}
{{- end }}
{{- $given := coalesce $parameters.hostaddr $parameters.host (list .authority) | join "," }}
{{- $names := list }}
{{- $ports := list }}
{{- range include "ai-agent.unescaped" $given | splitList "," }}
  {{- /* Colons without brackets are those of an IPv6 address. */}}
  {{- $port := regexMatch "^(\\[.*\\]|[^:]*):[0-9]*$" . | ternary (regexFind ":[0-9]*$" .) "" }}
  {{- $names = append $names (trimSuffix $port . | trimPrefix "[" | trimSuffix "]") }}
  {{- $ports = append $ports (trimPrefix ":" $port) }}
{{- end }}
{{- if and $parameters.port (not (compact $ports)) }}{{ $ports = join "," $parameters.port | splitList "," }}{{ end }}
{{- if not (compact $ports) }}{{ $ports = list (regexFind ":[0-9]+$" .authority | trimPrefix ":") }}{{ end }}
{{- dict "names" $names "ports" $ports | toJson }}
{{- end }}

{{/* What a host may contain in escaped form. */}}
{{- define "ai-agent.unescaped" -}}
{{- . | replace "%2f" "/" | replace "%3a" ":" | replace "%5b" "[" | replace "%5d" "]" | replace "%2c" "," }}
{{- end }}

{{/* A host and its port as JSON; no host if no connection leaves the pod. (dict "host" HOST "port" PORT) */}}
{{- define "ai-agent.server" -}}
{{- $host := trimSuffix "." .host }}
{{- $local := `^((.*[.])?localhost([.]localdomain)?|ip6-localhost|127([.][0-9]+){3}|0[.]0[.]0[.]0|::1?|[/@].*)$` }}
{{- if regexMatch $local $host }}{{ $host = "" }}{{ end }}
{{- if regexMatch "^::ffff:[0-9.]+$" $host }}{{ $host = trimPrefix "::ffff:" $host }}{{ end }}
{{- dict "host" $host "port" .port | toJson }}
{{- end }}

{{/* Whether a policy can name a server: it has a port, and an address or a name. */}}
{{- define "ai-agent.validServer" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" }}
{{- $v4 := printf "^(%s[.]){3}%s$" $octet $octet }}
{{- $v6 := "^(([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(([0-9a-f]{1,4}:){0,6}[0-9a-f]{1,4})?::(([0-9a-f]{1,4}:){0,5}[0-9a-f]{1,4})?)$" }}
{{- $name := "^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$" }}
{{- $pattern := contains ":" .host | ternary $v6 (regexMatch "^[0-9.]+$" .host | ternary $v4 $name) }}
{{- $port := regexMatch "^[0-9]{1,5}$" .port | ternary .port "0" | trimAll " " | int }}
{{- if and (regexMatch $pattern .host) (gt $port 0) (le $port 65535) }}true{{ end }}
{{- end }}
