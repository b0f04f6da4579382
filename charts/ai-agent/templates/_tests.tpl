{{/*
A pod of `helm test`, with the security context and scheduling of the agent:
(dict "root" $ "name" NAME "labels" LABELS "args" ARGS "environment" true | false)
*/}}
{{- define "ai-agent.testPod" -}}
{{- $values := .root.Values -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-test-%s" (include "ai-agent.fullname" .root) .name | trunc 63 }}
  labels:
    {{- .labels | nindent 4 }}
    app.kubernetes.io/component: test
  annotations:
    helm.sh/hook: test
    {{- /* Not hook-succeeded: `helm test --logs` reads the logs after the tests. */}}
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  {{- /* A ServiceAccount can have the credentials of a registry. */}}
  serviceAccountName: {{ include "ai-agent.serviceAccountName" .root | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "ai-agent.testScheduling" .root | fromYaml }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  containers:
    - name: test
      image: {{ $values.helmTest.image | default (include "ai-agent.image" .root) | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command:
        {{- toYaml $values.helmTest.command | nindent 8 }}
      args:
        {{- toYaml .args | nindent 8 }}
      {{- if .environment }}
      envFrom:
        - configMapRef:
            name: {{ include "ai-agent.configName" .root | quote }}
      {{- end }}
      resources:
        requests: {cpu: 10m, memory: 16Mi}
        limits: {cpu: 100m, memory: 64Mi}
      {{- with $values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}

{{/*
What lets a test run where the agent can: its scheduling; the tolerations that Kubernetes adds to a pod that requests a device, which a test
does not; and podSpec, without what belongs to one pod or reserves something.
*/}}
{{- define "ai-agent.testScheduling" -}}
{{- $resources := include "ai-agent.resources" (dict "root" .) | fromYaml }}
{{- $tolerations := .Values.tolerations | default list }}
{{- range $name := merge (dict) ($resources.limits | default dict) ($resources.requests | default dict) | keys | sortAlpha }}
  {{- if contains "/" $name }}
    {{- $tolerations = append $tolerations (dict "key" $name "operator" "Exists" "effect" "NoSchedule") }}
  {{- end }}
{{- end }}
{{- $fields := printf "%s%s" (include "ai-agent.scheduling" .) (include "ai-agent.nodeAffinity" .) | fromYaml }}
{{- if $tolerations }}{{ $_ := set $fields "tolerations" $tolerations }}{{ end }}
{{- $own := .Values.podSpec | default dict }}
{{- $own = omit $own "hostname" "setHostnameAsFQDN" "subdomain" "resourceClaims" "resources" "schedulingGates" }}
{{- merge $fields $own | toYaml }}
{{- end }}
