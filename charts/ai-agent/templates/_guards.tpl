{{/*
What the schema cannot say: rules between values. Each message tells what is wrong, why, and what
to set. guards.yaml calls them all and renders nothing.
*/}}

{{- define "ai-agent.guards" -}}
{{- include "ai-agent.guardImage" . }}
{{- include "ai-agent.guardGrace" . }}
{{- include "ai-agent.guardResources" . }}
{{- include "ai-agent.guardTimeouts" . }}
{{- include "ai-agent.guardAutoscaling" . }}
{{- include "ai-agent.guardDisruption" . }}
{{- include "ai-agent.guardConfig" . }}
{{- include "ai-agent.guardSecret" . }}
{{- include "ai-agent.guardTraffic" . }}
{{- include "ai-agent.guardSchedules" . }}
{{- include "ai-agent.guardMonitoring" . }}
{{- end }}

{{- define "ai-agent.guardImage" -}}
{{- if hasSuffix ":latest" .Values.helmTest.image }}
{{- fail "helmTest.image is latest: what it tests with would change without a release. Set its tag to a version." }}
{{- end }}
{{- with .Values.image }}
{{- if eq .tag "latest" }}
{{- fail "image.tag is latest: what runs would change without a release and no rollback could bring it back. Set image.tag to a version or image.digest to a digest." }}
{{- end }}
{{- if regexMatch "[:@][^/]*$" .repository }}
{{- fail (printf "image.repository %q carries a tag or digest: it would be written twice. Set image.repository to the part before it, and image.tag or image.digest to the rest." .repository) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardGrace" -}}
{{- $needed := include "ai-agent.neededGraceSeconds" . | int }}
{{- $grace := include "ai-agent.terminationGracePeriodSeconds" . | int }}
{{- if lt $grace $needed }}
{{- fail (printf "terminationGracePeriodSeconds %d would cut a run: with agent.maxRunSeconds %d it takes %d (%d until proxies know, the run, %s to close). Set terminationGracePeriodSeconds to %d or null, or agent.maxRunSeconds to less." $grace (int .Values.agent.maxRunSeconds) $needed (int .Values.agent.endpointDelaySeconds) (include "ai-agent.closeSeconds" .) $needed) }}
{{- end }}
{{- if and .Values.lifecycle (not (dig "preStop" "" .Values.lifecycle)) }}
{{- fail "lifecycle has no preStop: a pod that closes at once refuses what proxies still send it. Add lifecycle.preStop.sleep.seconds: 10." }}
{{- end }}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 .Values.lifecycle | int }}
{{- if and $sleep (lt $sleep (int .Values.agent.endpointDelaySeconds)) }}
{{- fail (printf "lifecycle.preStop.sleep.seconds %d is less than agent.endpointDelaySeconds %d: the pod would close before every proxy knows. Set both to the same number." $sleep (int .Values.agent.endpointDelaySeconds)) }}
{{- end }}
{{- if gt $sleep (int .Values.agent.endpointDelaySeconds) }}
{{- fail (printf "lifecycle.preStop.sleep.seconds %d takes its time from the run's: the grace period counts on agent.endpointDelaySeconds %d. Set agent.endpointDelaySeconds to %d." $sleep (int .Values.agent.endpointDelaySeconds) $sleep) }}
{{- end }}
{{- end }}

