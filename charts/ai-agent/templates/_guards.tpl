{{/*
What the schema cannot say: rules between values. Each message tells what is wrong, why, and what
to set. guards.yaml calls them all and renders nothing.
*/}}

{{- define "ai-agent.guards" -}}
{{- include "ai-agent.guardImage" . }}
{{- include "ai-agent.guardGrace" . }}
{{- include "ai-agent.guardResources" . }}
{{- include "ai-agent.guardTimeouts" . }}
{{- include "ai-agent.guardRollout" . }}
{{- include "ai-agent.guardAutoscaling" . }}
{{- include "ai-agent.guardDisruption" . }}
{{- include "ai-agent.guardConfig" . }}
{{- include "ai-agent.guardSecret" . }}
{{- include "ai-agent.guardTraffic" . }}
{{- include "ai-agent.guardSchedules" . }}
{{- include "ai-agent.guardMonitoring" . }}
{{- end }}

{{- define "ai-agent.guardImage" -}}
{{- if hasSuffix ":latest" (toString .Values.helmTest.image) }}
{{- fail "helmTest.image is latest: what it tests with would change without a release. Set its tag to a version." }}
{{- end }}
{{- with .Values.image }}
{{- if and (eq (toString .tag) "latest") (not .digest) }}
{{- fail "image.tag is latest: what runs would change without a release and no rollback could bring it back. Set image.tag to a version or image.digest to a digest." }}
{{- end }}
{{- if regexMatch "[:@][^/]*$" .repository }}
{{- fail (printf "image.repository %q carries a tag or digest: it would be written twice. Set image.repository to the part before it, and image.tag or image.digest to the rest." .repository) }}
{{- end }}
{{- if not (or .tag .digest (eq .repository $.Chart.Name)) }}
{{- fail (printf "image.tag is empty, and %s is only the version of the sample agent: which one of image.repository %q is meant? Set image.tag or image.digest." $.Chart.AppVersion .repository) }}
{{- end }}
{{- end }}
{{- range $list := list "initContainers" "extraContainers" }}
{{- range index $.Values $list }}
{{- if not (regexMatch "(:[^/:]+|@sha256:[0-9a-f]{64})$" (.image | default "")) }}
{{- fail (printf "%s has %q of the image %q without a tag: which version runs would change without a release. Set its tag to a version." $list .name (.image | default "")) }}
{{- end }}
{{- if hasSuffix ":latest" .image }}
{{- fail (printf "%s has %q of an image that is latest: what runs would change without a release. Set its tag to a version." $list .name) }}
{{- end }}
{{- if eq .name "agent" }}
{{- fail (printf "%s has a container called agent, which is the chart's own name for the agent. Give it another name." $list) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardGrace" -}}
{{- $needed := include "ai-agent.neededGraceSeconds" . | int }}
{{- $grace := include "ai-agent.terminationGracePeriodSeconds" . | int }}
{{- if lt $grace $needed }}
{{- fail (printf "terminationGracePeriodSeconds %d would cut a run: with agent.maxRunSeconds %d it takes %d (%d until proxies know, the run, %s to close). Set terminationGracePeriodSeconds to %d or null, or agent.maxRunSeconds to less." $grace (int .Values.agent.maxRunSeconds) $needed (int .Values.agent.endpointDelaySeconds) (include "ai-agent.closeSeconds" .) $needed) }}
{{- end }}
{{- if .Values.lifecycle }}
{{- include "ai-agent.guardPreStop" . }}
{{- end }}
{{- end }}

{{/* A hook of the user's runs inside the grace period: it may take the endpoint delay, and nothing of a run. */}}
{{- define "ai-agent.guardPreStop" -}}
{{- $hook := dig "preStop" dict .Values.lifecycle }}
{{- if ne (len $hook) 1 }}
{{- fail (printf "lifecycle has %s preStop handler: a pod that closes at once refuses what proxies still send it, and Kubernetes takes one handler only. Set lifecycle.preStop.sleep.seconds to %d and no other." (empty $hook | ternary "no" "more than one") (int .Values.agent.endpointDelaySeconds)) }}
{{- end }}
{{- $command := dig "exec" "command" list $hook | join " " }}
{{- $sleep := dig "sleep" "seconds" (regexFind "sleep [0-9]+" $command | trimPrefix "sleep ") $hook }}
{{- $known := or (hasKey $hook "sleep") (ne (toString $sleep) "") }}
{{- $sleep = int $sleep }}
{{- if and $known (lt $sleep (int .Values.agent.endpointDelaySeconds)) }}
{{- fail (printf "lifecycle.preStop sleeps %d s, which is less than agent.endpointDelaySeconds %d: the pod would close before every proxy knows. Set both to the same number." $sleep (int .Values.agent.endpointDelaySeconds)) }}
{{- end }}
{{- if gt $sleep (int .Values.agent.endpointDelaySeconds) }}
{{- fail (printf "lifecycle.preStop sleeps %d s and takes its time from the run's: the grace period counts on agent.endpointDelaySeconds %d. Set agent.endpointDelaySeconds to %d." $sleep (int .Values.agent.endpointDelaySeconds) $sleep) }}
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
schedules.{{ $name }}.resources: {{ dig "resources" dict ($schedule | default dict) | toJson }}
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
Seconds that an annotation of an ingress controller or load balancer waits, or nothing where it says
no such thing: (dict "name" NAME "value" VALUE). A list of ALB attributes replaces the chart's, and
without one of its own the ALB waits 60 s and drains for 300 s.
*/}}
{{- define "ai-agent.annotationSeconds" -}}
{{- if regexMatch "^nginx.ingress.kubernetes.io/proxy-(read|send)-timeout$|aws-load-balancer-connection-idle-timeout$" .name }}
{{- int .value }}
{{- else if regexMatch "^nginx.org/proxy-(read|send)-timeout$|^haproxy.router.openshift.io/timeout(-tunnel)?$" .name }}
{{- include "ai-agent.seconds" .value }}
{{- else if and (hasSuffix "-snippet" .name) (regexMatch "proxy_(read|send)_timeout" .value) }}
{{- regexFind "proxy_(read|send)_timeout +[0-9a-z]+" .value | regexFind "[0-9]+[a-z]*$" | include "ai-agent.seconds" }}
{{- else if hasSuffix "/timeout-server" .name }}
{{- regexMatch "^[0-9]+$" .value | ternary (div (int .value) 1000) (include "ai-agent.seconds" .value) }}
{{- else if eq .name "alb.ingress.kubernetes.io/load-balancer-attributes" }}
{{- regexFind "idle_timeout.timeout_seconds=[0-9]+" .value | trimPrefix "idle_timeout.timeout_seconds=" | default "60" }}
{{- else if eq .name "alb.ingress.kubernetes.io/target-group-attributes" }}
{{- regexFind "deregistration_delay.timeout_seconds=[0-9]+" .value | trimPrefix "deregistration_delay.timeout_seconds=" | default "300" }}
{{- end }}
{{- end }}

