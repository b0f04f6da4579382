package main

// mutant is one defect: in a file of the chart, the first from becomes to.
type mutant struct{ defect, file, from, to string }

// group has mutants and the tests that are about them, which run first.
type group struct {
	tests   string
	mutants []mutant
}

const (
	pod     = "templates/_pod.tpl"
	budget  = "templates/_budget.tpl"
	names   = "templates/_names.tpl"
	network = "templates/_network.tpl"
	ingress = "templates/_ingress.tpl"
	tests   = "templates/_tests.tpl"
	policy  = "templates/networkpolicy.yaml"
	cron    = "templates/cronjob.yaml"
	jobs    = "templates/_jobs.tpl"
	alerts  = "templates/prometheusrule.yaml"
	values  = "values.yaml"
	schema  = "values.schema.json"
	times   = "files/timeouts.yaml"

	rules      = "templates/validation/_rules.tpl"
	nameRules  = "templates/validation/_names.tpl"
	image      = "templates/validation/_image.tpl"
	timing     = "templates/validation/_timing.tpl"
	probes     = "templates/validation/_probes.tpl"
	eviction   = "templates/_eviction.tpl"
	hooks      = "templates/_hooks.tpl"
	resources  = "templates/validation/_resources.tpl"
	traffic    = "templates/validation/_traffic.tpl"
	rollout    = "templates/validation/_rollout.tpl"
	scaling    = "templates/validation/_scaling.tpl"
	disruption = "templates/validation/_disruption.tpl"
	config     = "templates/validation/_config.tpl"
	secrets    = "templates/validation/_secret.tpl"
	schedules  = "templates/validation/_schedules.tpl"
	jobRules   = "templates/validation/_jobs.tpl"
	monitoring = "templates/validation/_monitoring.tpl"
	plainText  = "templates/validation/_credentials.tpl"
	servers    = "templates/validation/_servers.tpl"

	volumes     = "templates/_volumes.tpl"
	volumeRules = "templates/validation/_volumes.tpl"
)

