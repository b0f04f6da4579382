{{/* How long a lifecycle hook takes. */}}

{{/*
Seconds that a hook sleeps, such as 10 or 0.5, or nothing where they are not known: by the native sleep, by a sleep command, or in the
script of a shell. Kubernetes accepts tcpSocket as a hook and fails to run it.
*/}}
{{- define "ai-agent.hookSeconds" -}}
{{- $command := (get . "exec" | default dict).command | default list }}
{{- $shell := regexMatch "^(\\S*/)?((busybox|env) )*(\\S*/)?(ba|da|a|z|k)?sh (-\\S+ )*-[a-z]*c$" (initial $command | join " ") }}
{{- if get . "sleep" }}
  {{- .sleep.seconds | default 0 }}
{{- else if get . "tcpSocket" }}
  {{- 0 }}
{{- else if and $command $shell }}
  {{- include "ai-agent.scriptSeconds" (last $command) }}
{{- else if $command }}
  {{- include "ai-agent.sleepSeconds" (join " " $command) }}
{{- end }}
{{- end }}

{{/* Seconds that the script of a shell sleeps. Nothing if a sleep in it may not run, may run again, or runs in the background. */}}
{{- define "ai-agent.scriptSeconds" -}}
{{- $script := regexReplaceAll "[0-9]?>+(&[0-9]|\\s*[^\\s;&|]+)" . "" }}
{{- $script = regexReplaceAll "\\|\\|\\s*(true|:)\\s*(;|$)" $script ";" }}
{{- $script = regexReplaceAll "&&|;" $script "\n" }}
{{- $known := not (regexMatch "[|&`{}<(]|\\b(if|while|until|for|case|timeout)\\b" $script) }}
{{- $sleeps := list }}
{{- range regexFindAll ".*sleep.*" $script -1 }}
  {{- $sleeps = append $sleeps (include "ai-agent.sleepSeconds" .) }}
{{- end }}
{{- if and $known $sleeps (not (has "" $sleeps)) }}
  {{- include "ai-agent.sum" $sleeps }}
{{- end }}
{{- end }}

{{/* Seconds that one command sleeps: coreutils and BusyBox add up their operands, each with the unit s, m, h or d. */}}
{{- define "ai-agent.sleepSeconds" -}}
{{- $operand := "(([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9])?|(?i:inf(inity)?))[smhd]?" }}
{{- $wrappers := "((\\S*/)?(busybox|toybox|coreutils|env|exec|nice|command|tini|dumb-init|--) )*(\\S*/)?" }}
{{- $words := regexReplaceAll "[\"'\\s]+" . " " | trim }}
{{- $python := regexFind "\\bsleep\\(\\s*[0-9.]+\\s*\\)" $words }}
{{- if regexMatch (printf "^%ssleep( %s)+$" $wrappers $operand) $words }}
  {{- $seconds := list }}
  {{- range regexReplaceAll "^.*sleep " $words "" | splitList " " }}
    {{- $unit := regexFind "[smhd]$" . }}
    {{- $number := regexReplaceAll "(?i)^inf.*" (trimSuffix $unit .) "1e9" | float64 }}
    {{- $seconds = append $seconds (get (dict "m" 60 "h" 3600 "d" 86400) $unit | default 1 | mulf $number) }}
  {{- end }}
  {{- include "ai-agent.sum" $seconds }}
{{- else if and $python (regexMatch "^(\\S*/)?python" $words) }}
  {{- regexFind "[0-9.]+" $python | float64 }}
{{- end }}
{{- end }}

{{- define "ai-agent.sum" -}}
{{- $total := 0.0 }}
{{- range . }}{{ $total = addf $total (float64 .) }}{{ end }}
{{- $total }}
{{- end }}