{{/* The longest that an ALB takes, which heartbeats and checkpoints must make up for. */}}
{{- define "ai-agent.annotationLimit" -}}
{{- get (dict "alb.ingress.kubernetes.io/load-balancer-attributes" 4000 "alb.ingress.kubernetes.io/target-group-attributes" 3600) . | default 86400 }}
{{- end }}

{{- define "ai-agent.guardTimeouts" -}}
{{- $run := int .Values.agent.maxRunSeconds }}
{{- range $path := list "ingress" "service" }}
{{- range $name, $value := index $.Values $path "annotations" }}
{{- $needed := include "ai-agent.annotationLimit" $name | int | min $run }}
{{- $seconds := include "ai-agent.annotationSeconds" (dict "name" $name "value" (toString $value)) }}
{{- if and $value $seconds (lt (int $seconds) $needed) }}
{{- fail (printf "%s.annotations %s %s would cut a run of agent.maxRunSeconds %d. Set it to %d seconds or more in the form that the controller reads, or leave it out: the chart derives what it can." $path $name $value $run $needed) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.httpRoute.timeouts }}
{{- $seconds := include "ai-agent.seconds" $value | int }}
{{- if and $seconds (lt $seconds $run) }}
{{- fail (printf "httpRoute.timeouts.%s %s would cut a run of agent.maxRunSeconds %d. Set it to at least %ds, or leave it out: the chart derives it." $name $value $run $run) }}
{{- end }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- $down := .Values.autoscaling.behavior.scaleDown | default dict }}
{{- $window := get $down "stabilizationWindowSeconds" }}
{{- if gt (int $window) 3600 }}
{{- fail (printf "autoscaling.behavior.scaleDown.stabilizationWindowSeconds %d is more than Kubernetes takes. Set it to 3600, or leave it out." (int $window)) }}
{{- end }}
{{- if and (hasKey $down "policies") (not $down.policies) }}
{{- fail "autoscaling.behavior.scaleDown.policies is empty: nothing would say how many pods may go at once. Leave it out, or set one such as {type: Pods, value: 1, periodSeconds: 120}." }}
{{- end }}
{{- $needed := include "ai-agent.scaleDownSeconds" . | int }}
{{- if and (ne (toString $window) "") (lt (int $window) $needed) }}
{{- fail (printf "autoscaling.behavior.scaleDown.stabilizationWindowSeconds %d is shorter than a run (agent.maxRunSeconds %d, at least 300): pods would go and come with every lull. Set it to at least %d, or leave it out." (int $window) $run $needed) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardRollout" -}}
{{- if not (has .Values.strategy.type (list "RollingUpdate" "Recreate")) }}
{{- fail (printf "strategy.type %v is none that Kubernetes knows. Set it to RollingUpdate." .Values.strategy.type) }}
{{- end }}
{{- $rolling := .Values.strategy.rollingUpdate | default dict }}
{{- $still := true }}
{{- range $field := list "maxUnavailable" "maxSurge" }}
{{- $still = and $still (hasKey $rolling $field) (eq (get $rolling $field | toString | trimSuffix "%" | int) 0) }}
{{- end }}
{{- if $still }}
{{- fail "strategy.rollingUpdate lets no pod go and none come: no rollout could ever move. Set strategy.rollingUpdate.maxSurge to 1." }}
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
{{- if and $hasMax (eq (trimSuffix "%" $max | int) 0) }}
{{- fail (printf "podDisruptionBudget.maxUnavailable %s would block every drain: no pod could ever be evicted. Set it to 1." $max) }}
{{- end }}
{{- /* Kubernetes rounds a share of the pods up; a number of pods that is not known here is not judged. */}}
{{- if and $hasMin (not $hasMax) (hasSuffix "%" $min) (ge (trimSuffix "%" $min | int) 100) }}
{{- fail (printf "podDisruptionBudget.minAvailable %s would block every drain, however many pods there are. Set it to a smaller share." $min) }}
{{- end }}
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
{{- range $path, $keys := dict "secret.stringData" .Values.secret.stringData "secret.sealedSecret.encryptedData" .Values.secret.sealedSecret.encryptedData }}
{{- if hasKey ($keys | default dict) "MAX_RUN_SECONDS" }}
{{- fail (printf "%s has MAX_RUN_SECONDS, which is derived, so that the agent and all around it mean the same. Set agent.maxRunSeconds." $path) }}
{{- end }}
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
{{- $named := and (regexMatch "(?i)(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASS|PASSWORD|PASSWD|PWD|CREDENTIALS?)$" $name) $text }}
{{- $prefixed := "^(sk-[a-z0-9]+-|sk-[A-Za-z0-9]{16}|sk_(live|test)_|gsk_|lsv2_|gh[opsu]_|github_pat_|glpat-|hf_[A-Za-z0-9]{8}|xox[abp]-|(AKIA|AIza)[0-9A-Za-z]|eyJ[A-Za-z0-9_-]{10})" }}
{{- $within := "://[^/@:]*:[^/@]+@|[?&](password|token|key)=|AccountKey=|Bearer |hooks[.]slack[.]com/services/|-----BEGIN " }}
{{- $shaped := or (regexMatch $prefixed $text) (regexMatch $within $text) }}
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
{{- $generated := and .dataFrom (not .data) (not (include "ai-agent.readsStore" .)) }}
{{- if and .enabled (not (get (.secretStoreRef | default dict) "name")) (not $generated) }}
{{- fail "secret.externalSecret has no store to read from. Set secret.externalSecret.secretStoreRef.name and .kind (SecretStore or ClusterSecretStore)." }}
{{- end }}
{{- if and .enabled (not (or .data .dataFrom)) }}
{{- fail "secret.externalSecret reads nothing: the Secret would be empty. Set secret.externalSecret.data or .dataFrom." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardTraffic" -}}
{{- with .Values }}
{{- $timeouts := .httpRoute.timeouts | default dict }}
{{- $request := $timeouts.request }}
{{- $backend := $timeouts.backendRequest }}
{{- if and $request $backend (include "ai-agent.seconds" $request | int) (gt (include "ai-agent.seconds" $backend | int) (include "ai-agent.seconds" $request | int)) }}
{{- fail (printf "httpRoute.timeouts.backendRequest %s is longer than request %s, which the Gateway API refuses. Set request to %s or more." $backend $request $backend) }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- fail "httpRoute has no gateway to attach to. Set httpRoute.parentRefs, for example to a list with name: my-gateway." }}
{{- end }}
{{- $outside := "" }}
{{- if has (include "ai-agent.ingressController" $) (list "alb" "gce") }}{{ $outside = printf "a load balancer of the controller %s" (include "ai-agent.ingressController" $) }}{{ end }}
{{- if ne .service.type "ClusterIP" }}{{ $outside = printf "service.type %s" .service.type }}{{ end }}
{{- $named := toJson (list .networkPolicy.ingress.from .networkPolicy.extraIngress) | contains "ipBlock" }}
{{- if and .networkPolicy.enabled $outside (not $named) }}
{{- fail (printf "%s brings clients from outside of the cluster, and networkPolicy.ingress.from names pods only: they would be dropped. Add an ipBlock with their range to networkPolicy.ingress.from." $outside) }}
{{- end }}
{{- if and .secret.mountPath (has (clean .secret.mountPath) (list "/" "/tmp")) }}
{{- fail (printf "secret.mountPath is %s, where something else lies. Set it to a path of its own such as /var/run/secrets/ai-agent." .secret.mountPath) }}
{{- end }}
{{- if and (has "secrets" (include "ai-agent.volumeNames" $ | splitList " ")) (include "ai-agent.secretVolumes" $) }}
{{- fail "volumes has one called secrets, which is the chart's own name for the agent's. Give it another name." }}
{{- end }}
{{- $annotated := get (.ingress.annotations | default dict) "kubernetes.io/ingress.class" }}
{{- if and $annotated .ingress.className (ne $annotated .ingress.className) }}
{{- fail (printf "ingress.className %s and the annotation kubernetes.io/ingress.class %s name two controllers, and Kubernetes refuses that. Leave the annotation out." .ingress.className $annotated) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardSchedules" -}}
{{- range $name, $schedule := .Values.schedules }}
{{- if $schedule }}
{{- $full := include "ai-agent.scheduleName" (dict "root" $ "name" $name) }}
{{- if gt (len $full) 52 }}
{{- fail (printf "schedules.%s makes the CronJob %s, which has %d characters: Kubernetes allows 52. Shorten the name by %d, or set fullnameOverride." $name $full (len $full) (sub (len $full) 52)) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "schedules.%s is no name for a CronJob. Use lower-case letters, digits and dashes." $name) }}
{{- end }}
{{- $deadline := int $schedule.activeDeadlineSeconds }}
{{- $needed := include "ai-agent.neededJobSeconds" (dict "root" $ "schedule" $schedule) | int }}
{{- if and $deadline (lt $deadline $needed) }}
{{- fail (printf "schedules.%s.activeDeadlineSeconds %d would cut a run of agent.maxRunSeconds %d: with a backoffLimit of %d the Job may need %d, a place and the image for each run among it. Set it to at least %d, or leave it out: the chart derives it." $name $deadline (int $.Values.agent.maxRunSeconds) (int $schedule.backoffLimit) $needed $needed) }}
{{- end }}
{{- if eq ($schedule.concurrencyPolicy | default "") "Replace" }}
{{- fail (printf "schedules.%s.concurrencyPolicy Replace would cut a run that still goes on when the next one is due. Set it to Forbid or Allow." $name) }}
{{- end }}
{{- if regexMatch "(^|\\s)(CRON_)?TZ=" $schedule.schedule }}
{{- fail (printf "schedules.%s.schedule %q names a time zone, which Kubernetes refuses there. Set schedules.%s.timeZone." $name $schedule.schedule $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.guardMonitoring" -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor are both enabled: every number would be read twice. Set one of them to false." }}
{{- end }}
{{- end }}
