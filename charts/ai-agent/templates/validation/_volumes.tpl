{{- define "ai-agent.rule.claim-incomplete" -}}
{{- $retained := dict }}
{{- range $name, $claim := include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- range include "ai-agent.claimProblems" $claim | fromYamlArray }}
- path: [persistence, {{ quote $name }}{{ with .field }}, {{ . }}{{ end }}]
  problem: >-
    The volume {{ quote $name }} {{ .problem }}
  fix: >-
    {{ .fix }}
  {{- end }}
  {{- if $claim.perPod }}{{ $retained = set $retained (toString $claim.retain | ne "false" | toString) $name }}{{ end }}
{{- end }}
{{- if gt (len $retained) 1 }}
- path: [persistence, {{ get $retained "false" | quote }}, retain]
  problem: >-
    retain of the volumes with perPod differs, but Kubernetes keeps or deletes all claims of a StatefulSet together.
  fix: >-
    Set retain of all of them to the same value.
{{- end }}
{{- end }}

{{/* What a claim lacks, as a YAML list: field, problem, fix. */}}
{{- define "ai-agent.claimProblems" -}}
{{- if empty .mountPath }}
- {problem: "has no mountPath.", fix: "Set its mountPath."}
{{- end }}
{{- range .unused }}
- field: {{ . }}
  problem: "sets {{ . }}, which has no effect: the worker mounts the server's claim."
  fix: Set it in the server's persistence, or add a spec to give the worker its own claim.
{{- end }}
{{- if and .spec .existingClaim }}
- field: existingClaim
  problem: has both existingClaim and spec.
  fix: Keep one of them. In a worker, null removes that of the server.
{{- else if not (or .spec .existingClaim) }}
- field: spec
  problem: has neither existingClaim nor spec.
  fix: Set existingClaim to the name of a claim, or spec to that of a claim for the chart to create.
{{- else if and .perPod .existingClaim }}
- field: perPod
  problem: has perPod, but all pods share an existing claim.
  fix: Replace existingClaim with spec, or remove perPod.
{{- else if and .spec (not (and .spec.accessModes (dig "resources" "requests" "storage" "" .spec))) }}
- field: spec
  problem: lacks accessModes or a storage request, which Kubernetes requires.
  fix: Set spec.accessModes and spec.resources.requests.storage.
{{- end }}
{{- end }}

{{/*
Who mounts which claim, as a YAML list: an entry for each workload and volume. pods is the most that mount it at a time, without a surge.
*/}}
{{- define "ai-agent.claimUsers" -}}
{{- $strategy := include "ai-agent.strategy" . | fromJson }}
{{- $surge := dig "rollingUpdate" "maxSurge" "" $strategy | toString | regexMatch "^0+%?$" | not }}
{{- range $name, $claim := include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- if not $claim.perPod }}
- claim: {{ include "ai-agent.claimName" (dict "root" $ "name" $name "claim" $claim) | quote }}
  path: {{ $claim.worker | empty | ternary (list "persistence" $name) (list "workers" $claim.worker "persistence" $name) | toJson }}
  modes: {{ dig "accessModes" list ($claim.spec | default dict) | toJson }}
  user: {{ include "ai-agent.workloadName" $ | quote }}
  pods: {{ include "ai-agent.mostPods" $ }}
  surge: {{ and $surge (eq $strategy.type "RollingUpdate") (empty (include "ai-agent.stateful" $)) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The most pods of a workload; 2 stands for an unknown number. */}}
{{- define "ai-agent.mostPods" -}}
{{- $count := kindIs "invalid" .Values.replicaCount | ternary 2 .Values.replicaCount }}
{{- if include "ai-agent.autoscaled" . }}{{ $count = .Values.autoscaling.maxReplicas }}{{ end }}
{{- .Values.singleton | ternary 1 (int $count) }}
{{- end }}

{{/* The same for schedules, whose Jobs run next to the other pods. */}}
{{- define "ai-agent.scheduleClaimUsers" -}}
{{- range $schedule, $fields := include "ai-agent.compact" .Values.schedules | fromYaml }}
  {{- range $name, $claim := include "ai-agent.persistence" (dict "root" (dict "Values" $.Values "job" $fields)) | fromJson }}
    {{- if not $claim.perPod }}
