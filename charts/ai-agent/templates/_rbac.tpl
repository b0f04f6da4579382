{{/* What an agent that uses the Kubernetes API needs. */}}

{{/* Whether the pods have the token of the ServiceAccount. */}}
{{- define "ai-agent.automountsToken" -}}
{{- or .Values.serviceAccount.automount (not (empty .Values.rbac.rules)) }}
{{- end }}

{{/* The servers that the test of the NetworkPolicy must not reach: not the API server if the policy opens it. */}}
{{- define "ai-agent.unreachable" -}}
{{- $opened := include "ai-agent.apiServerPeers" . | empty | ternary list (list "kubernetes.default:443") }}
{{- range .Values.helmTest.unreachable }}
  {{- if not (has . $opened) }}{{ . }},{{ end }}
{{- end }}
{{- end }}

{{/*
The addresses of the API server. A policy applies to the address and the port behind the Service `kubernetes`, which the values do not have:
for an agent with rules, the usual ports are open to any address but those of the node and of cloud credentials.
*/}}
{{- define "ai-agent.apiServerPeers" -}}
{{- with .Values.networkPolicy.egress.kubernetesAPI }}
{{- toYaml . }}
{{- else }}
{{- if .Values.rbac.rules -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 168.63.129.16/32, 224.0.0.0/4]
- ipBlock:
    cidr: ::/0
    except: ["fe80::/10", "ff00::/8", "fd00:ec2::/32", "64:ff9b::/96"]
{{- end }}
{{- end }}
{{- end }}
