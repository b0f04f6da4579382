{{/*
The pod template of the Deployments, the schedules and the jobs, whose fields the root has as .job:
(dict "root" $ "component" "server" | WORKER | "schedule" | "job")
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
  {{- with include "ai-agent.files" .root | fromYaml }}{{ $_ := set $annotations "checksum/files" (toJson . | sha256sum) }}{{ end }}
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
{{- $server := not (hasKey .root "job") -}}
serviceAccountName: {{ include "ai-agent.serviceAccountName" .root | quote }}
automountServiceAccountToken: {{ include "ai-agent.automountsToken" .root }}
{{- /* Otherwise a Service called redis would set REDIS_PORT in the environment. */}}
enableServiceLinks: false
restartPolicy: {{ $server | ternary "Always" "Never" }}
terminationGracePeriodSeconds: {{ include "ai-agent.terminationGracePeriodSeconds" .root }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "ai-agent.podSecurityContext" .root | fromYaml }}
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
  {{- include "ai-agent.volumes" . | trim | nindent 2 }}
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
{{- $server := not (hasKey .root "job") -}}
image: {{ include "ai-agent.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- with include ($server | ternary "ai-agent.serverLine" "ai-agent.jobLine") . | fromYaml }}
  {{- if .command }}
command:
  {{- toYaml .command | nindent 2 }}
  {{- end }}
  {{- if .args }}
args:
  {{- toYaml .args | nindent 2 }}
  {{- end }}
{{- end }}
{{- with $server | ternary (include "ai-agent.ports" .root) "" }}
ports:
  {{- . | nindent 2 }}
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
  {{- $hooks := $values.lifecycle | default dict }}
  {{- if or (empty $hooks) $values.drain.until }}{{ $hooks = merge (dict) $hooks (include "ai-agent.lifecycle" .root | fromYaml) }}{{ end }}
  {{- toYaml $hooks | nindent 2 }}
{{- end }}
resources:
  {{- include "ai-agent.resources" (dict "root" .root "own" (dig "resources" dict (.root.job | default dict))) | nindent 2 }}
{{- /* A pod that is not restarted may have no policy that restarts a container. */}}
{{- with $server | ternary $values.resizePolicy list }}
resizePolicy:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "ai-agent.compact" $values.securityContext | fromYaml }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "ai-agent.volumeMounts" . | trim | nindent 2 }}
{{- end }}

{{/* The ports on which the agent listens, as YAML. */}}
{{- define "ai-agent.ports" -}}
{{- if .Values.service.enabled -}}
- name: http
  containerPort: {{ .Values.containerPort }}
  protocol: TCP
{{- end }}
{{- with .Values.metricsPort }}
- name: metrics
  containerPort: {{ . }}
  protocol: TCP
{{- end }}
{{- range .Values.ports }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The number of a port of the agent, by its number or name: (dict "root" $ "port" PORT). */}}
{{- define "ai-agent.portNumber" -}}
{{- $number := toString .port }}
{{- $own := dict "http" .root.Values.containerPort "metrics" .root.Values.metricsPort }}
{{- range .root.Values.ports }}{{ $own = set $own .name .containerPort }}{{ end }}
{{- get $own $number | default $number }}
{{- end }}

{{/* The ports to which clients of the Service connect, as a YAML list of numbers. */}}
{{- define "ai-agent.clientPorts" -}}
{{- $ports := list (int .Values.containerPort) }}
{{- range get .Values.service "ports" | default list }}
  {{- if eq (.protocol | default "TCP") "TCP" }}
    {{- $ports = append $ports (include "ai-agent.portNumber" (dict "root" $ "port" (.targetPort | default .port)) | int) }}
  {{- end }}
{{- end }}
{{- without (uniq $ports) 0 | toYaml }}
{{- end }}

{{/* The targets of service.ports in other containers, as ports of a NetworkPolicy: a YAML list. */}}
{{- define "ai-agent.sidecarPorts" -}}
{{- $own := list }}
{{- range include "ai-agent.ports" . | fromYamlArray }}{{ $own = concat $own (list .name (toString .containerPort)) }}{{ end }}
{{- range get .Values.service "ports" | default list }}
  {{- $target := .targetPort | default .port }}
  {{- if not (has (toString $target) $own) }}
- {port: {{ $target }}, protocol: {{ .protocol | default "TCP" }}}
  {{- end }}
{{- end }}
{{- end }}

{{/* The command and args of the agent. */}}
{{- define "ai-agent.serverLine" -}}
{{- dict "command" .root.Values.command "args" .root.Values.args | toYaml }}
{{- end }}

