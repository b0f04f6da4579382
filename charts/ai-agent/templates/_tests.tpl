{{/*
A pod of `helm test`, with the security context and scheduling of the agent:
(dict "root" $ "name" NAME "labels" LABELS "command" COMMAND "args" ARGS "environment" true | false "secret" true | false)
The command is YAML, by default that of every test. With "secret", $(NAME) in the args is the value of that key of the Secret.
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
  {{- with include "ai-agent.compact" $values.podSecurityContext | fromYaml }}
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
        {{- .command | default (include "ai-agent.testCommand" .root) | nindent 8 }}
      args:
        {{- toYaml .args | nindent 8 }}
      {{- if .environment }}
      envFrom:
        - configMapRef:
            name: {{ include "ai-agent.configName" .root | quote }}
      {{- end }}
      {{- if and .secret (include "ai-agent.hasSecret" .root) }}
      envFrom:
        - secretRef:
            name: {{ include "ai-agent.secretName" .root | quote }}
      {{- end }}
      {{- /* With cgroup v1, runc freezes a container to start it, and gives up if it gets hardly any CPU meanwhile. */}}
      resources:
        requests: {cpu: 50m, memory: 16Mi}
        limits: {cpu: 500m, memory: 64Mi}
      {{- with include "ai-agent.compact" $values.securityContext | fromYaml }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}

{{/* The path of the readiness probe, if it is one of containerPort: otherwise any answer will do. */}}
{{- define "ai-agent.testPath" -}}
{{- with (include "ai-agent.probe" (dict "root" . "name" "readinessProbe") | fromJson).httpGet }}
  {{- if has (toString .port) (list "http" (toString $.Values.containerPort)) }}/{{ .path | default "" | trimPrefix "/" }}{{ end }}
{{- end }}
{{- end }}

{{/* The pods of the tests, as peers of the NetworkPolicy. */}}
{{- define "ai-agent.testPeer" -}}
{{- if .Values.helmTest.enabled -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name | quote }}
      app.kubernetes.io/component: test
{{- end }}
{{- end }}

{{/* The command of the tests; none if the image is known to have none. */}}
{{- define "ai-agent.testCommand" -}}
{{- $test := .Values.helmTest }}
{{- $command := $test.command }}
{{- if and (empty $command) $test.interpreter }}
  {{- $node := list "node" "-e" (.Files.Get "files/check.js") "--" }}
  {{- $python := list $test.interpreter "-c" (.Files.Get "files/check.py") }}
  {{- $command = eq $test.interpreter "node" | ternary $node $python }}
{{- else if and (empty $command) (or .Values.sample.enabled $test.image) }}
  {{- $command = list "/agent" "check" }}
{{- end }}
{{- if and $test.enabled $command }}{{ toYaml $command }}{{ end }}
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