var groups = []group{
	// The servers that run an agent.
	{"TestRunBudget|TestPresets|TestDrain|TestTestPods|TestConfig|TestNullRemoves|TestSingleton|TestAgentWithoutAPort|Worker|TestRulesReport|TestRulesAccept", []mutant{
		{"a time to drain under the run", budget, "add .Values.agent.maxRunSeconds (div", "sub .Values.agent.maxRunSeconds (div"},
		{"a port that the server does not know", "templates/_config.tpl", "PORT: {{", "HTTP_PORT: {{"},
		{"a PORT of the user's overridden", "templates/_config.tpl", `hasKey $own "PORT"`, `hasKey $own "HTTP_PORT"`},
		{"a budget that config does not get", "templates/_config.tpl", `printf "$(%s)" $name`, `printf "$[%s]" $name`},
		{"the sample's configuration for everybody", "templates/_config.tpl", ".Values.sample.enabled | ternary .Values.sample.config dict", ".Values.sample.config"},
		{"a drain that waits for listeners", pod, "[0-9A-F]+:[0-9A-F]+ 01 ", "[0-9A-F]+:[0-9A-F]+ 0A "},
		{"a drain without a bound", pod, `[ "$(now)" -lt "$end" ] && grep`, "grep"},
		{"a drain before endpoint removal", pod, "sleep {{ .Values.agent.endpointDelaySeconds }}\n", "sleep 0\n"},
		{"a test that the image lacks", tests, "(or .Values.sample.enabled $test.image)", "true"},
		{"a short time to drain accepted", servers, "lt (float64 .seconds) (float64 $run)", "lt (float64 .seconds) 1.0"},
		{"a short default accepted", servers, "lt (int .default) $run", "lt (int .default) 0"},
		{"a shell accepted", servers, "`\\b(exec\\s+[^\\s0-9<>&]|trap\\s)`", "`\\s`"},
		{"npm accepted", servers, "(npm|npx|yarn|pnpm)", "(npx)"},
		{"the lines of a script read as one", servers, `[;&|\n]+`, `[;&|]+`},
		{"two pods of a singleton during a rollout", "templates/_replicas.tpl", `dict "type" "Recreate" | toJson`, `dict "type" "RollingUpdate" | toJson`},
		{"an autoscaler of a singleton", "templates/_replicas.tpl", "(not .Values.singleton) }}true", "true }}true"},
		{"a new worker that begins with one pod", "templates/_replicas.tpl", `include "ai-agent.liveWorkload" .server | fromJson`, "false"},
		{"a Service without a port", "templates/service.yaml", "{{- if .Values.service.enabled }}", "{{- if true }}"},
		{"a worker that the Service selects", names, `.worker | default "server" | quote`, `"server" | quote`},
		{"a worker with the server's hooks", "templates/_workers.tpl", `"schedules" "jobs" "lifecycle"`, `"schedules" "jobs"`},
		{"a variable of a worker twice", jobs, "not (has .name $names)", "true"},
		{"a policy without the servers of workers", policy, `include "ai-agent.allServerEgress" .`, `include "ai-agent.serverEgress" .`},
		{"a worker with the server's command", "templates/_workers.tpl", "command: []\n", ""},
		{"a worker with the server's probes", "templates/_workers.tpl", "livenessProbe: null\n", ""},
		{"a worker without the server's env", jobs, "concat $all (.own", "concat list (.own"},
		{"no rules for workers", "templates/validation/_rules.tpl", `ternary list (list "workers")`, "ternary list list"},
		{"gunicorn's 30 s in its preset", "presets/gunicorn.yaml", "--graceful-timeout $(DRAIN_SECONDS)", "--graceful-timeout 30"},
	}},
	// Further servers of the network policy.
	{"TestEgressURLs|TestRulesReport/egress-url|TestRulesAccept/egress-url", []mutant{
		{"servers that the policy does not allow", network, `include "ai-agent.urlEgress" . | fromYamlArray | concat $all`, "concat $all list"},
		{"a variable that is not resolved", "templates/_egress.tpl", `include "ai-agent.expanded" (dict "value" $url "known" $known)`, "$url"},
		{"an unreadable URL accepted", "templates/validation/_egress.tpl", `(eq .state "unreadable")`, "false"},
	}},
	// Code of a model.
	{"TestSandbox", []mutant{
		{"a sandbox with the kernel of the node", "presets/sandbox.yaml", "runtimeClassName: gvisor", ""},
		{"a sandbox that resolves names", "presets/sandbox.yaml", "dns: [], ", ""},
		{"a sandbox that reaches the internet", "presets/sandbox.yaml", "https: false", "https: true"},
	}},
	// Several agents.
	{"TestRulesReport/calls|TestCalls", []mutant{
		{"a caller with a smaller budget accepted", "templates/validation/_calls.tpl", "lt (int .caller.seconds)", "gt (int .caller.seconds)"},
		{"only callers that are rendered last", "templates/validation/_calls.tpl", ` (dict "caller" $other "callee" $own) }}`, " }}"},
	}},
	// Ports and sessions.
	{"TestFurtherPorts|TestDrainCounts|TestHealthCheckOf|TestRulesReport/(port-|service-port|sessions)|TestRulesAccept/(port-|service-port|sessions)", []mutant{
		{"a drain that waits for one port", pod, "without (uniq $ports) 0 | toYaml", "list (first $ports) | toYaml"},
		{"a further port that the container lacks", pod, "range .Values.ports }}\n- {{", "range list }}\n- {{"},
		{"no further ports of the Service", "templates/service.yaml", `with get .Values.service "ports"`, `with get .Values.service "port_"`},
		{"a port twice accepted", "templates/validation/_ports.tpl", "(has $number $numbers)", "false"},
		{"sessions on several pods accepted", "templates/validation/_ports.tpl", `(eq .Values.agent.sessions "InProcess")`, "false"},
		{"sessions during a rollout accepted", "templates/validation/_ports.tpl", `"maxSurge" "1"`, `"surge" "0"`},
	}},
	// Rights in the cluster.
	{"TestRights|TestRulesReport/(rbac|kubernetes-api)|TestRulesAccept/(rbac|kubernetes-api)", []mutant{
		{"rights without a token", "templates/_rbac.tpl", "or .Values.serviceAccount.automount (not (empty .Values.rbac.rules))", "or .Values.serviceAccount.automount false"},
		{"a token for everybody", "templates/_rbac.tpl", "(not (empty .Values.rbac.rules))", "true"},
		{"rights without the API server", "templates/_rbac.tpl", "if .Values.rbac.rules", "if false"},
		{"cloud credentials with the API server", "templates/_rbac.tpl", "127.0.0.0/8, 169.254.0.0/16", "127.0.0.0/8"},
		{"rights of another account", "templates/rolebinding.yaml", `include "ai-agent.serviceAccountName" . | quote`, `"default"`},
		{"secrets accepted", "templates/validation/_rbac.tpl", `- [secrets, "get|list|watch"`, `- [secrets, "none"`},
		{"rights for every pod accepted", "templates/validation/_rbac.tpl", `(list "" "default")`, `(list "default")`},
	}},
	// Jobs that run as hooks.
	{"TestJob|TestHook|TestEnvironmentOf|TestNotesTell|TestRulesReport/job|TestRulesAccept/job", []mutant{
		{"a job that is no hook", jobs, "helm.sh/hook: {{ .events }}", "helm.sh/hooks: {{ .events }}"},
		{"a job before its configuration", names, `"weight" -100`, `"weight" 100`},
		{"a job with the configuration of the release before", jobs, `$root = set $root "hooks"`, `$root = set $root "hook"`},
		{"objects of a hook that stay", jobs, "before-hook-creation,hook-succeeded", "before-hook-creation"},
		{"a failed Job that stays", jobs, "ternary 86400 0", "ternary 0 0"},
		{"a job without a policy before the first install", policy, `{{- include "ai-agent.alsoForJobs" (dict "root" $ "template" "ai-agent.networkPolicy") }}`, `{{- include "ai-agent.networkPolicy" $ }}`},
		{"a hook's policy that stays with the agent's pods", policy, "      app.kubernetes.io/component: job\n", ""},
		{"a policy without the servers of jobs", jobs, `$part := list "schedules" "jobs"`, `$part := list "schedules"`},
		{"a job that the Service selects", "templates/job.yaml", `(dict "root" . "component" "job") | nindent 2`, `(dict "root" . "component" "server") | nindent 2`},
		{"a timeout shorter than a job", budget, "| max $longest }}\n{{- end }}\n{{- $longest }}", "}}\n{{- end }}\n{{- $longest }}"},
		{"a SealedSecret that comes too late accepted", jobRules, "$.Values.secret.sealedSecret.encryptedData (include", "$.Values.secret.existingSecret (include"},
	}},
	// How a run ends.
	{"TestRunBudget|TestSpecification|TestConfig|TestPodsAreReplaced|TestIngress|TestRoute|TestRollout|TestProgress|TestLoadBalancers", []mutant{
		{"no preStop hook", pod, "preStop:\n  {{- if .Values.drain.until }}", "postStart:\n  {{- if .Values.drain.until }}"},
		{"the grace period of 30 s that Kubernetes has by default", pod, `terminationGracePeriodSeconds: {{ include "ai-agent.terminationGracePeriodSeconds" .root }}`, "terminationGracePeriodSeconds: 30"},
		{"a grace period without the endpoint delay", budget, "add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds", "add .Values.agent.maxRunSeconds"},
		{"no time to shut down", budget, "\n20\n", "\n0\n"},
		{"an Ingress timeout of a minute", budget, "max 300 (int .Values.agent.maxRunSeconds) }}\n{{- end }}\n\n{{/* The autoscaler", "60 }}\n{{- end }}\n\n{{/* The autoscaler"},
		{"a request timeout shorter than the run", budget, "add .Values.agent.maxRunSeconds 30", "sub .Values.agent.maxRunSeconds 30"},
		{"a scale-down window that ignores the run", budget, "max 300 (int .Values.agent.maxRunSeconds) | min 3600", "300"},
		{"a scale-down window over Kubernetes' 3600 s", budget, " | min 3600", ""},
		{"a Job without time to start", budget, "(add .root.Values.agent.maxRunSeconds 120)", "(add .root.Values.agent.maxRunSeconds 0)"},
		{"a Job without time for its retries", budget, "add1 (.job.backoffLimit | default 0)", "add1 0"},
		{"a run budget that the agent does not know", "templates/_config.tpl", `MAX_RUN_SECONDS: {{`, `MAX_RUN_TIME: {{`},
		{"a buffered stream", ingress, `proxy-buffering: "off"`, `proxy-buffering: "on"`},
		{"a load balancer that asks another port", "templates/backendconfig.yaml", `include "ai-agent.readyPort" .`, ".Values.containerPort"},
		{"an HTTPRoute without timeouts", "templates/httproute.yaml", "backendRequest: {{", "# {{"},
		{"a rollout that fails while it waits", budget, `(eq $strategy.type "Recreate") (regexMatch`, `false (regexMatch`},
		{"a rollout that removes a pod first", values, "maxUnavailable: 0", "maxUnavailable: 1"},
	}},
	// Probes.
	{"TestSpecification|TestHung|TestFixtures", []mutant{
		{"a liveness probe that checks dependencies", values, "livenessProbe: # @schema $ref:schema/kubernetes.json#/$defs/Probe;skipProperties:true;additionalProperties:true\n  httpGet:\n    path: /health", "livenessProbe: # @schema $ref:schema/kubernetes.json#/$defs/Probe;skipProperties:true;additionalProperties:true\n  httpGet:\n    path: /ready"},
		{"a readiness probe that checks only the process", values, "path: /ready", "path: /health"},
		{"little time to start", values, "maxStartSeconds: 65", "maxStartSeconds: 6"},
		{"no startup probe", pod, `list "livenessProbe" "readinessProbe" "startupProbe"`, `list "livenessProbe" "readinessProbe"`},
		{"a hung pod that keeps its whole grace period", values, "  terminationGracePeriodSeconds: 10\n# -- Removes", "# -- Removes"},
	}},
	// Sizes and scaling.
	{"TestSizes|TestResources|TestAutoscaler|TestSpecification|TestRollout|TestFixtures", []mutant{
		{"an embeddings agent without its memory", "templates/_resources.tpl", "{cpu: 2000m, memory: 2Gi}", "{cpu: 2000m, memory: 1Gi}"},
		{"no limits", "templates/_resources.tpl", "limits: {cpu: 1000m, memory: 1Gi}", "limits: {}"},
		{"resources in the values that are ignored", "templates/_resources.tpl", "(.root.Values.resources | default dict | deepCopy) ", ""},
		{"replicas despite an autoscaler", "templates/_replicas.tpl", `else if include "ai-agent.online" .`, `else if true`},
		{"the memory target for CPU", "templates/hpa.yaml", "$cpu := $autoscaling.targetCPUUtilizationPercentage", "$cpu := $autoscaling.targetMemoryUtilizationPercentage"},
		{"minimum and maximum swapped", "templates/hpa.yaml", "minReplicas: {{ $autoscaling.minReplicas }}", "minReplicas: {{ $autoscaling.maxReplicas }}"},
		{"all pods removed at once", values, "{type: Pods, value: 1, periodSeconds: 120}", "{type: Pods, value: 10, periodSeconds: 15}"},
		{"an autoscaler without pods on any Kubernetes", scaling, "<1.37.0-0", "<1.30.0-0"},
		{"an autoscaler without pods on CPU alone", scaling, "(or $old (not $lasting))", "$old"},
		{"two autoscalers", scaling, `if and $own (include "ai-agent.autoscaled" .)`, "if false"},
		{"an autoscaler of another Deployment", "templates/hpa.yaml", `name: {{ include "ai-agent.workloadName" . | quote }}`, "name: agent"},
	}},
	// Volumes.
	{"TestClaims|TestClaimOf|TestPerPod|TestStatefulWorker|TestNotesTellOfStateful|TestAlertsOfA|TestWritable|TestHome|TestConfigFile|TestUserAnd|TestRulesReport/(claim|mount|volume|stateful|config-|memory)|TestRulesAccept/(claim|mount|volume|stateful|memory)", []mutant{
		{"a claim that an uninstall deletes", "templates/persistentvolumeclaim.yaml", `dict "helm.sh/resource-policy" "keep"`, "dict"},
		{"a volume that a null leaves", volumes, "if not (hasKey $without $name)", "if true"},
		{"a claim of a worker with the server's name", volumes, `join "-" (compact (list .claim.worker .name))`, ".name"},
		{"a Deployment for pods with claims of their own", volumes, "if .perPod }}true{{ end }}{{ end }}", "if false }}true{{ end }}{{ end }}"},
		{"both a Deployment and a StatefulSet", "templates/deployment.yaml", `if not (include "ai-agent.stateful" .)`, "if true"},
		{"an autoscaler of a Deployment that is none", "templates/hpa.yaml", `kind: {{ include "ai-agent.workloadKind" . }}`, "kind: Deployment"},
		{"claims that are deleted with the StatefulSet", "templates/statefulset.yaml", `if include "ai-agent.deletesPodClaims" .`, "if true"},
		{"pods that start one after the other", "templates/statefulset.yaml", "  podManagementPolicy: Parallel\n", ""},
		{"a claim template with the version of the chart", "templates/statefulset.yaml", `merge (include "ai-agent.selectorLabels" $ | fromYaml)`, `merge (include "ai-agent.labels" $ | fromYaml)`},
		{"old and new pods spread together", pod, `ternary "pod-template-hash" "controller-revision-hash"`, `ternary "pod-template-hash" "pod-template-hash"`},
		{"an upgrade that fails while a StatefulSet waits", budget, "(mul $ends $grace)", "$grace"},
		{"alerts that miss the pods of a StatefulSet", names, `"%s-[0-9]+"`, `"%s-[a-z]+"`},
		{"files that replace no pod", pod, `set $annotations "checksum/files"`, `set (dict) "checksum/files"`},
		{"writable folders inside /tmp", volumes, "  subPath: tmp\n", ""},
		{"writable folders without a request", "templates/_resources.tpl", "(empty .root.Values.writableDirs)", "true"},
		{"a user without a name", "templates/_config.tpl", `"USER" "agent"`, `"USERNAME" "agent"`},
		{"a group that changes every file", volumes, "OnRootMismatch", "Always"},
		{"several pods on one claim", volumeRules, `gt (int $use.pods) 1`, "gt (int $use.pods) 9"},
		{"a surge on one claim", volumeRules, "else if and (not $many) $use.surge", "else if false"},
		{"a claim for many refused", volumeRules, `or (has "ReadWriteMany" $use.modes)`, `or (has "ReadWriteAny" $use.modes)`},
		{"a schedule on the server's claim", volumeRules, `concat $users (include "ai-agent.scheduleClaimUsers" . | fromYamlArray)`, "$users"},
		{"two mounts at one path", volumeRules, "$other := get $taken (clean $mount.at)", `$other := get $taken "none"`},
		{"two volumes of one name", volumeRules, "if gt (int $count) 1", "if gt (int $count) 2"},
		{"files that no ConfigMap can hold", volumeRules, "1048576 }}", "10485760 }}"},
		{"a credential in a file", plainText, `if $file }}{{ $texts`, `if false }}{{ $texts`},
		{"shared memory over the limit", resources, "with .Values.sharedMemory.sizeLimit", `with ""`},
		{"shared memory over the limit of a schedule", resources, "(ne $limit $server)", "false"},
		{"two claims of one name", volumeRules, "with get $taken .name }}\n- path: {{ toJson $claim.path", "with \"\" }}\n- path: {{ toJson $claim.path"},
		{"a field of the server's claim that a worker sets in vain", volumeRules, "range .unused", "range list"},
	}},
	// What is selected.
	{"TestShortened|TestRulesReport/object|TestScheduled|TestService|TestDisruption|TestTheCharts|TestVersionLabel|TestNull|TestSpecification|TestAlerts/^aaa", []mutant{
		{"a claim that two agents share", "templates/validation/_names.tpl", `range include "ai-agent.ofAll" (dict "root" $ "template" "ai-agent.createdClaimNames") | fromYamlArray`, "range list"},
		{"names that Kubernetes refuses", nameRules, "^[a-z]([-a-z0-9]*", "^[a-z0-9]([-a-z0-9.]*"},
		{"aliases that share a name", nameRules, "if ne $owner $chart", "if false"},
		{"a name that ends with dashes", names, `trunc 53 | trimAll "-."`, `trunc 53 | trimSuffix "-"`},
		{"a selector that matches schedules", names, `{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/component: {{ .worker | default "server" | quote }}`, `{{ include "ai-agent.instanceLabels" . }}`},
		{"schedules with the labels of servers", cron, `jobSpec" (dict "root" . "component" "schedule"`, `jobSpec" (dict "root" . "component" "server"`},
		{"a Service with another port", "templates/service.yaml", "targetPort: http", "targetPort: 8080"},
		{"a Service that selects every pod of the release", "templates/service.yaml", `include "ai-agent.selectorLabels"`, `include "ai-agent.instanceLabels"`},
		{"a disruption budget that counts schedules", "templates/pdb.yaml", `include "ai-agent.selectorLabels"`, `include "ai-agent.instanceLabels"`},
		{"common labels over those of the chart", names, `merge $labels (include "ai-agent.labels" .root | fromYaml) (.root.Values.commonLabels | default dict)`, `merge (.root.Values.commonLabels | default dict | deepCopy) $labels (include "ai-agent.labels" .root | fromYaml)`},
		{"a disruption budget that broken pods block", "templates/pdb.yaml", "  unhealthyPodEvictionPolicy: {{ .unhealthyPodEvictionPolicy }}\n", ""},
		{"the chart's version for an image that has only a digest", names, ".Values.image.tag | default $digest | default", ".Values.image.tag | default"},
		{"the version label longer than a label", names, "| default .Chart.AppVersion | trunc 63 |", "| default .Chart.AppVersion |"},
		{"alerts that miss the pods of a long name", names, "if le $left 10", "if le $left 0"},
		{"a null that remains", names, `if not (kindIs "invalid" $value)`, "if true"},
	}},
	// What is kept apart.
	{"TestPolicy|TestNameOfTwo|TestPodIs|TestServiceAccount|TestOwn|TestFixtures", []mutant{
		{"a policy for one direction", policy, "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]"},
		{"a policy that omits schedules", policy, `include "ai-agent.instanceLabels"`, `include "ai-agent.selectorLabels"`},
		{"a policy that admits everyone", policy, "with $policy.ingress.from", "with list"},
		{"a policy that names its clients", policy, "with $policy.ingress.from", `with $policy.ingress.from | default (list (dict "namespaceSelector" dict))`},
		{"the metadata address allowed", network, "      - 169.254.0.0/16\n", ""},
		{"private addresses allowed", network, "      - 10.0.0.0/8\n", ""},
		{"private IPv6 addresses allowed", network, "      - fc00::/7\n", ""},
		{"a public name taken for a namespace", network, "(com|net|org|io|edu|gov)", "(net)"},
		{"a public name with svc taken for a namespace", network, `"^[^.]+[.].+[.]svc([.]|$)"`, `"^.+[.]svc([.]|$)"`},
		{"the Redis of every namespace allowed", network, `kubernetes.io/metadata.name: {{ $namespace | quote }}`, "{}"},
		{"a public name that opens every address", network, `{{- else -}}
{{- include "ai-agent.publicPeers" . }}`, `{{- else -}}
- ipBlock: {cidr: 0.0.0.0/0}`},
		{"config over env", "templates/_environment.tpl", `{{- $known = set $known .name $entry }}`, ""},
		{"references that are left", "templates/_environment.tpl", `replace $reference $entry.value $text`, "$text"},
		{"a local server opened", "templates/_url.tpl", `{{- if regexMatch $local $host }}{{ $host = "" }}{{ end }}`, ""},
		{"Redis behind a Sentinel blocked", "templates/_url.tpl", "if and $server.host $sentinel", "if false"},
		{"a mounted token", pod, `automountServiceAccountToken: {{ include "ai-agent.automountsToken" .root }}`, "automountServiceAccountToken: true"},
		{"Services in the environment", pod, "enableServiceLinks: false", "enableServiceLinks: true"},
		{"a writable root file system", values, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
		{"privileges that may grow", values, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
		{"capabilities that are kept", values, "    drop:\n      - ALL", "    add: []"},
		{"no security context of the container", pod, `{{- with include "ai-agent.compact" $values.securityContext | fromYaml }}`, "{{- with dict }}"},
		{"no size of /tmp", volumes, "    sizeLimit: {{ $values.tmp.sizeLimit }}", "    {}"},
		{"/tmp mounted twice", volumes, `{{- if not (include "ai-agent.mountsTmp" .root) -}}`, "{{- if true }}"},
	}},
	// Secrets and configuration.
	{"TestEnvironment|TestConfig|TestRefresh|TestPodsAreReplaced|TestExisting|TestVersionLabel|TestEachValue/(secret|image)", []mutant{
		{"no Secret in the environment", pod, "- secretRef:", "- configMapRef:"},
		{"empty keys in the Secret", "templates/_secret.tpl", "{{- with $value }}{{ $data = set $data $name (b64enc .) }}{{ end }}", "{{- $data = set $data $name (b64enc $value) }}"},
		{"a changed Secret that replaces no pod", "templates/_secret.tpl", "toJson $data | sha256sum | trunc 2", `"00"`},
		{"a refresh interval that replaces pods", pod, ` "refreshInterval" }}`, ` "nothing" }}`},
		{"a digest that is ignored", names, "{{- with .Values.image.digest }}", "{{- with dict }}"},
		{"no pull secrets", pod, "{{- with $values.imagePullSecrets }}", "{{- with dict }}"},
		{"an ExternalSecret that fills another Secret", "templates/externalsecret.yaml", `target:
    name: {{ include "ai-agent.secretName" $ | quote }}`, "target:\n    name: other"},
	}},
	// Traffic.
	{"TestIngress|TestLoadBalancers|TestController|TestRoute", []mutant{
		{"an Ingress despite enabled: false", ingress, `(ne (toString .Values.ingress.enabled) "false")`, "true"},
		{"an Ingress only if enabled: true", ingress, `(ne (toString .Values.ingress.enabled) "false")`, ".Values.ingress.enabled"},
		{"a class that takes precedence over the controller", ingress, "{{- default $known .Values.ingress.controller }}", "{{- $known }}"},
		{"every path exposed", ingress, "\n/v1\n", "\n/\n"},
		{"no timeout for F5's nginx", ingress, "nginx.org/proxy-read-timeout", "nginx.org/proxy-connect-timeout"},
		{"no timeout for Kong", ingress, "konghq.com/read-timeout", "konghq.com/connect-timeout"},
		{"an HTTPRoute without the kind of its gateway", ingress, `"kind" "Gateway"`, `"kind" ""`},
		{"a timeout over the limit of its annotation", "templates/_timeouts.tpl", "($format.limit | default .seconds | int)", "(int .seconds)"},
		{"an ALB drain with the limit of the idle timeout", ingress, `target-group-attributes" "seconds"`, `load-balancer-attributes" "seconds"`},
		{"a BackendConfig without a timeout", "templates/backendconfig.yaml", "timeoutSec: {{", "# {{"},
		{"an Ingress of GKE with a class", "templates/ingress.yaml", `(ne (include "ai-agent.ingressController" .) "gce")`, "true"},
	}},
	// Placement.
	{"TestTestPods|TestPodsPrefer|TestPodsAreSpread|TestSpread|TestEveryPod|TestOnlyServing", []mutant{
		{"pods Pending for lack of a zone", pod, "whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: DoNotSchedule"},
		{"a spread that counts old pods", pod, `  matchLabelKeys: [{{ include "ai-agent.stateful" $ | empty | ternary "pod-template-hash" "controller-revision-hash" }}]`, ""},
		{"a spread that counts tainted nodes", pod, "  nodeTaintsPolicy: Honor\n", ""},
		{"no anti-affinity", pod, `merge (include "ai-agent.podAntiAffinity" . | fromYaml) ($affinity | default dict)`, "$affinity | default dict"},
		{"a nodeAffinity that removes the anti-affinity", pod, `(and $affinity (not (hasKey $affinity "podAntiAffinity")))`, "false"},
		{"an anti-affinity that {} does not disable", pod, `(and $affinity (not (hasKey $affinity "podAntiAffinity")))`, `(not (hasKey ($affinity | default dict) "podAntiAffinity"))`},
		{"a spread that [] does not disable", pod, `kindIs "invalid" $spread | ternary`, "empty $spread | ternary"},
		{"tests that tolerate no GPU", tests, `if contains "/" $name`, "if false"},
		{"tests without podSpec", tests, "merge $fields $own", "$fields"},
		{"schedules on any node", pod, `with dig "nodeAffinity" nil`, `with dig "noAffinity" nil`},
		{"tests on any node", tests, `(include "ai-agent.scheduling" .) (include "ai-agent.nodeAffinity" .)`, `(include "ai-agent.scheduling" .) ""`},
		{"tests without the agent's scheduling", tests, `(include "ai-agent.scheduling" .) (include "ai-agent.nodeAffinity" .)`, `"" (include "ai-agent.nodeAffinity" .)`},
	}},
	// Schedules.
	{"TestSchedule|TestRunBudget|TestEveryPod", []mutant{
		{"a schedule that restarts its run", pod, `ternary "Always" "Never"`, `ternary "Always" "OnFailure"`},
		{"args of a schedule as arguments of the server", jobs, `(dict "command" $job.args)`, `(dict "command" $command "args" $job.args)`},
		{"a command of a schedule that is ignored", jobs, "if $job.command }}", "if false }}"},
		{"overlapping schedules", cron, `default "Forbid"`, `default "Allow"`},
		{"no deadline of a Job", jobs, "activeDeadlineSeconds: {{", "# {{"},
		{"a schedule in another time zone", cron, "timeZone: {{ quote . }}", "timeZone: UTC"},
		{"a task without its flag", jobs, `(list "run" "--task" $job.task)`, `(list "run" $job.task)`},
	}},
	// Helm's tests.
	{"TestTestPods|TestPolicyApplies|TestPolicyIsTested|TestFixtures", []mutant{
		{"a test pod without a security context", tests, `{{- with include "ai-agent.compact" $values.securityContext | fromYaml }}`, "{{- with $values.noSecurityContext }}"},
		{"test pods that are deleted before their logs are read", tests, "before-hook-creation", "before-hook-creation,hook-succeeded"},
		{"a policy test without the labels of the policy", "templates/tests/policy.yaml", `include "ai-agent.instanceLabels" .`, `printf "a: b"`},
		{"a policy test that reaches for nothing", "templates/tests/policy.yaml", ".Values.networkPolicy.enabled $unreachable }}", ".Values.networkPolicy.enabled }}"},
	}},
	// Monitoring.
	{"TestMonitors|TestNoAlert|TestAlerts/^ai-agent_", []mutant{
		{"a ServiceMonitor only with its API", "templates/servicemonitor.yaml", "if .enabled", `if and .enabled ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")`},
		{"a PodMonitor only with its API", "templates/podmonitor.yaml", "if and $monitor.enabled", `if and $monitor.enabled ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")`},
		{"alerts only with their API", "templates/prometheusrule.yaml", "if .enabled", `if and .enabled ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")`},
		{"a monitor that loses terminating pods", "templates/servicemonitor.yaml", "with .serviceDiscoveryRole", "with false"},
		{"the chart's labels before those of a monitor", "templates/_names.tpl", "$_ := set $labels $name $value", "$_ := set $labels $name (get $labels $name | default $value)"},
		{"an alert of runs that are refused", values, `outcome="abandoned"`, `outcome="refused"`},
		{"alerts about metrics that do not exist", "templates/_alerts.tpl", ".Values.sample.enabled | ternary .Values.sample.metrics dict", ".Values.sample.metrics"},
		{"a metric without its labels", "templates/_alerts.tpl", "{{ with $labels }}, {{ . }}{{ end }}", ""},
		{"alerts about runs of a worker without metrics", "templates/_alerts.tpl", "| empty | ternary $names dict", "| empty | ternary $names $names"},
		{"no alerts about workers", alerts, `range $name, $own := include "ai-agent.compact" $.Values.workers | fromYaml`, "range $name, $own := dict"},
		{"no monitor of a worker", "templates/podmonitor.yaml", "if and .worker .Values.serviceMonitor.enabled", "if false"},
		{"an alert of pods that are starting", alerts, `      for: {{ include "ai-agent.notReadySeconds" . }}s`, "      for: 1m"},
		{"an alert of a short peak", alerts, "      for: 15m\n", ""},
		{"an alert of every restart as an interrupted run", "templates/_alerts.tpl", "[15m]) > 0)", "[15m]) >= 0)"},
		{"an alert of every pod that ends", "templates/_alerts.tpl", `> -{{ include "ai-agent.shutdownSeconds" . }}`, "> -100000"},
		{"an alert that forgets a pod with runs", "templates/_alerts.tpl", "or (last_over_time({{ $inFlight }}[10m]) > 0", "or ({{ $inFlight }} > 10000"},
		{"an alert that forgets an exhausted grace period", "templates/_alerts.tpl", "[10m:15s]", "[1m:15s]"},
		{"an alert that forgets a pod whose name is taken again", "templates/_alerts.tpl", "unless {{ $inFlight }} unless", "unless on (namespace, pod) {{ $inFlight }} unless"},
		{"an alert of every scrape that fails", "templates/_alerts.tpl", ">= on (namespace, pod) group_left", "< on (namespace, pod) group_left"},
		{"an alert of an evicted pod that never ends", "templates/_alerts.tpl", "offset 15m > 0", "offset 15m > 2"},
		{"alerts about the pods of other Deployments", "templates/_names.tpl", `"[4-9bcdf]"`, `"[a-z0-9]"`},
		{"an alert below the maximum", "templates/_alerts.tpl", ">= kube_horizontalpodautoscaler_spec_max_replicas", "< kube_horizontalpodautoscaler_spec_max_replicas"},
	}},
	// The list of rules.
	{"TestFive|TestSkipped|TestOther|TestRules/(validation-|replica-|grace-)", []mutant{
		{"errors that pass as warnings", rules, `"severity" "error")`, `"severity" "fatal")`},
		{"only the first error reported", rules, "{{- range $errors }}", "{{- range list (first $errors) }}"},
		{"rules that cannot be skipped, skipped", rules, "if and $rule.skippable (has", "if and true (has"},
		{"a skipped rule that remains an error", rules, `{{- $severity = "info" }}`, ""},
		{"unknown rules to skip, accepted", rules, "if not (hasKey $rules .)", "if false"},
		{"a rule of physics that can be skipped", rules, "grace-period-too-short: {severity: error,", "grace-period-too-short: {severity: error, skippable: true,"},
		{"an error that is a warning", rules, "replica-range: {severity: error,", "replica-range: {severity: warning,"},
		{"no gate", "templates/validation/gate.yaml", `{{- include "ai-agent.validate" . }}`, ""},
	}},
	// The rules, by subject.
	{"TestRules/(image-|sidecar-)", []mutant{
		{"the tag latest accepted", image, `eq (toString .Values.image.tag) "latest"`, `eq (toString .Values.image.tag) "newest"`},
		{"a sidecar without a tag accepted", image, `(not (regexMatch "(:[^/:]+|@sha256:[0-9a-f]{64})$" $image))`, "false"},
		{"an image without a tag accepted", image, `(eq .Values.image.repository "ai-agent")`, "true"},
	}},
	{"TestRules/(grace-|prestop-|run-exceeds)", []mutant{
		{"a grace period too short by one accepted", timing, "lt $grace $needed", "lt (add1 $grace) $needed"},
		{"a preStop hook of no time accepted", hooks, `{{- if get . "sleep" }}`, `{{- if dig "sleep" "seconds" 0 . }}`},
		{"a preStop hook that takes the run's time accepted", timing, "if gt $sleep (float64 $delay)", "if gt $sleep 100000.0"},
		{"minutes read as seconds", hooks, `"m" 60`, `"m" 1`},
		{"a sidecar that ends first accepted", timing, "if or (empty $hook)", "if and (empty $hook)"},
	}},
	{"TestRules/(liveness-|startup-|probe-)", []mutant{
		{"an eager liveness probe accepted", probes, "(lt $threshold 2)", "false"},
		{"one endpoint of the process refused", probes, `$process := "health(z|y|check)?|live`, `$process := "healthcheck|live`},
		{"readiness by another name accepted", probes, "(ready|readiness|deep([-_]|$|health|check)|dependenc)", "(ready)"},
		{"the pod's own name taken for another server", probes, `\[::1?\]|\$\{?(HOSTNAME|HOST|POD_IP|POD_NAME)\}?)`, `\[::1?\])`},
		{"an argument taken for a client", probes, `$begin := "(^|`, `$begin := "(^|\\s|`},
		{"a port by a wrong name accepted", probes, `{{- if not (regexMatch "^[0-9]+$" .port) }}`, "{{- if false }}"},
		{"the previous containerPort accepted", probes, `{{- if regexMatch "^[0-9]+$" .port }}`, "{{- if false }}"},
		{"a path with a slash accepted", probes, `"path" | clean | lower`, `"path" | lower`},
		{"the second listener accepted", probes, "$isOwn | ternary (toString .root.Values.containerPort) $port", "$port"},
		{"a long run with a warning that is missing", timing, `if include "ai-agent.outlastsAutoscaler" .`, "if false"},
	}},
	{"TestEviction|TestJobsAre|TestScratch", []mutant{
		{"long runs that may be evicted", eviction, `ternary "Always" "OnUpgrade"`, `ternary "Always" "Always"`},
		{"a /tmp that keeps its node", eviction, "safe-to-evict-local-volumes: {{", "safe-to-evict-volumes: {{"},
		{"Jobs that may be evicted", eviction, `or (hasKey .root "job")`, `or (hasKey .root "task")`},
		{"a protection of serving pods that expires", eviction, `karpenter.sh/do-not-disrupt: "true"`, "karpenter.sh/do-not-disrupt: 600s"},
		{"an annotation in the values that is ignored", pod, "if not (hasKey $annotations $name)", "if true"},
		{"a /tmp that is not requested", "templates/_resources.tpl", "{{- if not $own }}", "{{- if false }}"},
	}},
	{"TestRules/(request-|tmp-|volume-|memory-)", []mutant{
		{"a /tmp of one byte accepted", resources, "or (lt $size 67108864.0)", "or (lt $size 0.0)"},
		{"a small volume at /tmp accepted", resources, `empty $isTmp | ternary "1Mi" "64Mi"`, `"1Mi"`},
		{"a volume larger than the memory accepted", resources, "$over := ge", "$over := lt"},
		{"a request over its limit accepted", resources, "if and $limit (gt", "if and $limit (lt"},
		{"a schedule over its limit accepted", resources, `range $part := list "schedules" "jobs"`, `range $part := list "jobs"`},
	}},
	{"TestRules/(ingress-|timeout-|route-|clients-|service-)", []mutant{
		{"an Ingress without hosts accepted", traffic, "if and .Values.ingress.enabled (not .Values.ingress.hosts)", "if false"},
		{"an annotation that Contour does not read", traffic, `$isContour | ternary (hasPrefix "projectcontour.io/" $name)`, "$isContour | ternary true"},
		{"an annotation that Cilium does not read", traffic, "ternary (hasPrefix \"projectcontour.io/\" $name) (not $isOther)", "ternary (hasPrefix \"projectcontour.io/\" $name) true"},
		{"a source range without a load balancer accepted", "templates/validation/_service.tpl", "if and (not .holds)", "if and false"},
		{"two ingress classes accepted", traffic, "(ne $annotated .Values.ingress.className)", "false"},
		{"short timeouts of a Service accepted", traffic, `range $list := list "ingress" "service"`, `range $list := list "ingress"`},
		{"a timeout too short by one accepted", traffic, "if lt (int .) $needed", "if lt (int . | add1) $needed"},
		{"a short timeout of a route accepted", traffic, "if and $seconds (lt $seconds $run)", "if and $seconds (gt $seconds 100000)"},
		{"clients of an ALB that are blocked, accepted", traffic, `else if has $controller (list "alb" "azure" "gce")`, `else if has $controller (list "azure" "gce")`},
	}},
	{"TestRules/(rollout-)", []mutant{
		{"a rollout that is stuck accepted", rollout, `"^0+%?$" (dig`, `"^0$" (dig`},
		{"0 % reported as a loss of capacity", rollout, `(not (regexMatch "^0+%?$" $unavailable))`, `(ne $unavailable "0")`},
	}},
	{"TestRules/(scale-|autoscaler-)", []mutant{
		{"no metric accepted", scaling, "if and (include \"ai-agent.autoscaled\" $) (not (or", "if and false (not (or"},
		{"a short scale-down window accepted", scaling, `(lt (int $window) $needed)`, `(lt (int $window) 60)`},
		{"a scale-down window of no time accepted", scaling, `(ne (toString $window) "")`, `(ne (int $window) 0)`},
	}},
	{"TestRules/(disruption-)", []mutant{
		{"a disruption budget that blocks drains accepted", disruption, "(ge (int $kept) (int .least))", "(gt (int $kept) (int .least))"},
		{"a percentage that is rounded down", disruption, "0.01 | ceil)", "0.01 | floor)"},
		{"a disruption budget without a limit accepted", disruption, "and (kindIs \"invalid\" $budget.minAvailable)", "and false"},
	}},
	{"TestRules/(config-|credential-|run-budget|url-)", []mutant{
		{"credentials by their names accepted", plainText, "$isNamed := or (has .name $names.credentials) $isRandom", "$isNamed := false"},
		{"credentials for a test accepted", plainText, "range $name, $value := .Values.helmTest.variables", "range $name, $value := dict"},
		{"credentials by their forms accepted", plainText, "(regexMatch $shapes $text)", "false"},
		{"credentials within a text accepted", plainText, "(regexMatch $assigned $rest)", "false"},
		{"a reference to a variable refused", plainText, "regexReplaceAllLiteral $reference .value \"\"", ".value"},
		{"a placeholder refused", plainText, "regexReplaceAll $excluded $text \"${1}${2}\"", "$text"},
		{"the key of a record refused", plainText, "if not (has . $others)", "if true"},
		{"a flag without its word", plainText, "($isFlag | ternary \"\" $flag)", "\"\""},
		{"credentials in env accepted", plainText, "- [env]\n", ""},
		{"numbers in config accepted", config, "(kindIs \"string\" $entry.value)", "(kindIs \"float64\" $entry.value)"},
		{"a name that YAML changed", config, `has $name (list "true" "false")`, `has $name (list "true")`},
		{"a run budget in the Secret accepted", config, `(list (list "secret" "stringData") $secret.stringData)`, `(list (list "secret" "stringData") dict)`},
		{"a run budget in env accepted", config, `has .name $derived`, `has .name (list "MAX_RUN")`},
		{"a URL without a scheme accepted", "templates/validation/_network.tpl", "$readable := not (empty $url.scheme)", "$readable := true"},
		{"a rule for telemetry accepted for any server", "templates/validation/_network.tpl", `list "53" "4317" "4318" "6443"`, "list"},
		{"a range of ports accepted for any port", "templates/validation/_network.tpl", "(le (int .) (int $.range.endPort))", "true"},
		{"a rule for UDP accepted for a server of TCP", "templates/validation/_network.tpl", `(eq (default "TCP" .protocol) "TCP") $matches`, "true $matches"},
		{"the first port of a range, not the last", "templates/validation/_network.tpl", `(has (toString (default .port .endPort)) $others)`, "true"},
		{"every port, by its protocol, accepted", "templates/validation/_network.tpl", "(or (not .port) $range)", "$range"},
	}},
	{"TestRules/(secret-|external-)", []mutant{
		{"two sources of secrets accepted", secrets, "gt (len $sources) 1", "gt (len $sources) 2"},
		{"values that are ignored accepted", secrets, "if and (first $sources) (compact", "if and false (compact"},
		{"an ExternalSecret without a store accepted", secrets, "(dig \"storeRef\" \"name\" \"\" $source)", "true"},
		{"an empty ExternalSecret accepted", secrets, "(not (or .data .dataFrom))", "false"},
	}},
	{"TestRules/(schedule-)", []mutant{
		{"a schedule without a task accepted", jobRules, "or $schedule.task $schedule.command", "or $name $schedule.command"},
		{"a schedule that replaces runs accepted", schedules, `"Replace"`, `"Replaces"`},
		{"the name of a CronJob too long by one accepted", schedules, "(gt (len $full) 52)", "(gt (len $full) 53)"},
	}},
	{"TestRules/(monitor|metrics)", []mutant{
		{"two monitors accepted", monitoring, "if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled", "if false"},
		{"metrics on the port of the agent accepted", monitoring, "if eq (int .) (int $.Values.containerPort)", "if false"},
	}},

	// What rules read.
	{"TestTimeoutOf|TestRules/(timeout-|config-)", []mutant{
		{"milliseconds read as seconds", "templates/_timeouts.tpl", `"ms" 1e-3`, `"ms" 1`},
		{"days that are not read", "templates/_timeouts.tpl", "(us|ms|y|M|w|d|h|m|s)", "(us|ms|y|M|w|h|m|s)"},
		{"HAProxy's numbers read as seconds", times, "haproxy.org/timeout-server: {unit: ms}", "haproxy.org/timeout-server: {unit: s}"},
		{"an ALB's list without its default", times, "idle_timeout.timeout_seconds, default: 60", "idle_timeout.timeout_seconds, default: 6000"},
		{"an ALB timeout without its limit", times, "idle_timeout.timeout_seconds, default: 60, limit: 4000", "idle_timeout.timeout_seconds, default: 60"},
		{"a Service's timeout without its limit", times, "integer: true, default: 60, limit: 4000", "integer: true, default: 60"},
		{"a Service's timeout with a unit", times, "integer: true, default: 60, limit: 4000", "default: 60, limit: 4000"},
		{"an nginx timeout with a unit", times, "proxy-send-timeout: {unit: s, integer: true", "proxy-send-timeout: {unit: s"},
		{"one directive of two", times, "{unit: s, directives: [proxy_read_timeout, proxy_send_timeout]}", "{unit: s, directives: [proxy_read_timeout]}"},
		{"an annotation that is not validated", times, "nginx.org/proxy-read-timeout: {unit: s}\n", ""},
		{"an API key that is not recognized", "files/credentials.yaml", "(?:Api|Access|", "(?:Access|"},
	}},
	// The schema.
	{"TestKubeVersion|TestPodSpec|TestSchemaRefuses|TestEachSchemaRule", []mutant{
		{"a run of no time", schema, `"maximum": 86400,
          "minimum": 1,`, `"maximum": 86400,`},
		{"a run of weeks", schema, `"maximum": 86400,
          "minimum": 1,`, `"minimum": 1,`},
		{"any type of agent", schema, `"enum": [
            "api",
            "embeddings",
            "local-model",
            "orchestrator"
          ],
`, ""},
		{"a run budget that may be removed", schema, `"maxRunSeconds",`, ""},
		{"unknown keys of values", schema, `  "additionalProperties": false,
  "properties": {
    "affinity"`, `  "properties": {
    "affinity"`},
		{"a field of the chart in podSpec", schema, `"hostUsers": {`, `"terminationGracePeriodSeconds": {"type": "integer"}, "hostUsers": {`},
		{"a digest of any form", schema, `"pattern": "^(sha256:[0-9a-f]{64})?$",
`, ""},
		{"an older Kubernetes", "Chart.yaml", `kubeVersion: ">=1.34.0-0"`, `kubeVersion: ">=1.30.0-0"`},
	}},
}
