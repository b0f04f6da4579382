{{/*
What the values tell about the process that serves the agent: whether it gets SIGTERM, and whether it then waits for its runs. What the
image runs by itself is not in the values.
*/}}

{{/* The command line as one text, with the known references $(NAME) replaced. */}}
{{- define "ai-agent.commandLine" -}}
{{- $known := include "ai-agent.environment" . | fromJson }}
{{- $words := concat (.Values.command | default list) (.Values.args | default list) }}
{{- include "ai-agent.expanded" (dict "value" (join " " $words) "known" $known) }}
{{- end }}

{{/* What may come before the name of a program: a wrapper that becomes the program or passes signals on, and variables. */}}
{{- define "ai-agent.prefix" -}}
{{- $wrapper := `(tini|dumb-init|docker-entrypoint\.sh|opentelemetry-instrument|ddtrace-run)` -}}
\s*((exec|env|command)\s+|\w+=\S*\s+|(\S*/)?{{ $wrapper }}\s+(-\S+\s+)*)*(\S*/)?
{{- end }}

{{/* A shell with a script. */}}
{{- define "ai-agent.shell" -}}
^{{ include "ai-agent.prefix" . }}(busybox\s+)?(sh|ash|dash|bash)\s+(-\S+\s+)*-\w*c\s
{{- end }}

{{/* The command of the line that serves: of a script, the last one. */}}
{{- define "ai-agent.serverCommand" -}}
{{- $line := include "ai-agent.commandLine" . }}
{{- $shell := regexFind (include "ai-agent.shell" .) $line }}
{{- $serves := $line }}
{{- range $shell | empty | ternary list (regexSplit `[;&|\n]+` (regexReplaceAll `[<>]&\S*` (trimPrefix $shell $line) "") -1) }}
  {{- if trim . }}{{ $serves = trim . }}{{ end }}
{{- end }}
{{- $serves }}
{{- end }}

{{/* Where the command line is in the values, for a finding. */}}
{{- define "ai-agent.commandPath" -}}
{{- empty .Values.command | ternary "[args]" "[command]" }}
{{- end }}

{{/*
The servers of files/servers.yaml that the values show, as a JSON list: the row with path, seconds (empty if unset), unknown. If SIGTERM
waits for the runs (drain.until), only the limits that apply at any time.
*/}}
{{- define "ai-agent.serverLimits" -}}
{{- $command := include "ai-agent.serverCommand" . }}
{{- $known := include "ai-agent.environment" . | fromJson }}
{{- $limits := list }}
{{- range .Files.Get "files/servers.yaml" | fromYamlArray }}
  {{- $program := printf `^(.*\s--\s)?%s(python[0-9.]*\s+(-\S+\s+)*)?%s(\s|$)` (include "ai-agent.prefix" $) (.process | default "^$") }}
  {{- $options := regexFind $program $command | empty | ternary "" (regexReplaceAll $program $command "") }}
  {{- $started := and .process (regexMatch $program $command) }}
  {{- $shipped := and .image (empty $.Values.command) (regexMatch (printf "(^|/)%s$" .image) $.Values.image.repository) }}
  {{- if $shipped }}{{ $options = $command }}{{ end }}
  {{- $row := dict "row" . "options" $options "known" $known "root" $ }}
  {{- $variable := and .variable (or (not .process) (not $command) $started) (hasKey $known .variable) }}
  {{- $relevant := and (or $started $shipped $variable) (or .always (empty $.Values.drain.until)) }}
  {{- if and $relevant (not (include "ai-agent.limitDoesNotApply" $row)) }}
    {{- $limit := include "ai-agent.serverLimit" $row | fromJson }}
    {{- $effect := dict "effect" "are still active" "after" " after SIGTERM" }}
    {{- if .always }}{{ $effect = dict "effect" "take longer than" "after" ", even without a rollout" }}{{ end }}
    {{- $limits = append $limits (merge $limit $effect .) }}
  {{- end }}
{{- end }}
{{- toJson $limits }}
{{- end }}

