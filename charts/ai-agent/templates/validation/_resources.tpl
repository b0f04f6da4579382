{{/* The API server accepts the Deployment all the same, and then refuses its pods. */}}
{{- define "ai-agent.rule.request-exceeds-limit" -}}
{{- range $container := include "ai-agent.allResources" . | fromJsonArray }}
  {{- $path := .path }}
  {{- range $name, $request := .resources.requests }}
    {{- $limit := get ($container.resources.limits | default dict) $name }}
    {{- if and $limit (gt (include "ai-agent.quantity" $request | float64) (include "ai-agent.quantity" $limit | float64)) }}
- path: {{ concat $path (list "limits" $name) | toJson }}
  problem: >-
    {{ join "." $path | quote }} requests {{ $request }} of {{ quote $name }} and limits it to {{ $limit }}, and Kubernetes
    refuses such a pod. Values that you omit come from agent.type {{ $.Values.agent.type }}.
  fix: >-
    Set {{ append $path "limits" | join "." | quote }} of {{ quote $name }} to {{ $request }} or more.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The resources of the server, and of each schedule and job, as a JSON list: path, where the values set them, and resources. */}}
{{- define "ai-agent.allResources" -}}
{{- $server := include "ai-agent.resources" (dict "root" $ "own" dict) | fromYaml }}
{{- $all := list (dict "path" (list "resources") "resources" $server) }}
{{- range $part := list "schedules" "jobs" }}
  {{- range $name, $job := get $.Values $part | default dict }}
    {{- $own := dig "resources" dict ($job | default dict) }}
    {{- $resources := include "ai-agent.resources" (dict "root" $ "own" $own) | fromYaml }}
    {{- $all = append $all (dict "path" (list $part $name "resources") "resources" $resources) }}
  {{- end }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/*
A pod that writes more than the limit of /tmp is evicted, with all its runs. Kubernetes accepts any quantity: with a mistyped unit, the
first file exceeds the limit.
*/}}
{{- define "ai-agent.rule.tmp-size" -}}
{{- $size := include "ai-agent.quantity" .Values.tmp.sizeLimit | float64 }}
{{- if or (lt $size 67108864.0) (gt $size 1099511627776.0) }}
- path: [tmp, sizeLimit]
  problem: >-
    tmp.sizeLimit {{ .Values.tmp.sizeLimit }} is not between 64Mi and 1Ti. A pod that writes more than this limit is evicted with
    all its runs, and the limit is also requested from the node.
  fix: >-
    Set tmp.sizeLimit to a size from 64Mi to 1Ti, such as 1Gi.
{{- end }}
{{- range include "ai-agent.allResources" . | fromJsonArray }}
  {{- $limit := dig "limits" "ephemeral-storage" "" .resources | toString }}
  {{- if and $limit (lt (include "ai-agent.quantity" $limit | float64) $size) }}
- path: {{ concat .path (list "limits" "ephemeral-storage") | toJson }}
  problem: >-
    The limit {{ $limit }} of ephemeral-storage is less than tmp.sizeLimit {{ $.Values.tmp.sizeLimit }}: a pod that fills its /tmp is
    evicted with all its runs before /tmp is full.
  fix: >-
    Set it to at least tmp.sizeLimit plus what the containers log, or remove it.
  {{- end }}
{{- end }}
{{- end }}

{{/* The same for the emptyDir volumes in the values: less than 1Mi is almost certainly a mistyped unit. Only /tmp needs 64Mi. */}}
{{- define "ai-agent.rule.volume-size" -}}
{{- range $i, $volume := .Values.volumes }}
  {{- $size := dig "sizeLimit" "" (dig "emptyDir" dict $volume | default dict) | toString }}
  {{- $isTmp := include "ai-agent.isTmp" (dict "root" $ "name" $volume.name) }}
  {{- $least := empty $isTmp | ternary "1Mi" "64Mi" }}
  {{- if and $size (lt (include "ai-agent.quantity" $size | float64) (include "ai-agent.quantity" $least | float64)) }}
- path: [volumes, {{ quote $i }}, emptyDir, sizeLimit]
  problem: >-
    {{ $size }} is too small for the volume {{ quote $volume.name }}: a pod that writes more is evicted with all its runs.
  fix: >-
    Set it to {{ $least }} or more, or remove it.
  {{- end }}
{{- end }}
{{- end }}

{{/* Files in memory count toward the memory of the container that writes them, which a schedule or job may limit by itself. */}}
{{- define "ai-agent.rule.memory-volume-exceeds-limit" -}}
{{- $containers := include "ai-agent.allResources" . | fromJsonArray }}
{{- $server := include "ai-agent.memoryLimit" (first $containers) }}
{{- range $volume := include "ai-agent.memoryVolumes" . | fromJsonArray }}
  {{- range $i, $container := $containers }}
    {{- $limit := include "ai-agent.memoryLimit" . }}
    {{- $over := ge (include "ai-agent.quantity" $volume.size | float64) (include "ai-agent.quantity" $limit | float64) }}
    {{- if and $limit $over (or (eq $i 0) (ne $limit $server)) }}
- path: {{ eq $i 0 | ternary $volume.path (concat .path (list "limits" "memory")) | toJson }}
  problem: >-
    The volume {{ quote $volume.name }} keeps up to {{ $volume.size }} of files in memory, and {{ join "." .path }}.limits.memory is
    {{ $limit }}: before the volume is full, the container is OOMKilled, with all runs that it has.
  fix: >-
    Set {{ join "." $volume.path }} well below {{ join "." .path }}.limits.memory, raise that limit, or use a volume on disk.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.memoryLimit" -}}
{{- dig "limits" "memory" "" .resources }}
{{- end }}

{{/* The volumes in memory that have a size, as a JSON list: path, name and size. */}}
{{- define "ai-agent.memoryVolumes" -}}
{{- $found := list }}
{{- range $i, $volume := .Values.volumes }}
  {{- $directory := dig "emptyDir" dict $volume | default dict }}
  {{- $path := list "volumes" (toString $i) "emptyDir" "sizeLimit" }}
  {{- $one := dict "path" $path "name" $volume.name "size" (dig "sizeLimit" "" $directory | default "" | toString) }}
  {{- if and (eq (dig "medium" "" $directory) "Memory") $one.size }}{{ $found = append $found $one }}{{ end }}
{{- end }}
{{- with .Values.sharedMemory.sizeLimit }}
  {{- $found = append $found (dict "path" (list "sharedMemory" "sizeLimit") "name" "shm" "size" (toString .)) }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* Whether a volume in the values is mounted at /tmp: (dict "root" $ "name" NAME). */}}
{{- define "ai-agent.isTmp" -}}
{{- $mount := "tmp" }}
{{- range .root.Values.volumeMounts }}
  {{- if eq (clean .mountPath) "/tmp" }}{{ $mount = .name }}{{ end }}
{{- end }}
{{- if eq .name $mount }}true{{ end }}
{{- end }}