{{/* Kubernetes refuses a request over its limit, and says so only once the pods are to be made. */}}
{{- define "ai-agent.guardResources" -}}
{{- range $path, $own := merge (dict "resources" dict) (include "ai-agent.scheduleResources" . | fromYaml) }}
{{- $resources := include "ai-agent.resources" (dict "root" $ "own" $own) | fromYaml }}
{{- range $name, $request := $resources.requests }}
{{- $limit := get ($resources.limits | default dict) $name }}
{{- if and $limit (gt (include "ai-agent.quantity" $request | float64) (include "ai-agent.quantity" $limit | float64)) }}
{{- fail (printf "%s would request %v of %s and allow %v, which Kubernetes refuses: agent.type %s fills in what is not set. Set %s.limits.%s to %v or more." $path $request $name $limit $.Values.agent.type $path $name $request) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.scheduleResources" -}}
{{- range $name, $schedule := .Values.schedules }}
schedules.{{ $name }}.resources: {{ $schedule.resources | default dict | toJson }}
{{- end }}
{{- end }}

{{/* Seconds in a duration such as 5m30s; 0s means no limit. */}}
{{- define "ai-agent.seconds" -}}
{{- $total := 0.0 }}
{{- range regexFindAll "[0-9]+(us|ms|d|h|m|s)" . -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $count := trimSuffix $unit . | float64 }}
{{- $total = addf $total (mulf $count (get (dict "d" 86400 "h" 3600 "m" 60 "s" 1 "ms" 1e-3 "us" 1e-6) $unit)) }}
{{- end }}
{{- int64 $total }}
{{- end }}

{{/*
Seconds that an annotation of an ingress controller waits, or nothing where it says no such thing:
(dict "name" NAME "value" VALUE). A list of ALB attributes replaces the chart's, and without one of
its own the ALB waits 60 s.
*/}}
{{- define "ai-agent.annotationSeconds" -}}
{{- if regexMatch "^nginx.ingress.kubernetes.io/proxy-(read|send)-timeout$" .name }}
{{- int .value }}
{{- else if hasSuffix "/timeout-server" .name }}
{{- regexMatch "^[0-9]+$" .value | ternary (div (int .value) 1000) (include "ai-agent.seconds" .value) }}
{{- else if eq .name "alb.ingress.kubernetes.io/load-balancer-attributes" }}
{{- regexFind "idle_timeout.timeout_seconds=[0-9]+" .value | trimPrefix "idle_timeout.timeout_seconds=" | default "60" }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardTimeouts" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- range $name, $value := .Values.ingress.annotations }}
{{- $seconds := include "ai-agent.annotationSeconds" (dict "name" $name "value" $value) }}
{{- if and $seconds (lt (int $seconds) $run) }}
{{- fail (printf "ingress.annotations %s %s would cut a run of agent.maxRunSeconds %d. Set it to at least %d seconds, or leave it out: the chart derives it." $name $value $run $run) }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.httpRoute.timeouts }}
{{- $seconds := include "ai-agent.seconds" $value | int }}
{{- if and (ne $value "0s") (lt $seconds $run) }}
{{- fail (printf "httpRoute.timeouts.%s %s would cut a run of agent.maxRunSeconds %d. Set it to at least %ds, or leave it out: the chart derives it." $name $value $run $run) }}
{{- end }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- $window := dig "scaleDown" "stabilizationWindowSeconds" "" .Values.autoscaling.behavior }}
{{- $needed := include "ai-agent.scaleDownSeconds" . | int }}
{{- if and (ne (toString $window) "") (lt (int $window) $needed) }}
{{- fail (printf "autoscaling.behavior.scaleDown.stabilizationWindowSeconds %d is shorter than a run (agent.maxRunSeconds %d, at least 300): pods would go and come with every lull. Set it to at least %d, or leave it out." (int $window) $run $needed) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardAutoscaling" -}}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas %d is more than autoscaling.maxReplicas %d. Set minReplicas to at most %d or raise maxReplicas." (int .minReplicas) (int .maxReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage .metrics) }}
{{- fail "autoscaling has no metric, so nothing would ever scale. Set autoscaling.targetCPUUtilizationPercentage (the seed: 70), autoscaling.metrics, or autoscaling.enabled to false." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A budget that no eviction can ever satisfy hangs every drain, and with it every node's upgrade. */}}
{{- define "ai-agent.guardDisruption" -}}
{{- $count := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas .Values.replicaCount }}
{{- $pods := int $count }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (ne (toString $count) "0") }}
{{- $min := toString .minAvailable }}
{{- $max := toString .maxUnavailable }}
{{- $hasMin := not (kindIs "invalid" .minAvailable) }}
{{- $hasMax := not (kindIs "invalid" .maxUnavailable) }}
{{- if not (or $hasMin $hasMax) }}
{{- fail "podDisruptionBudget has neither minAvailable nor maxUnavailable. Set minAvailable to 1, or podDisruptionBudget.enabled to false." }}
{{- end }}
{{- if and $hasMax (has $max (list "0" "0%")) }}
{{- fail (printf "podDisruptionBudget.maxUnavailable %s would block every drain: no pod could ever be evicted. Set it to 1." $max) }}
{{- end }}
{{- /* Kubernetes rounds a share of the pods up; a number of pods that is not known here is not judged. */}}
{{- $share := hasSuffix "%" $min | ternary (mulf (trimSuffix "%" $min | float64) $pods 0.01 | ceil | int) (int $min) }}
{{- if and $hasMin (not $hasMax) (not (kindIs "invalid" $count)) (ge $share $pods) }}
{{- fail (printf "podDisruptionBudget.minAvailable %s would block every drain: the release keeps %d pods at least. Set it below %d, run more pods, or set podDisruptionBudget.enabled to false." $min $pods $pods) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardConfig" -}}
{{- if hasKey .Values.config "MAX_RUN_SECONDS" }}
{{- fail "config.MAX_RUN_SECONDS is derived, so that the agent and all around it mean the same. Set agent.maxRunSeconds." }}
{{- end }}
{{- range .Values.env }}
{{- if eq .name "MAX_RUN_SECONDS" }}
{{- fail "env has MAX_RUN_SECONDS, which is derived, so that the agent and all around it mean the same. Set agent.maxRunSeconds." }}
{{- end }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- range $name := list "REDIS_URL" "DATABASE_URL" "OPENAI_BASE_URL" }}
{{- include "ai-agent.guardURL" (dict "name" $name "url" (get $.Values.config $name | default "")) }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{- $text := toString $value }}
{{- $named := and (regexMatch "(?i)(^|_)(KEY|TOKEN|SECRET|PASS|PASSWORD|PASSWD|CREDENTIALS?)$" $name) $text }}
{{- $shaped := regexMatch "(^(sk|lsv2|gh[opsu]|github_pat|glpat|hf|xox[abp])[-_])|(^(AKIA|AIza)[0-9A-Za-z])|(://[^/@:]*:[^/@]+@)|([?&](password|token|key)=)|(-----BEGIN )" $text }}
{{- if or $named $shaped }}
{{- fail (printf "config.%s looks like a credential, and a ConfigMap is no place for one: whoever may read the namespace reads it. Move it to a Secret and name that in secret.existingSecret; for a URL, leave the password out and set DATABASE_PASSWORD there. What is none goes into env." $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The NetworkPolicy must know where a URL leads. */}}
{{- define "ai-agent.guardURL" -}}
{{- $url := include "ai-agent.url" .url | fromYaml }}
{{- $clear := or (not .url) $url.scheme }}
{{- range $server := $url.servers }}
{{- $clear = and $clear (regexMatch "^[0-9]+$" $server.port) (regexMatch "^([a-z0-9._-]+|[0-9a-f:.]+)$" $server.host) }}
{{- end }}
{{- if not $clear }}
{{- fail (printf "config.%s %q does not tell the NetworkPolicy where it leads. Write it as scheme://host:port, or leave it out there, set it in env and name its address in networkPolicy.extraEgress." .name .url) }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardSecret" -}}
{{- $sources := include "ai-agent.secretSources" . | splitList " " }}
{{- if gt (len $sources) 1 }}
{{- fail (printf "secret has more than one source: %s. The agent reads one Secret. Keep one of them." (join ", " $sources)) }}
{{- end }}
{{- if and (first $sources) (compact (values .Values.secret.stringData)) }}
{{- fail (printf "secret.stringData would be lost: the agent reads %s. Move its values there, or leave the other source out." (first $sources)) }}
{{- end }}
{{- with .Values.secret.externalSecret }}
{{- if and .enabled (not (get .secretStoreRef "name")) }}
{{- fail "secret.externalSecret has no store to read from. Set secret.externalSecret.secretStoreRef.name and .kind (SecretStore or ClusterSecretStore)." }}
{{- end }}
{{- if and .enabled (not (or .data .dataFrom)) }}
{{- fail "secret.externalSecret reads nothing: the Secret would be empty. Set secret.externalSecret.data or .dataFrom." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardTraffic" -}}
{{- with .Values }}
{{- $request := .httpRoute.timeouts.request }}
{{- $backend := .httpRoute.timeouts.backendRequest }}
{{- if and $request $backend (ne $request "0s") (gt (include "ai-agent.seconds" $backend | int) (include "ai-agent.seconds" $request | int)) }}
{{- fail (printf "httpRoute.timeouts.backendRequest %s is longer than request %s, which the Gateway API refuses. Set request to %s or more." $backend $request $backend) }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- fail "httpRoute has no gateway to attach to. Set httpRoute.parentRefs, for example to a list with name: my-gateway." }}
{{- end }}
{{- $outside := "" }}
{{- if has (include "ai-agent.ingressController" $) (list "alb" "gce") }}{{ $outside = printf "the load balancer of ingress.className %s" .ingress.className }}{{ end }}
{{- if ne .service.type "ClusterIP" }}{{ $outside = printf "service.type %s" .service.type }}{{ end }}
{{- $named := toJson (list .networkPolicy.ingress.from .networkPolicy.extraIngress) | contains "ipBlock" }}
{{- if and .networkPolicy.enabled $outside (not $named) }}
{{- fail (printf "%s brings clients from outside of the cluster, and networkPolicy.ingress.from names pods only: they would be dropped. Add an ipBlock with their range to networkPolicy.ingress.from." $outside) }}
{{- end }}
{{- if and .secret.mountPath (eq .secret.mountPath "/tmp") }}
{{- fail "secret.mountPath is /tmp, where the writable volume lies. Set it to a path of its own such as /var/run/secrets/ai-agent." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardSchedules" -}}
{{- range $name, $schedule := .Values.schedules }}
{{- $full := include "ai-agent.scheduleName" (dict "root" $ "name" $name) }}
{{- if gt (len $full) 52 }}
{{- fail (printf "schedules.%s makes the CronJob %s, which has %d characters: Kubernetes allows 52. Shorten the name by %d, or set fullnameOverride." $name $full (len $full) (sub (len $full) 52)) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "schedules.%s is no name for a CronJob. Use lower-case letters, digits and dashes." $name) }}
{{- end }}
{{- $deadline := int $schedule.activeDeadlineSeconds }}
{{- $needed := include "ai-agent.neededJobSeconds" $ | int }}
{{- if and $deadline (lt $deadline $needed) }}
{{- fail (printf "schedules.%s.activeDeadlineSeconds %d would cut a run of agent.maxRunSeconds %d, which also needs a place and its image. Set it to at least %d, or leave it out: the chart derives it." $name $deadline (int $.Values.agent.maxRunSeconds) $needed) }}
{{- end }}
{{- if eq ($schedule.concurrencyPolicy | default "") "Replace" }}
{{- fail (printf "schedules.%s.concurrencyPolicy Replace would cut a run that still goes on when the next one is due. Set it to Forbid or Allow." $name) }}
{{- end }}
{{- if regexMatch "(^|\\s)(CRON_)?TZ=" $schedule.schedule }}
{{- fail (printf "schedules.%s.schedule %q names a time zone, which Kubernetes refuses there. Set schedules.%s.timeZone." $name $schedule.schedule $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardMonitoring" -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor are both enabled: every number would be read twice. Set one of them to false." }}
{{- end }}
{{- end }}
