{{/*
The rules that a schema cannot express, because they compare values. Each rule ID has one named template,
ai-agent.rule.ID, which returns nothing or a YAML list of findings: path, problem, fix. gate.yaml fails a render with all errors at once,
NOTES.txt prints the warnings, and `make validate` reads both as data.
*/}}

{{/*
Every rule: its severity, what it asks for, and whether validation.skip may name it: rules about best practices, and about settings
outside the chart. Rules about what Kubernetes refuses or what interrupts a run cannot be skipped. Those about a Deployment (workload)
apply to each worker too, those about the environment to each schedule and job.
*/}}
{{- define "ai-agent.rules" -}}
# Names
object-name-invalid: {severity: error, title: the names of objects must be valid}
object-name-taken: {severity: error, title: two agents of one release must not share a name}
# Image
image-repository-tag: {severity: error, title: image.repository must not contain a tag or digest}
image-tag-latest: {severity: error, skippable: true, title: image.tag must be a fixed version}
image-tag-missing: {severity: error, title: your own image must have a tag or a digest}
sidecar-image-tag: {severity: error, skippable: true, title: the image of every additional container must have a fixed version}
container-name-agent: {severity: error, title: no additional container may be called agent}
helm-test-image-latest: {severity: error, skippable: true, title: helmTest.image must be a fixed version}
helm-test-without-conform: {severity: error, title: helmTest.protocol requires an image that has agent conform}
# Timing
grace-period-too-short: {severity: error, title: "the grace period must cover endpoint removal, the longest run and the shutdown"}
prestop-handler: {severity: error, workload: true, title: lifecycle must have exactly one preStop handler}
prestop-too-short: {severity: error, workload: true, title: the preStop hook must wait for endpoint removal}
prestop-too-long: {severity: error, workload: true, title: the preStop hook must not exceed agent.endpointDelaySeconds}
prestop-unknown: {severity: warning, workload: true, title: the duration of the preStop hook should be known}
sidecar-ends-first: {severity: warning, skippable: true, title: no additional container should end before the runs}
run-exceeds-node-drain: {severity: warning, title: the longest run should fit the time that the Cluster Autoscaler waits}
calls-longer-agent: {severity: warning, skippable: true, title: the budget of an agent should cover those of the agents that it calls}
# Server
server-drain-too-short: {severity: error, workload: true, skippable: true, title: the shutdown timeout must cover the longest run}
server-drain-unset: {severity: error, workload: true, skippable: true, title: the shutdown timeout must be set}
shell-without-exec: {severity: error, workload: true, skippable: true, title: a shell must forward SIGTERM to the server}
package-manager-starts-server: {severity: error, workload: true, skippable: true, title: no package manager may start the server}
drain-incomplete: {severity: error, workload: true, title: drain.until must be complete and the only preStop hook}
sessions-spread: {severity: error, skippable: true, title: requests of a session must reach the pod that has it}
# Ports
port-conflict: {severity: error, workload: true, title: the ports of the agent must differ}
service-port-conflict: {severity: error, title: the ports of the Service must differ}
service-port-unknown: {severity: error, title: every port of the Service must be one of the agent}
# Probes
liveness-too-eager: {severity: error, workload: true, title: the liveness probe must not restart an agent that is slow for a moment}
liveness-timeout-short: {severity: warning, workload: true, title: the liveness probe should wait longer than 1 s for an answer}
liveness-checks-dependencies: {severity: error, workload: true, title: liveness must not request the endpoint of the readiness probe}
liveness-may-check-dependencies: {severity: warning, workload: true, title: the liveness probe should not depend on another server}
startup-checks-dependencies: {severity: warning, workload: true, title: the startup probe should not depend on another server}
probe-without-handler: {severity: error, workload: true, title: every probe must have a handler}
probe-port-unknown: {severity: error, workload: true, title: every probe must use a port of the agent}
probe-port-undeclared: {severity: warning, workload: true, skippable: true, title: every probe should use a port that a container declares}
# Resources
request-exceeds-limit: {severity: error, workload: true, title: no resource request may exceed its limit}
tmp-size: {severity: error, workload: true, title: /tmp must have a size that an agent can use}
volume-size: {severity: error, title: the sizeLimit of a volume must be a size}
memory-volume-exceeds-limit: {severity: error, workload: true, title: a volume in memory must be smaller than the memory limit}
# Volumes
claim-incomplete: {severity: error, workload: true, title: every volume in persistence must have a mountPath and one complete claim}
claim-name-taken: {severity: error, title: no two claims may have the same name}
claim-of-one-node: {severity: error, skippable: true, title: only one pod may mount a claim that is limited to one node}
claim-access-unknown: {severity: warning, skippable: true, title: the access modes of a claim that several pods mount should be known}
config-files-too-large: {severity: error, title: configFiles must fit a ConfigMap}
mount-path-taken: {severity: error, workload: true, title: every mount must have a path of its own}
stateful-name-too-long: {severity: error, workload: true, title: the name of a StatefulSet must have at most 52 characters}
volume-name-taken: {severity: error, workload: true, title: every volume must have a name of its own}
# Traffic
ingress-without-hosts: {severity: error, title: true for ingress.enabled requires hosts}
ingress-class-conflict: {severity: error, title: class name and class annotation of the Ingress must match}
ingress-controller-unknown: {severity: warning, skippable: true, title: the timeouts of the ingress controller should be set}
timeout-annotation-too-short: {severity: error, title: every timeout in an annotation must cover the longest run}
route-without-gateway: {severity: error, title: an HTTPRoute must name a gateway}
route-timeout-too-short: {severity: error, title: the timeouts of the HTTPRoute must cover the longest run}
route-timeout-order: {severity: error, title: backendRequest must not exceed request}
service-field-conflict: {severity: error, title: the fields of the Service must fit its type}
service-required: {severity: error, title: "an Ingress, a route and a monitor of the Service need the Service"}
client-address-hidden: {severity: warning, title: the Service should keep the address of clients that the NetworkPolicy names}
clients-blocked-by-policy: {severity: error, title: the NetworkPolicy must admit clients from outside the cluster}
alb-idle-limit: {severity: warning, title: the longest run should fit the idle timeout of an ALB}
gke-backend-config: {severity: warning, skippable: true, title: your own BackendConfig should cover the longest run}
haproxy-reload: {severity: warning, skippable: true, title: a reload of HAProxy should not interrupt runs}
load-balancer-drain-limit: {severity: warning, title: the longest run should fit the drain time of the load balancer}
nginx-reload: {severity: warning, skippable: true, title: a reload of ingress-nginx should not interrupt runs}
traefik-grace: {severity: warning, skippable: true, title: a rollout of Traefik should not interrupt runs}
# Network policy
url-unreadable: {severity: error, workload: true, env: true, title: the URLs of servers must name host and port for the NetworkPolicy}
url-unknown: {severity: warning, workload: true, env: true, skippable: true, title: the policy should allow servers outside the values}
url-overridden: {severity: info, skippable: true, title: a Secret that sets URLs needs rules in the NetworkPolicy}
public-name-private-address: {severity: warning, skippable: true, title: the NetworkPolicy should allow the private address of a database}
egress-url-unreadable: {severity: error, title: networkPolicy.egress.urls must name host and port}
kubernetes-api-blocked: {severity: warning, skippable: true, title: the NetworkPolicy should allow the API server to an agent with a token}
kubernetes-api-open: {severity: warning, skippable: true, title: the NetworkPolicy should name the address of the API server}
cloud-identity-blocked: {severity: warning, skippable: true, title: the NetworkPolicy should allow the cloud's source of credentials}
egress-unrestricted: {severity: warning, skippable: true, title: no rule for outgoing traffic should allow everything}
ingress-unrestricted: {severity: warning, skippable: true, title: no rule for incoming traffic should undo the others}
# Rollout and scaling
strategy-type: {severity: error, workload: true, title: strategy.type must be valid}
rollout-stuck: {severity: error, workload: true, title: a rollout must be able to make progress}
progress-deadline-too-short: {severity: error, workload: true, title: a rollout that only waits must not count as failed}
rollout-reduces-capacity: {severity: warning, workload: true, title: a rollout should keep every pod until its replacement is Ready}
replica-range: {severity: error, workload: true, title: minReplicas must not exceed maxReplicas}
autoscaler-twice: {severity: error, workload: true, title: only one autoscaler may own the number of pods}
replica-count-with-autoscaler: {severity: warning, workload: true, title: replicaCount should be null with an autoscaler of your own}
scale-to-zero-unsupported: {severity: error, workload: true, title: minReplicas 0 needs Kubernetes 1.37 and a metric without pods}
metric-target-value: {severity: warning, workload: true, title: no metric should have a target of type Value}
disruption-budget-of-few-pods: {severity: warning, workload: true, title: the PodDisruptionBudget should allow an eviction of the last pods}
autoscaler-without-metric: {severity: error, workload: true, title: the autoscaler must have a metric}
scale-down-policies-empty: {severity: error, workload: true, title: the autoscaler must have a policy for scaling down}
scale-down-window-too-long: {severity: error, workload: true, title: the scale-down window must be at most 3600 s}
scale-down-window-too-short: {severity: error, workload: true, title: the scale-down window must cover the longest run}
# Disruption
disruption-budget-empty: {severity: error, workload: true, title: the PodDisruptionBudget must have a limit}
disruption-budget-blocks-drains: {severity: error, workload: true, title: the PodDisruptionBudget must allow an eviction}
# Configuration and secrets
config-credential: {severity: error, skippable: true, title: config must not contain credentials}
config-not-text: {severity: error, title: every value in config must be text}
config-name-not-text: {severity: error, skippable: true, title: every name in config must be text}
credential-in-plain-text: {severity: error, skippable: true, title: "commands, env, annotations and labels must not contain credentials"}
run-budget-override: {severity: error, workload: true, env: true, title: only agent.maxRunSeconds may set MAX_RUN_SECONDS and DRAIN_SECONDS}
sample-config-kept: {severity: warning, skippable: true, title: another image should not use the sample agent's servers}
secret-sources: {severity: error, title: at most one source of secrets may be set}
secret-values-unused: {severity: error, title: secret.stringData must not be set together with another source}
secret-in-values: {severity: warning, title: secrets should not be in the values}
external-secret-store: {severity: error, title: the ExternalSecret must have a store}
external-secret-empty: {severity: error, title: the ExternalSecret must read something}
# Rights
rbac-account: {severity: error, title: rbac.rules must not be granted to every pod of the namespace}
rbac-wildcard: {severity: warning, skippable: true, title: rbac.rules should have no wildcard}
rbac-escalation: {severity: warning, skippable: true, title: rbac.rules should not give the agent the rights of others}
# Schedules
schedule-name: {severity: error, title: the name of every schedule must be valid}
schedule-name-too-long: {severity: error, title: the name of every CronJob must have at most 52 characters}
schedule-deadline-too-short: {severity: error, title: the deadline of every schedule must cover its runs}
schedule-replaces-runs: {severity: error, title: no schedule may replace a run}
schedule-command-unclear: {severity: warning, title: a schedule should have its own command if the agent has one}
schedule-without-command: {severity: error, title: a schedule must say what it runs}
schedule-time-zone: {severity: error, title: time zones must be set in timeZone}
# Jobs
job-name: {severity: error, title: the name of every job must be valid}
job-without-command: {severity: error, title: a job must say what it runs}
job-secret-sealed: {severity: error, title: a job must not need a SealedSecret that the release creates after it}
job-cloud-identity: {severity: warning, skippable: true, title: the cloud should know the ServiceAccount of jobs}
# Workers
worker-name: {severity: error, title: the name of every worker must be valid}
# Monitoring
metrics-port-conflict: {severity: error, title: metricsPort must differ from every other port}
monitors-overlap: {severity: error, title: at most one monitor may be enabled}
# Validation
validation-skip: {severity: error, title: validation.skip may only name rules that can be skipped}
{{- end }}

{{/*
All findings, as a JSON list of id, severity, path, problem, fix. Not YAML: Helm drops what it cannot encode as YAML, such
as control characters, without an error.
*/}}
{{- define "ai-agent.findings" -}}
{{- $findings := list }}
{{- range $id, $rule := include "ai-agent.rules" . | fromYaml }}
  {{- $name := printf "ai-agent.rule.%s" $id }}
  {{- $severity := $rule.severity }}
  {{- if and $rule.skippable (has $id ($.Values.validation.skip | default list)) }}
    {{- $name = "ai-agent.skippedRule" }}
    {{- $severity = "info" }}
  {{- end }}
  {{- range include "ai-agent.ruleFindings" (dict "root" $ "rule" $rule "template" $name) | fromJsonArray }}
    {{- $findings = append $findings (merge (dict "id" $id "severity" $severity) .) }}
  {{- end }}
{{- end }}
{{- toJson $findings }}
{{- end }}

{{/*
What one rule finds, as a JSON list: in the values of the release and, if it is about them, in those of each worker, schedule and job.
A rule that is skipped is found once. (dict "root" $ "rule" ROW "template" NAME)
*/}}
{{- define "ai-agent.ruleFindings" -}}
{{- $found := include .template .root | fromYamlArray }}
{{- $server := list }}
{{- range $found }}{{ $server = append $server (dig "path" "" .) }}{{ end }}
{{- range $part := include "ai-agent.partsOf" . | fromYamlArray }}
  {{- range $name, $own := include "ai-agent.compact" (get $.root.Values $part) | fromYaml }}
    {{- $of := dict "root" $.root "part" $part "name" $name "template" $.template "own" $own "server" $server }}
    {{- $found = include "ai-agent.partFindings" $of | fromJsonArray | concat $found }}
  {{- end }}
{{- end }}
{{- range $found }}
  {{- if kindIs "string" . }}{{ fail (printf "%s: %s" $.template .) }}{{ end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* The parts of the values to whose entries a rule applies, as a YAML list: (dict "rule" ROW "template" NAME). */}}
{{- define "ai-agent.partsOf" -}}
{{- $parts := empty .rule.workload | ternary list (list "workers") }}
{{- if .rule.env }}{{ $parts = concat $parts (list "schedules" "jobs") }}{{ end }}
{{- if ne .template "ai-agent.skippedRule" }}{{ toYaml $parts }}{{ end }}
{{- end }}

{{/*
What a rule finds in an entry, as a JSON list. What the entry takes from the server is reported there, at the paths in "server".
(dict "root" $ "part" PART "name" NAME "template" NAME "own" FIELDS "server" PATHS)
*/}}
{{- define "ai-agent.partFindings" -}}
{{- $found := list }}
{{- range include (eq .part "workers" | ternary "ai-agent.ofWorker" "ai-agent.ofJob") . | fromYamlArray }}
  {{- $isOwn := hasKey $.own (first .path) }}
  {{- $path := $isOwn | ternary (concat (list $.part $.name) .path) (list $.part $.name) }}
  {{- if or $isOwn (not (has .path $.server)) }}{{ $found = append $found (merge (dict "path" $path) .) }}{{ end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{- define "ai-agent.skippedRule" -}}
- path: [validation, skip]
  problem: This rule is not checked.
  fix: Remove it from validation.skip to check it again.
{{- end }}

{{/* The findings of one severity, as a JSON list: (dict "root" $ "severity" SEVERITY). */}}
{{- define "ai-agent.findingsOf" -}}
{{- $found := list }}
{{- range include "ai-agent.findings" .root | fromJsonArray }}
  {{- if eq .severity $.severity }}{{ $found = append $found . }}{{ end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* A finding as people read it. */}}
{{- define "ai-agent.findingText" -}}
[{{ .id }}] {{ join "." .path }}
{{- .problem | wrap 110 | nindent 2 }}
{{- printf "→ %s" .fix | wrap 110 | nindent 2 }}
{{- end }}

{{/* Fails the render with every error. */}}
{{- define "ai-agent.validate" -}}
{{- $errors := include "ai-agent.findingsOf" (dict "root" . "severity" "error") | fromJsonArray }}
{{- if $errors }}
  {{- $text := printf "%d problem%s in the values of %s" (len $errors) (eq (len $errors) 1 | ternary "" "s") .Chart.Name }}
  {{- range $errors }}
    {{- $text = printf "%s\n\n%s" $text (include "ai-agent.findingText" .) }}
  {{- end }}
  {{- fail (printf "%s\n" $text) }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.validation-skip" -}}
{{- $rules := include "ai-agent.rules" . | fromYaml }}
{{- range .Values.validation.skip }}
  {{- if not (hasKey $rules .) }}
- path: [validation, skip]
  problem: >-
    validation.skip names {{ quote . }}, which is not a rule.
  fix: >-
    Use the ID of a rule, which is printed in brackets before its message, or remove it.
  {{- else if not (get (get $rules .) "skippable") }}
- path: [validation, skip]
  problem: >-
    validation.skip names {{ quote . }}, which cannot be skipped: ignoring it interrupts runs, or Kubernetes refuses the release.
  fix: >-
    Remove it from validation.skip and fix what it reports.
  {{- end }}
{{- end }}
{{- end }}
