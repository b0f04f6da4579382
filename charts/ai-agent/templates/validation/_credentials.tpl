{{/* Credentials in objects that many may read. A message has the path alone: the value may be the credential. */}}

{{- define "ai-agent.rule.config-credential" -}}
{{- $texts := list }}
{{- range $name, $entry := include "ai-agent.config" . | fromJson }}
  {{- $texts = append $texts (dict "path" $entry.path "name" $name "value" (toString $entry.value)) }}
{{- end }}
{{- range $name, $file := .Values.configFiles }}
  {{- $text := dict "path" (list "configFiles" $name "content") "name" "" "value" (get ($file | default dict) "content") }}
  {{- if $file }}{{ $texts = append $texts $text }}{{ end }}
{{- end }}
{{- range include "ai-agent.credentials" (dict "root" $ "texts" $texts) | fromJsonArray }}
- path: {{ include "ai-agent.path" .path }}
  problem: >-
    {{ join "." .path | quote }} {{ eq (first .path) "configFiles" | ternary "contains what looks" "looks" }} like a credential, and
    everyone who may read the namespace can read a ConfigMap.
  fix: >-
    Move it to a Secret and set secret.existingSecret. For a URL, leave the password out and set DATABASE_PASSWORD in the Secret. In a
    file, refer to a variable if the program can.
    If it is not a credential, add config-credential to validation.skip.
{{- end }}
{{- end }}

{{- define "ai-agent.rule.credential-in-plain-text" -}}
{{- $texts := "" }}
{{- range include "ai-agent.plainSections" . | fromYamlArray }}
  {{- $value := $.Values }}
  {{- range . }}{{ $value = get ($value | default dict) . }}{{ end }}
  {{- $texts = print $texts (include "ai-agent.texts" (dict "path" . "name" "" "value" $value)) }}
{{- end }}
{{- $texts = printf "[%s]" (trimSuffix "," $texts) | fromJsonArray }}
{{- /* Here the key is the name of the variable. */}}
{{- range $name, $value := .Values.helmTest.variables }}
  {{- $texts = append $texts (dict "path" (list "helmTest" "variables" $name) "name" $name "value" $value) }}
{{- end }}
{{- range include "ai-agent.credentials" (dict "root" $ "texts" $texts) | fromJsonArray }}
- path: {{ include "ai-agent.path" .path }}
  problem: >-
    {{ join "." .path | quote }} looks like a credential, and everyone who may read the pods or the objects of the namespace can read it.
  fix: >-
    Move it to a Secret and set secret.existingSecret. In a command, refer to the variable as $(NAME).
    If it is not a credential, add credential-in-plain-text to validation.skip.
{{- end }}
{{- end }}

{{/* The values that the chart copies into objects as they are, except secrets. extraObjects are checked by the validate command. */}}
{{- define "ai-agent.plainSections" -}}
- [commonLabels]
- [commonAnnotations]
- [podLabels]
- [podAnnotations]
- [command]
- [args]
- [env]
- [initContainers]
- [extraContainers]
- [lifecycle]
- [livenessProbe]
- [readinessProbe]
- [startupProbe]
- [schedules]
- [jobs]
- [workers]
- [podSpec]
- [service, annotations]
- [ingress, annotations]
- [httpRoute, annotations]
- [httpRoute, matches]
- [serviceAccount, annotations]
- [serviceMonitor, labels]
- [podMonitor, labels]
- [prometheusRule, labels]
- [grafanaDashboard, labels]
- [secret, existingSecret]
- [secret, secretProviderClass, parameters]
- [volumes]
- [persistence]
- [helmTest, command]
{{- end }}

{{/* A path of any texts as YAML. */}}
{{- define "ai-agent.path" -}}
[{{ range $i, $segment := . }}{{ if $i }}, {{ end }}{{ quote $segment }}{{ end }}]
{{- end }}