- claim: {{ include "ai-agent.claimName" (dict "root" $ "name" $name "claim" $claim) | quote }}
  path: {{ list "persistence" $name | toJson }}
  modes: {{ dig "accessModes" list ($claim.spec | default dict) | toJson }}
  user: {{ include "ai-agent.scheduleName" (dict "root" $ "name" $schedule) | quote }}
  pods: 1
  surge: false
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
The claims that two pods mount at a time, as a JSON list: path, claim, modes, why and fix. Claims for several nodes are left out.
*/}}
{{- define "ai-agent.sharedClaims" -}}
{{- $users := include "ai-agent.ofAll" (dict "root" . "template" "ai-agent.claimUsers") | fromYamlArray }}
{{- $users = concat $users (include "ai-agent.scheduleClaimUsers" . | fromYamlArray) }}
{{- $claims := dict }}
{{- range $users }}
  {{- $new := dict "path" .path "modes" .modes "claim" .claim "pods" 0 "users" list "surge" false }}
  {{- $before := get $claims .claim | default $new }}
  {{- $known := has .user $before.users }}
  {{- $before = set $before "users" (append $before.users .user | uniq) }}
  {{- $before = set $before "surge" (or $before.surge (and .surge (gt (int .pods) 0))) }}
  {{- $claims = set $claims .claim (set $before "pods" ($known | ternary $before.pods (add $before.pods .pods))) }}
{{- end }}
{{- $shared := list }}
{{- range $claim, $use := $claims }}
  {{- $many := or (has "ReadWriteMany" $use.modes) (has "ReadOnlyMany" $use.modes) }}
  {{- if and (not $many) (gt (int $use.pods) 1) }}
    {{- $why := printf "several pods (%s) would mount it at the same time: those on other nodes never start" (join ", " $use.users) }}
    {{- $fix := "Set singleton to true (one pod)" }}
    {{- $shared = append $shared (merge (dict "why" $why "fix" $fix) $use) }}
  {{- else if and (not $many) $use.surge }}
    {{- $why := "a rollout starts the next pod before it stops the last one, and each may wait for the other forever" }}
    {{- $fix := "Set singleton to true, or strategy.rollingUpdate.maxSurge to 0 and .maxUnavailable to 1" }}
    {{- $shared = append $shared (merge (dict "why" $why "fix" $fix) $use) }}
  {{- end }}
{{- end }}
{{- toJson $shared }}
{{- end }}

{{/* Kubernetes attaches such a claim to one node (ReadWriteOnce) or gives it to one pod (ReadWriteOncePod). */}}
{{- define "ai-agent.rule.claim-of-one-node" -}}
{{- range include "ai-agent.sharedClaims" . | fromJsonArray }}
  {{- if .modes }}
- path: {{ concat .path (list "spec" "accessModes") | toJson }}
  problem: >-
    The claim {{ quote .claim }} has the access mode {{ join ", " .modes }}, but {{ .why }}.
  fix: >-
    {{ .fix }}; or set perPod of the volume to true (a claim for each pod), or accessModes to [ReadWriteMany]. If a worker or schedule does
    not need the volume, set it to null in its persistence.
    {{- if not (has "ReadWriteOncePod" .modes) }}
    If all pods run on one node, add claim-of-one-node to validation.skip.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.claim-access-unknown" -}}
{{- range include "ai-agent.sharedClaims" . | fromJsonArray }}
  {{- if not .modes }}
- path: {{ append .path "existingClaim" | toJson }}
  problem: >-
    The chart does not know the access modes of the claim {{ quote .claim }}. With ReadWriteOnce: {{ .why }}.
  fix: >-
    With ReadWriteMany, add claim-access-unknown to validation.skip. With ReadWriteOnce: {{ .fix }}.
  {{- end }}
{{- end }}
{{- end }}

{{/* Pods have a label with the name of the StatefulSet and 11 characters. */}}
{{- define "ai-agent.rule.stateful-name-too-long" -}}
{{- $name := include "ai-agent.workloadName" . }}
{{- if and (include "ai-agent.stateful" .) (gt (len $name) 52) }}
- path: [persistence]
  problem: >-
    The name of the StatefulSet, {{ quote $name }}, has {{ len $name }} characters. With more than 52, Kubernetes cannot create its pods.
  fix: >-
    Set fullnameOverride to a shorter name.
{{- end }}
{{- end }}

