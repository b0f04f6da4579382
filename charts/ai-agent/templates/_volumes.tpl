{{/* What the agent's container mounts: scratch folders, shared memory, files of the values, and claims. */}}

{{/*
The claims that a pod mounts, by name, as JSON: (dict "root" $). A schedule may leave some out. A job mounts none: before an installation
they do not exist, and during an upgrade the old pods may have them.
*/}}
{{- define "ai-agent.persistence" -}}
{{- $without := dig "persistence" dict (.root.job | default dict) | default dict }}
{{- $mounted := dict }}
{{- $claims := eq (default "" .root.part) "jobs" | ternary dict .root.Values.persistence }}
{{- range $name, $claim := include "ai-agent.compact" $claims | fromYaml }}
  {{- if not (hasKey $without $name) }}{{ $mounted = set $mounted $name (include "ai-agent.compact" $claim | fromYaml) }}{{ end }}
{{- end }}
{{- toJson $mounted }}
{{- end }}

{{/* Whether each pod has claims of its own, which only a StatefulSet gives it. */}}
{{- define "ai-agent.stateful" -}}
{{- range include "ai-agent.persistence" (dict "root" .) | fromJson }}{{ if .perPod }}true{{ end }}{{ end }}
{{- end }}

{{/* The name of the workload if it is a StatefulSet, as a YAML list. */}}
{{- define "ai-agent.statefulNames" -}}
{{- if include "ai-agent.stateful" . }}
- {{ include "ai-agent.workloadName" . | quote }}
{{- end }}
{{- end }}

{{- define "ai-agent.workloadKind" -}}
{{- include "ai-agent.stateful" . | empty | ternary "Deployment" "StatefulSet" }}
{{- end }}

{{/*
What runs the agent in the cluster, as JSON. After a change from Deployment to StatefulSet, the Deployment still tells the number of pods.
Only a release that has StatefulSets needs the right to read them.
*/}}
{{- define "ai-agent.liveWorkload" -}}
{{- $live := dict }}
{{- range list "StatefulSet" "Deployment" }}
  {{- $asked := or (eq . "Deployment") (include "ai-agent.stateful" $) }}
  {{- if and $asked (empty $live) }}{{ $live = lookup "apps/v1" . $.Release.Namespace (include "ai-agent.workloadName" $) }}{{ end }}
{{- end }}
{{- toJson $live }}
{{- end }}

{{/* The name of a claim: (dict "root" $ "name" NAME "claim" CLAIM). That of a claim of a worker's own contains the worker's name. */}}
{{- define "ai-agent.claimName" -}}
{{- $release := printf "%s-%s" (include "ai-agent.fullname" .root) (join "-" (compact (list .claim.worker .name))) }}
{{- .claim.existingClaim | default $release }}
{{- end }}

{{/* The claims that the release creates, as a YAML map: those of the server, or those that this worker defines. */}}
{{- define "ai-agent.createdClaims" -}}
{{- $created := dict }}
{{- range $name, $claim := include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- $own := eq (default "" $claim.worker) (default "" $.worker) }}
  {{- if and $own $claim.spec (not $claim.existingClaim) (not $claim.perPod) }}{{ $created = set $created $name $claim }}{{ end }}
{{- end }}
{{- toYaml $created }}
{{- end }}

{{/* The names of these claims, each with its path in the values, as a YAML list. */}}
{{- define "ai-agent.createdClaimNames" -}}
{{- range $name, $claim := include "ai-agent.createdClaims" . | fromYaml }}
- name: {{ include "ai-agent.claimName" (dict "root" $ "name" $name "claim" $claim) | quote }}
  path: {{ concat (empty $.worker | ternary list (list "workers" $.worker)) (list "persistence" $name) | toJson }}
{{- end }}
{{- end }}

{{/* The spec of a claim. Kubernetes adds the volumeMode, which a GitOps controller would see as a difference. */}}
{{- define "ai-agent.claimSpec" -}}
{{- merge (dict) (.spec | default dict) (dict "volumeMode" "Filesystem") | toYaml }}
{{- end }}

{{/* The claims that an uninstall keeps, as a YAML list. */}}
{{- define "ai-agent.keptClaims" -}}
{{- range $name, $claim := include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- $ofRelease := include "ai-agent.claimName" (dict "root" $ "name" $name "claim" $claim) }}
  {{- $ofPods := printf "%s-%s-*" $name (include "ai-agent.workloadName" $) }}
  {{- if and $claim.spec (ne (toString $claim.retain) "false") }}
- {{ empty $claim.perPod | ternary $ofRelease $ofPods }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Whether the claims of a StatefulSet are deleted with it. The rule claim-incomplete refuses that some are and others are not. */}}
{{- define "ai-agent.deletesPodClaims" -}}
{{- range include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- if and .perPod (eq (toString .retain) "false") }}true{{ end }}
{{- end }}
{{- end }}