{{- define "ai-agent.limitDoesNotApply" -}}
{{- $more := dig "value" "" (get .known (.row.in | default "") | default dict) }}
{{- if and .row.unless (regexMatch .row.unless (printf "%s %s" .options $more)) }}true{{ end }}
{{- end }}

{{/*
What a server's limit is set to: path and seconds, unknown if the chart cannot read it. An option comes before the variable, and the last
of several counts. (dict "row" ROW of files/servers.yaml "options" TEXT "known" the environment "root" $)
*/}}
{{- define "ai-agent.serverLimit" -}}
{{- $row := .row }}
{{- $path := include "ai-agent.commandPath" .root | fromYamlArray }}
{{- $limit := dict "path" $path "seconds" "" "unknown" (not (empty .root.Values.envFrom)) }}
{{- range $name := list "" ($row.in | default "") }}
  {{- $entry := get $.known $name | default dict }}
  {{- $text := empty $name | ternary $.options (dig "value" "" $entry) }}
  {{- $found := regexFindAll (printf `(^|\s)%s[ =]+["']?([^\s"']*)` ($row.flag | default "^$")) $text -1 }}
  {{- if and $found (eq $limit.seconds "") }}
    {{- $limit = set $limit "seconds" (regexFind `[^\s"'=]*$` (last $found)) }}
    {{- if $name }}{{ $limit = set $limit "path" $entry.path }}{{ end }}
  {{- end }}
  {{- $file := and $row.file (regexMatch (printf `(^|\s)%s[ =]` $row.file) $text) }}
  {{- if or $file $entry.unreadable }}{{ $limit = set $limit "unknown" true }}{{ end }}
{{- end }}
{{- with get $.known ($row.variable | default "") }}
  {{- if eq $limit.seconds "" }}
    {{- $limit = merge (dict "path" .path "seconds" (.value | default "?")) $limit }}
  {{- end }}
{{- end }}
{{- toJson $limit }}
{{- end }}

{{- define "ai-agent.limitName" -}}
{{- regexFind `^[^ :]+` .set }}
{{- end }}

{{- define "ai-agent.limitSetting" -}}
{{ .set }}{{ regexMatch "^-" .set | ternary "" " in config" }}
{{- end }}

{{- define "ai-agent.rule.server-drain-too-short" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- range include "ai-agent.serverLimits" . | fromJsonArray }}
  {{- $number := regexMatch `^[0-9]+([.][0-9]+)?$` .seconds }}
  {{- if and $number (ne .seconds (.unlimited | default "none")) (lt (float64 .seconds) (float64 $run)) }}
- path: {{ include "ai-agent.path" .path }}
  problem: >-
    {{ include "ai-agent.limitName" . }} is {{ .seconds }} s, less than agent.maxRunSeconds {{ $run }}: {{ .name }} interrupts runs that
    {{ .effect }} {{ .seconds }} s{{ .after }}.
  fix: >-
    Set {{ include "ai-agent.limitSetting" . }}. The chart sets DRAIN_SECONDS to agent.maxRunSeconds plus a margin. If this is about
    another program, add server-drain-too-short to validation.skip.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.server-drain-unset" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- range include "ai-agent.serverLimits" . | fromJsonArray }}
  {{- if and (eq .seconds "") (not .unknown) (hasKey . "default") (lt (int .default) $run) }}
- path: {{ include "ai-agent.path" .path }}
  problem: >-
    {{ include "ai-agent.limitName" . }} is not set: by default, {{ .name }} interrupts runs that {{ .effect }} {{ int .default }}
    s{{ .after }}. agent.maxRunSeconds is {{ $run }}.
  fix: >-
    Set {{ include "ai-agent.limitSetting" . }}. The chart sets DRAIN_SECONDS to agent.maxRunSeconds plus a margin. If a file in
    the image sets it, add server-drain-unset to validation.skip.
  {{- end }}
{{- end }}
{{- end }}

