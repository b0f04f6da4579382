{{/* How controllers write their timeouts. */}}

{{/* Seconds in a duration such as 5m30s; a number without a unit has the one given: (dict "value" VALUE "unit" "s"). */}}
{{- define "ai-agent.seconds" -}}
{{- $factors := dict "y" 31536000 "M" 2592000 "w" 604800 "d" 86400 "h" 3600 "m" 60 "s" 1 "ms" 1e-3 "us" 1e-6 }}
{{- $value := toString .value }}
{{- if regexMatch "^[0-9]+$" $value }}{{ $value = print $value .unit }}{{ end }}
{{- $total := 0.0 }}
{{- range regexFindAll "[0-9]+(us|ms|y|M|w|d|h|m|s)" $value -1 }}
  {{- $unit := regexFind "[a-zA-Z]+$" . }}
  {{- $total = addf $total (mulf (trimSuffix $unit . | float64) (get $factors $unit)) }}
{{- end }}
{{- int64 $total }}
{{- end }}

{{/* SECONDS, at most the annotation's limit in files/timeouts.yaml: (dict "root" $ "annotation" NAME "seconds" SECONDS). */}}
{{- define "ai-agent.upToLimit" -}}
{{- $format := get (.root.Files.Get "files/timeouts.yaml" | fromYaml) .annotation }}
{{- min (int .seconds) ($format.limit | default .seconds | int) }}
{{- end }}

{{/* Comments, and quoted text with more than one word, in a configuration of nginx. The groups are what to keep. */}}
{{- define "ai-agent.nginxText" -}}
(?m)(^|[\s;{}])#.*$|("[^"\s;\\]*"|'[^'\s;\\]*')|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'
{{- end }}

{{/*
The timeouts that an annotation sets, as a YAML list of seconds: (dict "format" FORMAT "value" VALUE), with its format
from files/timeouts.yaml.
*/}}
{{- define "ai-agent.annotationTimeouts" -}}
{{- $found := list }}
{{- if .format.directives }}
  {{- $config := regexReplaceAll (include "ai-agent.nginxText" .) .value "${1}${2}" }}
  {{- range regexFindAll (printf "(^|[;{}\n])\\s*(%s)\\s[^;]*" (join "|" .format.directives)) $config -1 }}
    {{- $found = append $found (regexReplaceAll "^\\W*\\w+\\s+" . "" | trimAll "\"' \t\r\n") }}
  {{- end }}
{{- else if .format.attribute }}
  {{- $set := printf "%s=[0-9]+" .format.attribute }}
  {{- $found = list (regexFind $set .value | trimPrefix (print .format.attribute "=") | default .format.default) }}
{{- else if eq .value (.format.none | default "-") }}
  {{- $found = list }}
{{- else if and .format.integer (not (regexMatch "^[0-9]+$" .value)) }}
  {{- $found = list .format.default }}
{{- else }}
  {{- $found = list .value }}
{{- end }}
{{- range $found }}
- {{ include "ai-agent.seconds" (dict "value" . "unit" $.format.unit) }}
{{- end }}
{{- end }}
