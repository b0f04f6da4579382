{{/* What the agent may reach. A NetworkPolicy sees pods and addresses, never names. */}}

{{- define "ai-agent.defaultPort" -}}
{{- get (dict "redis" 6379 "rediss" 6379 "postgres" 5432 "postgresql" 5432 "http" 80 "https" 443) .scheme | default 443 }}
{{- end }}

{{/*
One egress rule for the server that a URL names: a Service of this namespace (`redis-service`), of
another (`redis.data`, `redis.data.svc`…), an address, or a name outside of the cluster, of which
only the port can be told. The port is the Service's; where the pods' differs, use extraEgress.
*/}}
{{- define "ai-agent.egressTo" -}}
{{- $url := urlParse . }}
{{- $host := $url.host | splitList "@" | last | regexFind "^[^:]*" }}
{{- $port := $url.host | regexFind ":[0-9]+$" | trimPrefix ":" | default (include "ai-agent.defaultPort" $url) }}
{{- $parts := splitList "." $host -}}
- to:
    {{- if regexMatch `^[0-9.]+$` $host }}
    - ipBlock:
        cidr: {{ $host }}/32
    {{- else if eq (len $parts) 1 }}
    - podSelector: {}
    {{- else if or (eq (len $parts) 2) (eq (index $parts 2) "svc") }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ index $parts 1 }}
    {{- else }}
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [169.254.0.0/16]
    - ipBlock:
        cidr: ::/0
        except: [fe80::/10]
    {{- end }}
  ports:
    - port: {{ $port }}
      protocol: TCP
{{- end }}

{{/* Policies add up: a wide allow anywhere undoes these exceptions. 169.254.169.254 gives out cloud credentials. */}}
{{- define "ai-agent.egressHTTPS" -}}
- to:
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
  ports:
    - port: 443
      protocol: TCP
{{- end }}
