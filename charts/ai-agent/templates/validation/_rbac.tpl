{{- define "ai-agent.rule.rbac-account" -}}
{{- $account := .Values.serviceAccount }}
{{- if and .Values.rbac.rules (not $account.create) (has $account.name (list "" "default")) }}
- path: [serviceAccount, create]
  problem: >-
    rbac.rules would be granted to the ServiceAccount default, which every pod of the namespace has.
  fix: >-
    Set serviceAccount.create to true, or serviceAccount.name to a ServiceAccount of the agent.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.rbac-wildcard" -}}
{{- range $i, $rule := .Values.rbac.rules }}
  {{- range $field := list "apiGroups" "resources" "verbs" }}
    {{- if has "*" (get $rule $field | default list) }}
- path: [rbac, rules, {{ quote $i }}, {{ $field }}]
  problem: >-
    rbac.rules[{{ $i }}].{{ $field }} has a wildcard: a prompt that misleads the agent can use everything that it includes, including what a
    later version of Kubernetes or a new CRD adds.
  fix: >-
    List the {{ $field }} that the agent needs.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What gives the agent the credentials or the rights of others: a resource, the verbs that do, and how. */}}
{{- define "ai-agent.powerfulRights" -}}
{{- $write := "create|update|patch" -}}
- [secrets, "get|list|watch", reads every credential of the namespace]
- [serviceaccounts/token, create, makes tokens of every ServiceAccount of the namespace]
- [pods/exec, "get|create", runs commands in every pod of the namespace]
- [pods/ephemeralcontainers, "update|patch", runs any image in every pod of the namespace]
- [pods/attach, "get|create", controls every process that reads from a terminal]
{{- range list "pods" "deployments" "statefulsets" "daemonsets" "replicasets" "jobs" "cronjobs" "replicationcontrollers" }}
- [{{ . }}, {{ quote $write }}, "starts pods that have any Secret and ServiceAccount of the namespace"]
{{- end }}
- [roles, "bind|escalate", has rights that it gives to itself]
- [rolebindings, {{ quote $write }}, gives its rights to others]
- [serviceaccounts, impersonate, acts as every ServiceAccount of the namespace]
{{- end }}

{{- define "ai-agent.rule.rbac-escalation" -}}
{{- $powers := include "ai-agent.powerfulRights" . | fromYamlArray }}
{{- range $i, $rule := .Values.rbac.rules }}
  {{- $verbs := $rule.verbs | default list }}
  {{- range $power := $powers }}
    {{- $resource := first . }}
    {{- if and (has $resource ($rule.resources | default list)) (regexMatch (printf "(^|,)(%s)(,|$)" (index . 1)) (join "," $verbs)) }}
- path: [rbac, rules, {{ quote $i }}, resources]
  problem: >-
    rbac.rules[{{ $i }}] allows {{ join ", " $verbs }} on {{ $resource }}: an agent that is misled by a prompt {{ last $power }}.
  fix: >-
    Remove {{ $resource }}, or name single objects in resourceNames of a rule of its own, then add rbac-escalation to validation.skip.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.kubernetes-api-open" -}}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled .Values.rbac.rules (not $policy.egress.kubernetesAPI) }}
- path: [networkPolicy, egress, kubernetesAPI]
  problem: >-
    For rbac.rules, the NetworkPolicy opens ports 443 and 6443 of every address, including private ones, because the chart cannot know the
    address of the API server.
  fix: >-
    Set networkPolicy.egress.kubernetesAPI to a list of its addresses, such as "[{ipBlock: {cidr: 192.0.2.1/32}}]". This prints them:
    kubectl get endpointslices --namespace default --selector kubernetes.io/service-name=kubernetes
{{- end }}
{{- end }}