{{/* Bash replaces itself with the last command of its script; the sh of Debian and Alpine does not. */}}
{{- define "ai-agent.rule.shell-without-exec" -}}
{{- $line := include "ai-agent.commandLine" . }}
{{- $shell := regexFind (include "ai-agent.shell" .) $line }}
{{- $bash := regexMatch `bash\s` $shell }}
{{- $passes := or $bash (regexMatch `\b(exec\s+[^\s0-9<>&]|trap\s)` (trimPrefix $shell $line)) }}
{{- if and $shell (not $passes) (empty .Values.drain.until) }}
- path: {{ include "ai-agent.commandPath" . }}
  problem: >-
    A shell starts the server without exec. It remains PID 1 and does not forward SIGTERM: the server accepts requests until SIGKILL
    interrupts all its runs. Under tini, both stop at once.
  fix: >-
    Start the server directly, without a shell, or write exec before its name in the script. If the image's sh is Bash, which does
    that by itself, add shell-without-exec to validation.skip.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.package-manager-starts-server" -}}
{{- $command := include "ai-agent.serverCommand" . }}
{{- $manager := `(npm|npx|yarn|pnpm)(\s|$)` }}
{{- if and (regexMatch (printf "^%s%s" (include "ai-agent.prefix" .) $manager) $command) (empty .Values.drain.until) }}
- path: {{ include "ai-agent.commandPath" . }}
  problem: >-
    {{ regexFind $manager $command | trim }} starts the server. On SIGTERM, it stops the server immediately and interrupts all runs, even if
    the server handles the signal.
  fix: >-
    Start the server itself, such as command: [node, server.js]. If something else starts it, add package-manager-starts-server to
    validation.skip.
{{- end }}
{{- end }}

{{/* Variables with these names turn on features of other software, or send prompts to a server that does not exist. */}}
{{- define "ai-agent.rule.sample-config-kept" -}}
{{- $kept := list }}
{{- range $name, $entry := include "ai-agent.config" . | fromJson }}
  {{- if and (has $name (list "REDIS_URL" "DATABASE_URL" "OPENAI_BASE_URL")) (has "sample" $entry.path) }}
    {{- $kept = append $kept $name }}
  {{- end }}
{{- end }}
{{- if and $kept (not (regexMatch "(^|/)ai-agent$" .Values.image.repository)) }}
- path: [sample, enabled]
  problem: >-
    image.repository is not the sample agent, but {{ join ", " $kept }} {{ len $kept | eq 1 | ternary "has" "have" }} the sample agent's
    value. Other software may connect to these servers, or use features that the variables turn on.
  fix: >-
    Set sample.enabled to false, and set the variables that your agent needs in config.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.drain-incomplete" -}}
{{- $drain := .Values.drain }}
{{- if and $drain.until (dig "preStop" nil (.Values.lifecycle | default dict)) }}
- path: [drain, until]
  problem: >-
    lifecycle also sets a preStop hook, which replaces the one of drain.until: nothing waits for the runs.
  fix: >-
    Remove lifecycle.preStop, or wait for the runs in it and remove drain.until.
{{- end }}
{{- if and (eq $drain.until "connections") (not .Values.service.enabled) }}
- path: [drain, until]
  problem: >-
    drain.until waits for connections to containerPort, but the container does not listen on it: nothing waits for the runs.
  fix: >-
    Set drain.until to command, and drain.command to what tells whether it has runs.
{{- end }}
{{- if eq (eq $drain.until "command") (empty $drain.command) }}
- path: [drain, command]
  problem: >-
    {{ empty $drain.command | ternary "drain.until is command, but drain.command is empty." "drain.command has no effect." }}
  fix: >-
    Set both drain.until to command and drain.command, or leave drain.command empty.
{{- end }}
{{- end }}
