{{/*
A pod of `helm test`, restricted like the agent's:
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
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
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
      securityContext:
        {{- toYaml $values.securityContext | nindent 8 }}
{{- end }}
