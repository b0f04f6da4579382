{{/*
The pod template of the Deployment and the schedules:
(dict "root" $ "component" "server" | "schedule" "schedule" (dict …))
*/}}

{{- define "ai-agent.podMetadata" -}}
annotations:
  {{- /* A pod reads its environment when it starts: a change must replace the pods. */}}
  {{- $config := include "ai-agent.configData" .root | sha256sum }}
  {{- $secret := (include "ai-agent.secretVersions" .root | fromYaml).pods }}
  {{- /* What says which Secret it is, and secret.revision, but not its content. */}}
  {{- $external := omit .root.Values.secret.externalSecret "refreshInterval" }}
  {{- $source := merge (dict "externalSecret" $external) (omit .root.Values.secret "stringData" "detectRotation" "externalSecret") }}
  {{- $annotations := dict "checksum/config" $config "checksum/secret" $secret "checksum/secret-source" (toJson $source | sha256sum) }}
  {{- $annotations = merge $annotations (.root.Values.podAnnotations | default dict) (.root.Values.commonAnnotations | default dict) }}
  {{- range $name, $value := include "ai-agent.evictionAnnotations" . | fromYaml }}
    {{- if not (hasKey $annotations $name) }}{{ $_ := set $annotations $name $value }}{{ end }}
  {{- end }}
  {{- include "ai-agent.compact" $annotations | nindent 2 }}
labels:
  {{- /* Without the version of the chart: a new chart alone must not replace running pods. */}}
  {{- $labels := dict "app.kubernetes.io/component" .component "version" .root.Values.version }}
  {{- $labels = merge $labels (include "ai-agent.instanceLabels" .root | fromYaml) }}
  {{- $labels = merge $labels (.root.Values.podLabels | default dict) (.root.Values.commonLabels | default dict) }}
  {{- include "ai-agent.compact" $labels | nindent 2 }}
{{- end }}