{{/* Where the agent's container mounts what, as a JSON list of path and at, the chart's own mounts first. */}}
{{- define "ai-agent.mountPaths" -}}
{{- $values := .Values }}
{{- $mounts := list (dict "path" (list "tmp") "at" "/") }}
{{- $own := list (dict "path" (list "tmp") "at" "/tmp") (dict "path" (list "sharedMemory") "at" "/dev/shm") }}
{{- if not (include "ai-agent.mountsTmp" .) }}{{ $mounts = append $mounts (first $own) }}{{ end }}
{{- if $values.sharedMemory.sizeLimit }}{{ $mounts = append $mounts (last $own) }}{{ end }}
{{- range include "ai-agent.secretMounts" . | fromYamlArray }}
  {{- $mounts = append $mounts (dict "path" (list "secret" "mountPath") "at" .mountPath "readOnly" true) }}
{{- end }}
{{- range $i, $directory := $values.writableDirs }}
  {{- $mounts = append $mounts (dict "path" (list "writableDirs" (toString $i)) "at" $directory) }}
{{- end }}
{{- range $name, $file := $values.configFiles }}
  {{- with $file }}
    {{- $mounts = append $mounts (dict "path" (list "configFiles" $name "mountPath") "at" .mountPath) }}
  {{- end }}
{{- end }}
{{- range $name, $claim := include "ai-agent.persistence" (dict "root" .) | fromJson }}
  {{- with $claim.mountPath }}
    {{- $mounts = append $mounts (dict "path" (list "persistence" $name "mountPath") "at" .) }}
  {{- end }}
{{- end }}
{{- range $i, $mount := $values.volumeMounts }}
  {{- $mounts = append $mounts (dict "path" (list "volumeMounts" (toString $i) "mountPath") "at" $mount.mountPath) }}
{{- end }}
{{- toJson $mounts }}
{{- end }}

{{- define "ai-agent.rule.mount-path-taken" -}}
{{- $taken := dict }}
{{- $mounts := include "ai-agent.mountPaths" . | fromJsonArray }}
{{- range $mount := $mounts }}
  {{- range $mounts }}
    {{- if and .readOnly (hasPrefix (print (clean .at) "/") (clean $mount.at)) }}
- path: {{ include "ai-agent.path" $mount.path }}
  problem: >-
    {{ quote $mount.at }} lies in {{ quote .at }}, the path of {{ join "." .path }}, which is read-only: the container could not start.
  fix: >-
    Choose a path outside of it.
    {{- end }}
  {{- end }}
  {{- $other := get $taken (clean $mount.at) }}
  {{- if $other }}
- path: {{ include "ai-agent.path" $mount.path }}
  problem: >-
    {{- if eq (clean $mount.at) "/" }}
    A mount at / hides the whole image.
    {{- else }}
    {{ quote $mount.at }} is also the path of {{ $other }}: one would hide the other.
    {{- end }}
  fix: >-
    Choose another path.
  {{- end }}
  {{- $taken = set $taken (clean $mount.at) (join "." $mount.path) }}
{{- end }}
{{- end }}

{{/* The volumes that the chart names, and those in persistence, must differ from those in volumes. */}}
{{- define "ai-agent.rule.volume-name-taken" -}}
{{- $taken := dict }}
{{- /* As in a schedule: the volumes of claims that a StatefulSet adds are among them. */}}
{{- range include "ai-agent.volumes" (dict "root" (merge (dict "job" dict) .)) | fromYamlArray }}
  {{- $taken = set $taken .name (get $taken .name | default 0 | add1) }}
{{- end }}
{{- range $name, $count := $taken }}
  {{- if gt (int $count) 1 }}
- path: [{{ hasKey ($.Values.persistence | default dict) $name | ternary (printf "persistence, %q" $name) "volumes" }}]
  problem: >-
    A pod would have {{ $count }} volumes called {{ quote $name }}, which Kubernetes refuses. The chart's own are tmp, files, shm and
    secrets.
  fix: >-
    Give the volume another name.
  {{- end }}
{{- end }}
{{- end }}

{{/* A worker's claim is named WORKER-VOLUME, and a volume of the server may have that name, too. */}}
{{- define "ai-agent.rule.claim-name-taken" -}}
{{- $taken := dict }}
{{- range $claim := include "ai-agent.ofAll" (dict "root" . "template" "ai-agent.createdClaimNames") | fromYamlArray }}
  {{- with get $taken .name }}
- path: {{ toJson $claim.path }}
  problem: >-
    {{ join "." . }} and {{ join "." $claim.path }} would both create a claim called {{ quote $claim.name }}.
  fix: >-
    Rename one of the two volumes.
  {{- end }}
  {{- $taken = set $taken .name .path }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.config-files-too-large" -}}
{{- $size := 0 }}
{{- range $name, $file := .Values.configFiles }}{{ with $file }}{{ $size = add $size (len .content) }}{{ end }}{{ end }}
{{- if gt (int $size) 1048576 }}
- path: [configFiles]
  problem: >-
    The files have {{ $size }} bytes together. Kubernetes refuses a ConfigMap of more than 1048576 bytes (1 MiB).
  fix: >-
    Put large files into the image, an image volume or a claim.
{{- end }}
{{- end }}
