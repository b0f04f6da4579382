{{/* What the agent may connect to. A NetworkPolicy matches pods and addresses, not DNS names. */}}

{{/* The variables whose servers the policy allows. */}}
{{- define "ai-agent.serverVariables" -}}
[REDIS_URL, DATABASE_URL, OPENAI_BASE_URL]
{{- end }}

{{/* The rules for the servers that the agent's environment names, as a YAML list. */}}
{{- define "ai-agent.serverEgress" -}}
{{- $rules := list }}
{{- $environment := include "ai-agent.environment" . | fromJson }}
{{- range include "ai-agent.serverVariables" . | fromYamlArray }}
  {{- $value := get (get $environment . | default dict) "value" | default "" }}
  {{- $servers := dict "url" $value "https" $.Values.networkPolicy.egress.https }}
  {{- $rules = include "ai-agent.egressTo" $servers | fromYamlArray | concat $rules }}
{{- end }}
{{- uniq $rules | toYaml }}
{{- end }}

{{/* Those for the environments of the server, of workers, of schedules and of jobs, and for networkPolicy.egress.urls. */}}
{{- define "ai-agent.allServerEgress" -}}
{{- $all := include "ai-agent.ofAll" (dict "root" . "template" "ai-agent.serverEgress") | fromYamlArray }}
{{- $all = include "ai-agent.ofJobs" (dict "root" . "template" "ai-agent.serverEgress") | fromYamlArray | concat $all }}
{{- include "ai-agent.urlEgress" . | fromYamlArray | concat $all | uniq | toYaml }}
{{- end }}

{{/*
Egress rules for the servers in a URL: a Service of this namespace (`redis-service`) or of another (`redis.data`,
`redis.data.svc`), an address, or a public name, of which only the port is known. The port is that of the Service; if the
port of its pods is different, use extraEgress. (dict "url" URL "https" BOOL): with https, port 443 of the public internet
is allowed anyway.
*/}}
{{- define "ai-agent.egressTo" -}}
{{- $url := include "ai-agent.url" .url | fromYaml }}
{{- $web := hasPrefix "http" $url.scheme }}
{{- range $server := $url.servers }}
{{- $peers := include "ai-agent.peersOf" (dict "host" $server.host "web" $web) }}
{{- $allowed := and $.https $web (eq $server.port "443") (eq $peers (include "ai-agent.publicPeers" .)) }}
{{- if and (include "ai-agent.validServer" $server) (not $allowed) }}
- to:
    {{- $peers | nindent 4 }}
  ports:
    - port: {{ $server.port }}
      protocol: TCP
{{- end }}
{{- end }}
{{- end }}

{{/* The peers that a host stands for: (dict "host" HOST "web" whether it is that of an HTTP URL). */}}
{{- define "ai-agent.peersOf" -}}
{{- $parts := splitList "." .host }}
{{- $namespace := include "ai-agent.namespaceOf" .host }}
{{- if regexMatch `^[0-9.]+$|:` .host -}}
- ipBlock:
    cidr: {{ .host }}/{{ contains ":" .host | ternary 128 32 }}
{{- else if eq (len $parts) 1 -}}
- podSelector: {}
{{- else if $namespace -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ $namespace | quote }}
{{- /* proxy.corp may be a Service in the namespace corp, or a name outside the cluster. */}}
{{- if and .web (eq (len $parts) 2) }}
{{ include "ai-agent.publicPeers" . }}
{{- end }}
{{- else -}}
{{- include "ai-agent.publicPeers" . }}
{{- end }}
{{- end }}

{{/*
The namespace in a host such as redis.data, redis.data.svc or redis-0.redis.data.svc.cluster.local, or nothing. ep.svc.example.com has no
namespace before svc, and example.com is no Service.
*/}}
{{- define "ai-agent.namespaceOf" -}}
{{- $before := regexFind "^[^.]+[.].+[.]svc([.]|$)" . | trimSuffix "." | trimSuffix ".svc" }}
{{- $parts := splitList "." (default . $before) }}
{{- $public := regexMatch "[.](com|net|org|io|edu|gov)$" . }}
{{- if or $before (and (eq (len $parts) 2) (not $public)) }}{{ last $parts }}{{ end }}
{{- end }}

{{/*
The public internet. Rules add up: any rule that allows more undoes these exceptions. A public name that resolves to a
private address (a managed database) needs a rule in extraEgress: no rule here can tell it from a pod's address.
*/}}
{{- define "ai-agent.publicPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      # Private addresses, also those of providers
      - 10.0.0.0/8
      - 172.16.0.0/12
      - 192.168.0.0/16
      - 100.64.0.0/10
      # This host, and link-local ones, among them the servers of cloud credentials
      - 0.0.0.0/8
      - 127.0.0.0/8
      - 169.254.0.0/16
      - 168.63.129.16/32
      # Reserved, test and multicast addresses
      - 192.0.0.0/24
      - 198.18.0.0/15
      - 224.0.0.0/4
      - 240.0.0.0/4
- ipBlock:
    cidr: ::/0
    except:
      - fc00::/7
      - fe80::/10
      - fec0::/10
      - ff00::/8
      # IPv4 addresses behind NAT64, also private ones
      - 64:ff9b::/96
      - 64:ff9b:1::/48
{{- end }}