{{/*
Every text in a value, as JSON objects with a comma after each: path, value, and the name of the variable or flag whose value
it is: (dict "path" PATH "name" NAME "value" VALUE).
*/}}
{{- define "ai-agent.texts" -}}
{{- if kindIs "string" .value }}{{ toJson . }},{{ end }}
{{- if kindIs "map" .value }}
  {{- $name := get .value "name" | toString }}
  {{- range $key, $value := .value }}
    {{- include "ai-agent.texts" (dict "path" (append $.path $key) "name" (eq $key "value" | ternary $name "") "value" $value) }}
  {{- end }}
{{- end }}
{{- if kindIs "slice" .value }}
  {{- $flag := "" }}
  {{- range $i, $value := .value }}
    {{- $isFlag := hasPrefix "-" (toString $value) }}
    {{- include "ai-agent.texts" (dict "path" (append $.path (toString $i)) "name" ($isFlag | ternary "" $flag) "value" $value) }}
    {{- $flag = $isFlag | ternary (toString $value) "" }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Those of the texts that look like a credential, as a JSON list: (dict "root" $ "texts" [{path, name, value}]). Compiling a pattern
takes longer than searching, so all names and all texts are searched at once, and each text only if something has been found.
*/}}
{{- define "ai-agent.credentials" -}}
{{- $patterns := .root.Files.Get "files/credentials.yaml" | fromYaml }}
{{- $reference := include "ai-agent.credentialPattern" (list $patterns "reference") }}
{{- $excluded := include "ai-agent.credentialPattern" (list $patterns "excluded") }}
{{- $shapes := include "ai-agent.credentialPattern" (list $patterns "shapes") }}
{{- $assigned := include "ai-agent.credentialPattern" (list $patterns "assigned") }}
{{- $names := list }}
{{- $all := "" }}
{{- range .texts }}{{ $names = append $names .name }}{{ $all = printf "%s\n%s" $all .value }}{{ end }}
{{- $names = include "ai-agent.credentialNames" (dict "patterns" $patterns "names" $names) | fromJson }}
{{- $all = regexReplaceAllLiteral $reference $all "" }}
{{- $some := regexMatch $shapes $all }}
{{- if regexMatch $patterns.mention $all }}
  {{- $some = or $some (regexReplaceAll $excluded $all "${1}${2}" | regexMatch $assigned) }}
{{- end }}
{{- $found := list }}
{{- range .texts }}
  {{- $isRandom := and (has .name $names.others) (include "ai-agent.isRandom" (list $patterns .value)) }}
  {{- $isNamed := or (has .name $names.credentials) $isRandom }}
  {{- if or $isNamed $some }}
    {{- $text := regexReplaceAllLiteral $reference .value "" }}
    {{- $rest := regexReplaceAll $excluded $text "${1}${2}" }}
    {{- $matches := or $isNamed (regexMatch $shapes $text) (and (regexMatch $patterns.mention $text) (regexMatch $assigned $rest)) }}
    {{- if and $matches (not (regexMatch $patterns.harmless $rest)) }}{{ $found = append $found . }}{{ end }}
  {{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{- define "ai-agent.isRandom" -}}
{{- $value := last . }}
{{- $all := true }}
{{- range (first .).random }}{{ $all = and $all (regexMatch . $value) }}{{ end }}
{{- if $all }}true{{ end }}
{{- end }}

{{/*
The names whose values are credentials, and the others that look as if, as JSON: (dict "patterns" PATTERNS "names" [NAME]).
*/}}
{{- define "ai-agent.credentialNames" -}}
{{- $pattern := include "ai-agent.credentialPattern" (list .patterns "name") }}
{{- $named := regexFindAll (print "(?m)" $pattern) (uniq .names | join "\n") -1 }}
{{- $others := list }}
{{- if $named }}
  {{- $pattern = include "ai-agent.credentialPattern" (list .patterns "notName") }}
  {{- $others = regexFindAll (printf "(?m)^.*(?:%s)$" $pattern) (join "\n" $named) -1 }}
{{- end }}
{{- $credentials := list }}
{{- range $named }}{{ if not (has . $others) }}{{ $credentials = append $credentials . }}{{ end }}{{ end }}
{{- dict "credentials" $credentials "others" $others | toJson }}
{{- end }}

{{/* A pattern, or any of several, with the lists in their places: (list PATTERNS KEY). */}}
{{- define "ai-agent.credentialPattern" -}}
{{- $patterns := first . }}
{{- $pattern := get $patterns (last .) }}
{{- if kindIs "map" $pattern }}{{ $pattern = values $pattern | join ")|(?:" | printf "(?m)(?:%s)" }}{{ end }}
{{- $pattern = replace "{notName}" $patterns.notName $pattern }}
{{- range $name, $list := $patterns.lists }}{{ $pattern = replace (printf "{%s}" $name) (join "|" $list) $pattern }}{{ end }}
{{- $pattern }}
{{- end }}