{{/* The volumes of a pod, as YAML: (dict "root" $). */}}
{{- define "ai-agent.volumes" -}}
{{- $values := .root.Values -}}
{{- if not (has "tmp" (include "ai-agent.volumeNames" .root | splitList " ")) -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ $values.tmp.sizeLimit }}
{{- end }}
{{- with include "ai-agent.secretVolumes" .root }}
{{ . }}
{{- end }}
{{- with $values.sharedMemory.sizeLimit }}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ . }}
{{- end }}
{{- if include "ai-agent.files" .root | fromYaml }}
- name: files
  configMap:
    name: {{ include "ai-agent.filesName" .root | quote }}
{{- end }}
{{- range $name, $claim := include "ai-agent.persistence" . | fromJson }}
{{- include "ai-agent.claimVolume" (merge (dict "name" $name "claim" $claim) $) }}
{{- end }}
{{- range include "ai-agent.leftOutClaims" . | fromYamlArray }}
- name: {{ quote . }}
  emptyDir: {}
{{- end }}
{{- with $values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The claims that a pod lacks although its init containers or volumeMounts name them: it would be refused. As a YAML list. */}}
{{- define "ai-agent.leftOutClaims" -}}
{{- $mounts := .root.Values.volumeMounts | default list }}
{{- range .root.Values.initContainers }}{{ $mounts = concat $mounts (.volumeMounts | default list) }}{{ end }}
{{- $names := list }}
{{- range $mounts }}{{ $names = append $names .name }}{{ end }}
{{- $claims := include "ai-agent.persistence" . | fromJson }}
{{- range $name, $claim := .root.Values.persistence }}
  {{- if and (has $name $names) (not (hasKey $claims $name)) }}
- {{ quote $name }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The volume of a claim. A StatefulSet adds those of perPod; the pod of a schedule gets a claim that is deleted with it. */}}
{{- define "ai-agent.claimVolume" -}}
{{- if not .claim.perPod }}
- name: {{ .name | quote }}
  persistentVolumeClaim:
    claimName: {{ include "ai-agent.claimName" . | quote }}
{{- else if hasKey .root "job" }}
- name: {{ .name | quote }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        {{- include "ai-agent.claimSpec" .claim | nindent 8 }}
{{- end }}
{{- end }}

{{/* The mounts of the agent's container, as YAML: (dict "root" $). */}}
{{- define "ai-agent.volumeMounts" -}}
{{- $values := .root.Values -}}
{{- if not (include "ai-agent.mountsTmp" .root) -}}
- name: tmp
  mountPath: /tmp
  {{- if $values.writableDirs }}
  subPath: tmp
  {{- end }}
{{- end }}
{{- range $values.writableDirs }}
- name: tmp
  mountPath: {{ . | quote }}
  subPath: {{ clean . | trimPrefix "/" | printf "dirs/%s" | quote }}
{{- end }}
{{- with include "ai-agent.secretMounts" .root }}
{{ . }}
{{- end }}
{{- if $values.sharedMemory.sizeLimit }}
- name: shm
  mountPath: /dev/shm
{{- end }}
{{- range $name, $file := include "ai-agent.compact" $values.configFiles | fromYaml }}
- name: files
  mountPath: {{ $file.mountPath | quote }}
  subPath: {{ $name | quote }}
  readOnly: true
{{- end }}
{{- range $name, $claim := include "ai-agent.persistence" . | fromJson }}
- name: {{ $name | quote }}
  {{- pick $claim "mountPath" "subPath" "readOnly" | toYaml | nindent 2 }}
{{- end }}
{{- with $values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ai-agent.filesName" -}}
{{- include "ai-agent.hookedName" . }}-files
{{- end }}

{{/* The content of configFiles, by name. */}}
{{- define "ai-agent.files" -}}
{{- $files := dict }}
{{- range $name, $file := .Values.configFiles }}
  {{- with $file }}{{ $files = set $files $name .content }}{{ end }}
{{- end }}
{{- toYaml $files | required "configFiles contains a control character, which YAML cannot represent: remove it" }}
{{- end }}

{{/* Without the policy, the kubelet changes the group of every file of a claim before each start of a pod. */}}
{{- define "ai-agent.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext | default dict }}
{{- $claims := include "ai-agent.persistence" (dict "root" .) | fromJson }}
{{- if and $claims (not (kindIs "invalid" $context.fsGroup)) }}
  {{- $context = merge (dict) $context (dict "fsGroupChangePolicy" "OnRootMismatch") }}
{{- end }}
{{- include "ai-agent.compact" $context }}
{{- end }}
