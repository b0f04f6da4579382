{{- define "ai-agent.rule.image-repository-tag" -}}
{{- if regexMatch "[:@][^/]*$" .Values.image.repository }}
- path: [image, repository]
  problem: >-
    image.repository {{ quote .Values.image.repository }} contains a tag or digest, which would appear twice in the image name.
  fix: >-
    Set image.repository to the part before it, and image.tag or image.digest to the rest.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.image-tag-latest" -}}
{{- if and (eq (toString .Values.image.tag) "latest") (not .Values.image.digest) }}
- path: [image, tag]
  problem: >-
    image.tag is latest: the running version changes without a release, and a rollback cannot restore it.
  fix: >-
    Set image.tag to a version or image.digest to a digest.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.image-tag-missing" -}}
{{- if not (or .Values.image.tag .Values.image.digest (eq .Values.image.repository "ai-agent")) }}
- path: [image, tag]
  problem: >-
    image.tag is empty, so the version of {{ quote .Values.image.repository }} is not known: the default,
    {{ .Chart.AppVersion }}, is the version of the sample agent.
  fix: >-
    Set image.tag or image.digest.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.sidecar-image-tag" -}}
{{- range $list := list "initContainers" "extraContainers" }}
  {{- range $i, $container := index $.Values $list }}
    {{- $image := .image | default "" }}
    {{- if or (hasSuffix ":latest" $image) (not (regexMatch "(:[^/:]+|@sha256:[0-9a-f]{64})$" $image)) }}
- path: [{{ $list }}, {{ quote $i }}, image]
  problem: >-
    Container {{ quote .name }} has the image {{ quote $image }}, which names no fixed version: it changes without a release.
  fix: >-
    Add a version as the tag of the image, or a digest.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.container-name-agent" -}}
{{- range $list := list "initContainers" "extraContainers" }}
  {{- range $i, $container := index $.Values $list }}
    {{- if eq .name "agent" }}
- path: [{{ $list }}, {{ quote $i }}, name]
  problem: >-
    {{ $list }} has a container called agent, which is the name of the chart's own container.
  fix: >-
    Give the container another name.
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.helm-test-image-latest" -}}
{{- if hasSuffix ":latest" (toString .Values.helmTest.image) }}
- path: [helmTest, image]
  problem: >-
    helmTest.image has the tag latest: the test can change without a release.
  fix: >-
    Set the tag of helmTest.image to a version.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.helm-test-without-conform" -}}
{{- $test := .Values.helmTest }}
{{- if and $test.protocol (not (or .Values.sample.enabled $test.image)) }}
- path: [helmTest, protocol]
  problem: >-
    helmTest.protocol needs the command /agent conform, which your image does not have.
  fix: >-
    Set helmTest.image to the image of the sample agent, or helmTest.protocol to "".
{{- end }}
{{- end }}
