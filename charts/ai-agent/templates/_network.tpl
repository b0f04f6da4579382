{{/* What the agent may reach. A NetworkPolicy sees pods and addresses, never names. */}}

{{- define "ai-agent.defaultPort" -}}
{{- get (dict "redis" "6379" "rediss" "6379" "postgres" "5432" "postgresql" "5432" "http" "80" "https" "443") . }}
{{- end }}

{{/* What a URL says, as YAML: scheme, and servers with host and port. A socket has none. */}}
{{- define "ai-agent.url" -}}
{{- $scheme := lower . | regexFind "^[a-z0-9+.-]+://" | trimSuffix "://" | splitList "+" | first }}
{{- $authority := lower . | trimPrefix (regexFind "^[a-z0-9+.-]+://" (lower .)) | regexFind "^[^/?#]*" | splitList "@" | last }}
{{- $servers := list }}
{{- range $server := splitList "," $authority | compact }}
{{- $port := regexFind ":[0-9]+$" $server }}
{{- $host := trimSuffix $port $server | trimPrefix "[" | trimSuffix "]" }}
{{- $servers = append $servers (dict "host" $host "port" (trimPrefix ":" $port | default (include "ai-agent.defaultPort" $scheme))) }}
{{- end }}
{{- dict "scheme" $scheme "servers" $servers | toYaml }}
{{- end }}

{{/*
Egress rules for the servers that a URL names: a Service of this namespace (`redis-service`), of
another (`redis.data`, `redis.data.svc`…), an address, or a name outside of the cluster, of which
only the port can be told. The port is the Service's; where the pods' differs, use extraEgress.
(dict "url" URL "https" BOOL): with https, the public internet's port 443 is open anyway.
*/}}
{{- define "ai-agent.egressTo" -}}
{{- $url := include "ai-agent.url" .url | fromYaml }}
{{- $web := hasPrefix "http" $url.scheme }}
{{- range $server := $url.servers }}
{{- $parts := splitList "." $server.host }}
{{- $address := regexMatch `^[0-9.]+$|:` $server.host }}
{{- $here := eq (len $parts) 1 }}
{{- $namespace := include "ai-agent.namespaceOf" $server.host }}
{{- if or $address $here $namespace (not $web) (ne $server.port "443") (not $.https) }}
- to:
    {{- if $address }}
    - ipBlock:
        cidr: {{ $server.host }}/{{ contains ":" $server.host | ternary 128 32 }}
    {{- else if $here }}
    - podSelector: {}
    {{- else if $namespace }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ $namespace | quote }}
    {{- /* proxy.corp is a namespace's proxy, or a company's. */}}
    {{- if and $web (eq (len $parts) 2) }}
    {{- include "ai-agent.publicPeers" . | nindent 4 }}
    {{- end }}
    {{- else if $web }}
    {{- include "ai-agent.publicPeers" . | nindent 4 }}
    {{- else }}
    {{- include "ai-agent.anyPeers" . | nindent 4 }}
    {{- end }}
  ports:
    - port: {{ $server.port }}
      protocol: TCP
{{- end }}
{{- end }}
{{- end }}

{{/* The namespace in a host such as redis.data, redis.data.svc or redis-0.redis.data.svc.cluster.local; nothing in another. */}}
{{- define "ai-agent.namespaceOf" -}}
{{- $before := regexReplaceAll "[.]svc([.].*)?$" . "" }}
{{- $parts := splitList "." $before }}
{{- if or (ne $before .) (eq (len $parts) 2) }}{{ last $parts }}{{ end }}
{{- end }}

{{/* The public internet. Policies add up: a wide allow anywhere undoes these exceptions. */}}
{{- define "ai-agent.publicPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 10.0.0.0/8
      - 172.16.0.0/12
      - 192.168.0.0/16
      - 100.64.0.0/10
      - 127.0.0.0/8
      - 169.254.0.0/16
- ipBlock:
    cidr: ::/0
    except:
      - fc00::/7
      - fe80::/10
{{- end }}

{{/* A managed database has a public name and a private address. The addresses left out give out cloud credentials. */}}
{{- define "ai-agent.anyPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 169.254.0.0/16
- ipBlock:
    cidr: ::/0
    except:
      - fd00:ec2::254/128
      - fe80::/10
{{- end }}