{{/* A volume called tmp in volumes replaces the chart's. */}}
{{- define "ai-agent.volumeNames" -}}
{{- range .Values.volumes }}{{ .name }} {{ end }}
{{- end }}

{{/* So does a mount at /tmp in volumeMounts. */}}
{{- define "ai-agent.mountsTmp" -}}
{{- range .Values.volumeMounts }}{{ if eq (clean .mountPath) "/tmp" }}true{{ end }}{{ end }}
{{- end }}

{{- define "ai-agent.probes" -}}
{{- range $name := list "livenessProbe" "readinessProbe" "startupProbe" }}
  {{- with include "ai-agent.probe" (dict "root" $ "name" $name) | fromJson }}
{{ $name }}:
    {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
A probe as JSON: (dict "root" $ "name" NAME). A handler in the values replaces the default httpGet, because a probe has exactly one.
*/}}
{{- define "ai-agent.probe" -}}
{{- $probe := get .root.Values .name | default dict }}
{{- $probe = or $probe.exec $probe.tcpSocket $probe.grpc | empty | ternary $probe (omit $probe "httpGet") }}
{{- if and $probe (eq .name "startupProbe") }}
  {{- $probe = merge (dict) $probe (include "ai-agent.startupFailures" .root | fromYaml) }}
{{- end }}
{{- include "ai-agent.compact" $probe | fromYaml | toJson }}
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
{{- include "ai-agent.portNumber" (dict "root" . "port" (dig "httpGet" "port" "http" (.Values.readinessProbe | default dict))) }}
{{- end }}

{{- define "ai-agent.readyScheme" -}}
{{- dig "httpGet" "scheme" "HTTP" (.Values.readinessProbe | default dict) }}
{{- end }}

{{/* That port if a load balancer sends the request to it, from outside the node, and it is not one of the agent's. */}}
{{- define "ai-agent.readyPortOfLoadBalancer" -}}
{{- $port := include "ai-agent.readyPort" . }}
{{- $own := list }}
{{- range include "ai-agent.ports" . | fromYamlArray }}{{ $own = append $own (toString .containerPort) }}{{ end }}
{{- if and (has (include "ai-agent.ingressController" .) (list "alb" "gce")) (not (has $port $own)) }}{{ $port }}{{ end }}
{{- end }}

{{/* The native sleep action, unless there is more to wait for: it needs neither a shell nor a binary in the image. */}}
{{- define "ai-agent.lifecycle" -}}
preStop:
  {{- if .Values.drain.until }}
  exec:
    command:
      {{- list "sh" "-c" (include "ai-agent.drainScript" .) "drain" | toYaml | nindent 6 }}
      {{- with .Values.drain.command }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- else }}
  sleep:
    seconds: {{ .Values.agent.endpointDelaySeconds }}
  {{- end }}
{{- end }}

{{/* Measures time by the uptime, because the clock may be changed. */}}
{{- define "ai-agent.drainScript" -}}
{{- $ports := list -}}
{{- range include "ai-agent.clientPorts" . | fromYamlArray }}{{ $ports = append $ports (printf "%04X" (int .)) }}{{ end -}}
{{- $port := len $ports | eq 1 | ternary (first $ports) (printf "(%s)" (join "|" $ports)) -}}
{{- $connected := printf "^ *[0-9]+: [0-9A-F]+:%s [0-9A-F]+:[0-9A-F]+ 01 " $port -}}
sleep {{ .Values.agent.endpointDelaySeconds }}
now() { read -r up idle </proc/uptime && echo "${up%%.*}"; }
end=$(($(now) + {{ .Values.agent.maxRunSeconds }}))
{{- if eq .Values.drain.until "connections" }}
while [ "$(now)" -lt "$end" ] && grep -Eqs '{{ $connected }}' /proc/net/tcp /proc/net/tcp6; do
{{- else }}
while [ "$(now)" -lt "$end" ] && ! "$@"; do
{{- end }}
  sleep 1
done
{{- end }}

{{- define "ai-agent.secretVolumes" -}}
{{- if .Values.secret.secretProviderClass.provider -}}
- name: secrets
  csi:
    driver: secrets-store.csi.k8s.io
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ include "ai-agent.hookedName" . | quote }}
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

{{/* Per revision of the pod template, so that a rollout spreads the new pods, not old and new pods together. */}}
{{- define "ai-agent.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  nodeTaintsPolicy: Honor
  matchLabelKeys: [{{ include "ai-agent.stateful" $ | empty | ternary "pod-template-hash" "controller-revision-hash" }}]
  labelSelector:
    matchLabels:
      {{- include "ai-agent.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
