{{/*
What the schema cannot say: rules between values. Each message tells what is wrong, why, and what
to set. guards.yaml calls them all and renders nothing.
*/}}

{{- define "ai-agent.guards" -}}
{{- include "ai-agent.guardImage" . }}
{{- include "ai-agent.guardGrace" . }}
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

{{/* Seconds in a duration of the Gateway API such as 5m30s; 0s means no limit. */}}
{{- define "ai-agent.seconds" -}}
{{- $total := 0 }}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $count := trimSuffix $unit . | int }}
{{- $total = add $total (mul $count (get (dict "h" 3600 "m" 60 "s" 1 "ms" 0) $unit)) }}
{{- end }}
{{- $total }}
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
{{- $pods := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas .Values.replicaCount | int }}
{{- with .Values.podDisruptionBudget }}
{{- if .enabled }}
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
{{- if and $hasMin (not $hasMax) (or (eq $min "100%") (and (not (hasSuffix "%" $min)) (ge (int $min) $pods))) }}
{{- fail (printf "podDisruptionBudget.minAvailable %s would block every drain: the release keeps %d pods at least. Set it below %d, run more pods, or set podDisruptionBudget.enabled to false." $min $pods $pods) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardConfig" -}}
{{- range $name, $value := .Values.config }}
{{- $text := toString $value }}
{{- $named := and (regexMatch "(?i)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$" $name) $text }}
{{- $shaped := regexMatch "(^(sk|lsv2|ghp|xox[abp])[-_])|(://[^/@:]*:[^/@]+@)|(-----BEGIN )" $text }}
{{- if or $named $shaped }}
{{- fail (printf "config.%s looks like a credential, and a ConfigMap is no place for one: whoever may read the namespace reads it. Move it to a Secret and name that in secret.existingSecret; for a URL, leave the password out and set DATABASE_PASSWORD there." $name) }}
{{- end }}
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
{{- if and $deadline (lt $deadline (int $.Values.agent.maxRunSeconds)) }}
{{- fail (printf "schedules.%s.activeDeadlineSeconds %d would cut a run of agent.maxRunSeconds %d. Set it to at least %s, or leave it out: the chart derives it." $name $deadline (int $.Values.agent.maxRunSeconds) (include "ai-agent.jobSeconds" $)) }}
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