{{- define "ai-agent.podSpec" -}}
{{- $values := .root.Values -}}
{{- $server := eq .component "server" -}}
serviceAccountName: {{ include "ai-agent.serviceAccountName" .root | quote }}
automountServiceAccountToken: {{ $values.serviceAccount.automount }}
{{- /* Otherwise a Service called redis would set REDIS_PORT in the environment. */}}
enableServiceLinks: false
restartPolicy: {{ $server | ternary "Always" "Never" }}
terminationGracePeriodSeconds: {{ include "ai-agent.terminationGracePeriodSeconds" .root }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: agent
    {{- include "ai-agent.container" . | nindent 4 }}
  {{- if and $server $values.extraContainers }}
  {{- toYaml $values.extraContainers | nindent 2 }}
  {{- end }}
volumes:
  {{- if not (has "tmp" (include "ai-agent.volumeNames" .root | splitList " ")) }}
  - name: tmp
    emptyDir:
      sizeLimit: {{ $values.tmp.sizeLimit }}
  {{- end }}
  {{- with include "ai-agent.secretVolumes" .root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- include "ai-agent.scheduling" .root }}
{{- if $server }}
  {{- include "ai-agent.placement" .root }}
{{- else }}
  {{- include "ai-agent.nodeAffinity" .root }}
{{- end }}
{{- with $values.podSpec }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ai-agent.container" -}}
{{- $values := .root.Values -}}
{{- $server := eq .component "server" -}}
image: {{ include "ai-agent.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- with include (printf "ai-agent.%sLine" .component) . | fromYaml }}
  {{- if .command }}
command:
  {{- toYaml .command | nindent 2 }}
  {{- end }}
  {{- if .args }}
args:
  {{- toYaml .args | nindent 2 }}
  {{- end }}
{{- end }}
{{- if $server }}
ports:
  - name: http
    containerPort: {{ $values.containerPort }}
    protocol: TCP
  {{- with $values.metricsPort }}
  - name: metrics
    containerPort: {{ . }}
    protocol: TCP
  {{- end }}
{{- end }}
env:
  {{- include "ai-agent.env" .root | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "ai-agent.configName" .root | quote }}
  {{- if and (include "ai-agent.hasSecret" .root) (not $values.secret.mountPath) }}
  - secretRef:
      name: {{ include "ai-agent.secretName" .root | quote }}
  {{- end }}
  {{- with $values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if $server }}
{{- include "ai-agent.probes" .root }}
lifecycle:
  {{- $values.lifecycle | default (include "ai-agent.lifecycle" .root | fromYaml) | toYaml | nindent 2 }}
{{- end }}
resources:
  {{- include "ai-agent.resources" (dict "root" .root "own" (dig "resources" dict (.schedule | default dict))) | nindent 2 }}
{{- with $values.resizePolicy }}
resizePolicy:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- if not (include "ai-agent.mountsTmp" .root) }}
  - name: tmp
    mountPath: /tmp
  {{- end }}
  {{- with include "ai-agent.secretMounts" .root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The command and args of the agent. */}}
{{- define "ai-agent.serverLine" -}}
{{- dict "command" .root.Values.command "args" .root.Values.args | toYaml }}
{{- end }}

{{/*
The command and args of a schedule. The agent's command usually starts a server, so a schedule that says what to run does not follow it: its
args are then the whole line, as of an image without an entry point. A schedule that says nothing relies on the contract: run --task TASK.
*/}}
{{- define "ai-agent.scheduleLine" -}}
{{- $command := .root.Values.command }}
{{- $line := dict "command" $command "args" (list "run" "--task" .schedule.task) }}
{{- if .schedule.command }}
  {{- $line = dict "command" .schedule.command "args" .schedule.args }}
{{- else if .schedule.args }}
  {{- $line = empty $command | ternary (dict "args" .schedule.args) (dict "command" .schedule.args) }}
{{- end }}
{{- toYaml $line }}
{{- end }}

{{/* A volume called tmp in volumes replaces the chart's. */}}
{{- define "ai-agent.volumeNames" -}}
{{- range .Values.volumes }}{{ .name }} {{ end }}
{{- end }}

{{/* So does a mount at /tmp in volumeMounts. */}}
{{- define "ai-agent.mountsTmp" -}}
{{- range .Values.volumeMounts }}{{ if eq (clean .mountPath) "/tmp" }}true{{ end }}{{ end }}
{{- end }}

{{/* A handler in the values replaces the default httpGet: a probe has exactly one. */}}
{{- define "ai-agent.probes" -}}
{{- range $probe := list "livenessProbe" "readinessProbe" "startupProbe" }}
  {{- with get $.Values $probe }}
    {{- $replaced := or .exec .tcpSocket .grpc | empty | not }}
{{ $probe }}:
    {{- $replaced | ternary (omit . "httpGet") . | toYaml | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The port that Prometheus scrapes. */}}
{{- define "ai-agent.metricsPortName" -}}
{{- empty .Values.metricsPort | ternary "http" "metrics" }}
{{- end }}

{{/* The path that the health check of a load balancer requests. */}}
{{- define "ai-agent.readyPath" -}}
{{- dig "httpGet" "path" "/ready" (.Values.readinessProbe | default dict) }}
{{- end }}

{{/* The port to which it sends the request. */}}
{{- define "ai-agent.readyPort" -}}
{{- $port := dig "httpGet" "port" "http" (.Values.readinessProbe | default dict) | toString }}
{{- get (dict "http" .Values.containerPort "metrics" .Values.metricsPort) $port | default $port | toString }}
{{- end }}

{{- define "ai-agent.readyScheme" -}}
{{- dig "httpGet" "scheme" "HTTP" (.Values.readinessProbe | default dict) }}
{{- end }}

{{/* That port if a load balancer sends the request to it, from outside the node, and it is not one of the agent's two. */}}
{{- define "ai-agent.readyPortOfLoadBalancer" -}}
{{- $port := include "ai-agent.readyPort" . }}
{{- $own := list (toString .Values.containerPort) (toString .Values.metricsPort) }}
{{- if and (has (include "ai-agent.ingressController" .) (list "alb" "gce")) (not (has $port $own)) }}{{ $port }}{{ end }}
{{- end }}

{{/* The native sleep action: it needs neither a shell nor a binary in the image. */}}
{{- define "ai-agent.lifecycle" -}}
preStop:
  sleep:
    seconds: {{ .Values.agent.endpointDelaySeconds }}
{{- end }}

{{- define "ai-agent.secretVolumes" -}}
{{- if .Values.secret.secretProviderClass.provider -}}
- name: secrets
  csi:
    driver: secrets-store.csi.k8s.io
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ include "ai-agent.fullname" . | quote }}
{{- else if .Values.secret.mountPath -}}
- name: secrets
  secret:
    secretName: {{ include "ai-agent.secretName" . | quote }}
{{- end }}
{{- end }}

{{/* A SecretProviderClass is read only if a pod mounts it. */}}
{{- define "ai-agent.secretMounts" -}}
{{- if or .Values.secret.mountPath .Values.secret.secretProviderClass.provider -}}
- name: secrets
  mountPath: {{ .Values.secret.mountPath | default "/var/run/secrets/ai-agent" | quote }}
  readOnly: true
{{- end }}
{{- end }}

{{/* On which nodes the agent may run; also for the pods of `helm test`. */}}
{{- define "ai-agent.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ quote . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- include "ai-agent.compact" . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The part of affinity that applies to pods that do not serve. */}}
{{- define "ai-agent.nodeAffinity" -}}
{{- with dig "nodeAffinity" nil (.Values.affinity | default dict) }}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Serving pods prefer different nodes and zones, but none is Pending for lack of one. */}}
{{- define "ai-agent.placement" -}}
{{- with include "ai-agent.affinity" . | fromYaml }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $spread := .Values.topologySpreadConstraints }}
{{- with kindIs "invalid" $spread | ternary (include "ai-agent.spread" . | fromYamlArray) $spread }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The affinity in the values, with the default podAntiAffinity unless it has one or is {}. */}}
{{- define "ai-agent.affinity" -}}
{{- $affinity := .Values.affinity }}
{{- if or (kindIs "invalid" $affinity) (and $affinity (not (hasKey $affinity "podAntiAffinity"))) }}
  {{- $affinity = merge (include "ai-agent.podAntiAffinity" . | fromYaml) ($affinity | default dict) }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{- define "ai-agent.podAntiAffinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "ai-agent.selectorLabels" . | nindent 12 }}
{{- end }}

{{/* Per pod-template-hash, so that a rollout spreads the new pods, not old and new pods together. */}}
{{- define "ai-agent.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  nodeTaintsPolicy: Honor
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "ai-agent.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
