{{/*
The pod, made in one place for the Deployment and the schedules:
(dict "root" $ "component" "server" | "schedule" "schedule" (dict …))
*/}}

{{- define "ai-agent.podMetadata" -}}
annotations:
  {{- /* A pod reads its environment once: a changed one makes new pods. */}}
  {{- $config := include "ai-agent.configData" .root | sha256sum }}
  {{- $checksums := dict "checksum/config" $config "checksum/secret" (include "ai-agent.secretChecksum" .root) }}
  {{- merge $checksums (.root.Values.podAnnotations | default dict) (.root.Values.commonAnnotations | default dict) | include "ai-agent.compact" | nindent 2 }}
labels:
  {{- /* Not the chart's version: a new chart alone is no reason to replace running pods. */}}
  {{- $own := dict "app.kubernetes.io/component" .component "version" .root.Values.version }}
  {{- merge $own (include "ai-agent.instanceLabels" .root | fromYaml) (.root.Values.podLabels | default dict) (.root.Values.commonLabels | default dict) | include "ai-agent.compact" | nindent 2 }}
{{- end }}

{{- define "ai-agent.podSpec" -}}
{{- $values := .root.Values -}}
{{- $server := eq .component "server" -}}
serviceAccountName: {{ include "ai-agent.serviceAccountName" .root | quote }}
automountServiceAccountToken: {{ $values.serviceAccount.automount }}
{{- /* A Service called redis would put REDIS_PORT=tcp://… into the environment. */}}
enableServiceLinks: false
restartPolicy: {{ $server | ternary "Always" "Never" }}
terminationGracePeriodSeconds: {{ include "ai-agent.terminationGracePeriodSeconds" .root }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ quote . }}
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
{{- with $values.nodeSelector }}
nodeSelector:
  {{- include "ai-agent.compact" . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $server }}
{{ include "ai-agent.placement" .root }}
{{- else }}
{{- with dig "nodeAffinity" nil ($values.affinity | default dict) }}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end }}
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
{{- with $values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not $server }}
args:
  {{- .schedule.args | default (list "run" "--task" .schedule.task) | toYaml | nindent 2 }}
{{- else if $values.args }}
args:
  {{- toYaml $values.args | nindent 2 }}
{{- end }}
{{- if $server }}
ports:
  - name: http
    containerPort: {{ $values.containerPort }}
    protocol: TCP
{{- end }}
{{- with $values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* A volume of the user's called tmp takes the place of the chart's. */}}
{{- define "ai-agent.volumeNames" -}}
{{- range .Values.volumes }}{{ .name }} {{ end }}
{{- end }}

{{/* So does a mount of the user's at /tmp. */}}
{{- define "ai-agent.mountsTmp" -}}
{{- range .Values.volumeMounts }}{{ if eq (clean .mountPath) "/tmp" }}true{{ end }}{{ end }}
{{- end }}

{{/* A user's handler takes the place of the default one: a probe has exactly one. */}}
{{- define "ai-agent.probes" -}}
{{- range $probe := list "livenessProbe" "readinessProbe" "startupProbe" }}
{{- with get $.Values $probe }}
{{ $probe }}:
  {{- $own := or .exec .tcpSocket .grpc | empty | not }}
  {{- $own | ternary (omit . "httpGet") . | toYaml | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where a load balancer asks whether a pod may have traffic. */}}
{{- define "ai-agent.readyPath" -}}
{{- dig "httpGet" "path" "/ready" (.Values.readinessProbe | default dict) }}
{{- end }}

{{/* Native: it needs neither a shell nor a binary in the image. */}}
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

{{/* A SecretProviderClass is read only where a pod mounts it. */}}
{{- define "ai-agent.secretMounts" -}}
{{- if or .Values.secret.mountPath .Values.secret.secretProviderClass.provider -}}
- name: secrets
  mountPath: {{ .Values.secret.mountPath | default "/var/run/secrets/ai-agent" | quote }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Apart where there is room, together where there is not: never Pending for it. */}}
{{- define "ai-agent.placement" -}}
affinity:
  {{- .Values.affinity | default (include "ai-agent.affinity" . | fromYaml) | toYaml | nindent 2 }}
topologySpreadConstraints:
  {{- .Values.topologySpreadConstraints | default (include "ai-agent.spread" . | fromYamlArray) | toYaml | nindent 2 }}
{{- end }}

{{- define "ai-agent.affinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "ai-agent.selectorLabels" . | nindent 12 }}
{{- end }}

{{/* By pod-template-hash, so that a rollout spreads the new pods and not the sum of old and new. */}}
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
