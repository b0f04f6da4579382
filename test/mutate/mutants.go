package main

// mutant is one defect: in a file of the chart, the first from becomes to.
type mutant struct{ defect, file, from, to string }

const (
	pod     = "templates/_pod.tpl"
	budget  = "templates/_budget.tpl"
	guards  = "templates/_guards.tpl"
	names   = "templates/_names.tpl"
	network = "templates/_network.tpl"
	cron    = "templates/cronjob.yaml"
	values  = "values.yaml"
)

var mutants = []mutant{
	// How a run ends.
	{"no preStop hook", pod, "preStop:\n  sleep:\n    seconds: {{ .Values.agent.endpointDelaySeconds }}", "postStart:\n  sleep:\n    seconds: 1"},
	{"Kubernetes' own grace of 30 s", pod, `terminationGracePeriodSeconds: {{ include "ai-agent.terminationGracePeriodSeconds" .root }}`, "terminationGracePeriodSeconds: 30"},
	{"grace without the endpoint delay", budget, "add .Values.agent.endpointDelaySeconds .Values.agent.maxRunSeconds", "add .Values.agent.maxRunSeconds"},
	{"no time to close", budget, "\n20\n", "\n0\n"},
	{"Ingress timeout of a minute", budget, "max 300 (int .Values.agent.maxRunSeconds) }}\n{{- end }}\n\n{{/* The autoscaler", "60 }}\n{{- end }}\n\n{{/* The autoscaler"},
	{"whole answer shorter than the run", budget, "add .Values.agent.maxRunSeconds 30", "sub .Values.agent.maxRunSeconds 30"},
	{"scale-down window that ignores the run", budget, "max 300 (int .Values.agent.maxRunSeconds) | min 3600", "300"},
	{"window over Kubernetes' 3600 s", budget, " | min 3600", ""},
	{"Job that may take no longer than a run", budget, "(add .root.Values.agent.maxRunSeconds 120)", "(add .root.Values.agent.maxRunSeconds 0)"},
	{"the agent is not told its budget", "templates/_config.tpl", `"MAX_RUN_SECONDS" (int64`, `"MAX_RUN_TIME" (int64`},
	{"a changed budget rolls no pod", pod, `include "ai-agent.configData" .root | sha256sum`, `toJson .root.Values.config | sha256sum`},
	{"a buffered stream", "templates/_ingress.tpl", `proxy-buffering: "off"`, `proxy-buffering: "on"`},
	{"HTTPRoute without timeouts", "templates/httproute.yaml", "backendRequest: {{", "# {{"},
	{"a rollout that takes a pod first", values, "maxUnavailable: 0", "maxUnavailable: 1"},

	// Probes.
	{"liveness asks dependencies", values, "livenessProbe: # @schema $ref:schema/kubernetes.json#/$defs/Probe;skipProperties:true;additionalProperties:true\n  httpGet:\n    path: /health", "livenessProbe: # @schema $ref:schema/kubernetes.json#/$defs/Probe;skipProperties:true;additionalProperties:true\n  httpGet:\n    path: /ready"},
	{"readiness asks only the process", values, "path: /ready", "path: /health"},
	{"a short start", values, "failureThreshold: 65", "failureThreshold: 6"},
	{"no startup probe", pod, `list "livenessProbe" "readinessProbe" "startupProbe"`, `list "livenessProbe" "readinessProbe"`},
	{"a hung pod waits its whole grace", values, "  terminationGracePeriodSeconds: 10\n# -- Takes", "# -- Takes"},

	// Sizes and scaling.
	{"an embeddings agent without its memory", "templates/_resources.tpl", "{cpu: 2000m, memory: 2Gi}", "{cpu: 2000m, memory: 1Gi}"},
	{"no limits", "templates/_resources.tpl", "limits: {cpu: 1000m, memory: 1Gi}", "limits: {}"},
	{"own resources ignored", "templates/_resources.tpl", "(.root.Values.resources | default dict | deepCopy) ", ""},
	{"replicas under an autoscaler", "templates/_replicas.tpl", "{{- if and $asked $count }}", "{{- if $count }}"},
	{"memory target for CPU", "templates/hpa.yaml", `"cpu" .targetCPUUtilizationPercentage`, `"cpu" .targetMemoryUtilizationPercentage`},
	{"minimum and maximum swapped", "templates/hpa.yaml", "minReplicas: {{ .minReplicas }}", "minReplicas: {{ .maxReplicas }}"},
	{"all pods go at once", values, "{type: Pods, value: 1, periodSeconds: 120}", "{type: Pods, value: 10, periodSeconds: 15}"},
	{"autoscaler of another Deployment", "templates/hpa.yaml", `name: {{ include "ai-agent.fullname" $ | quote }}`, "name: agent"},

	// Who is selected.
	{"a selector that schedules match", names, `{{ include "ai-agent.instanceLabels" . }}
app.kubernetes.io/component: server`, `{{ include "ai-agent.instanceLabels" . }}`},
	{"schedules labelled as servers", cron, `(dict "root" $ "component" "schedule") | nindent 10`, `(dict "root" $ "component" "server") | nindent 10`},
	{"Service with another port", "templates/service.yaml", "targetPort: http", "targetPort: 8080"},
	{"Service that selects everything of the release", "templates/service.yaml", `include "ai-agent.selectorLabels"`, `include "ai-agent.instanceLabels"`},
	{"budget that counts schedules", "templates/pdb.yaml", `include "ai-agent.selectorLabels"`, `include "ai-agent.instanceLabels"`},
	{"user's labels over the chart's", names, `merge $component (include "ai-agent.labels" .root | fromYaml) (.labels | default dict) (.root.Values.commonLabels | default dict)`, `merge (dict) (.root.Values.commonLabels | default dict) $component (include "ai-agent.labels" .root | fromYaml) (.labels | default dict)`},
	{"budget that broken pods block", "templates/pdb.yaml", "  unhealthyPodEvictionPolicy: {{ .unhealthyPodEvictionPolicy }}\n", ""},

	// What is kept apart.
	{"policy for one direction", "templates/networkpolicy.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]"},
	{"policy that spares schedules", "templates/networkpolicy.yaml", `include "ai-agent.instanceLabels"`, `include "ai-agent.selectorLabels"`},
	{"metadata address reachable", network, "      - 169.254.0.0/16\n- ipBlock:\n    cidr: ::/0\n    except:\n      - fc00::/7", "- ipBlock:\n    cidr: ::/0\n    except:\n      - fc00::/7"},
	{"private addresses reachable", network, "      - 10.0.0.0/8\n", ""},
	{"private IPv6 reachable", network, "      - fc00::/7\n", ""},
	{"every namespace's Redis", network, `kubernetes.io/metadata.name: {{ $namespace | quote }}`, "{}"},
	{"token mounted", pod, "automountServiceAccountToken: {{ $values.serviceAccount.automount }}", "automountServiceAccountToken: true"},
	{"Services in the environment", pod, "enableServiceLinks: false", "enableServiceLinks: true"},
	{"root file system writable", values, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
	{"privileges may grow", values, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
	{"capabilities kept", values, "    drop:\n      - ALL", "    add: []"},
	{"container security context lost", pod, "{{- with $values.securityContext }}", "{{- with dict }}"},
	{"no size for /tmp", pod, "      sizeLimit: {{ $values.tmp.sizeLimit }}", "      {}"},
	{"test pod without a security context", "templates/_tests.tpl", "{{- toYaml $values.securityContext | nindent 8 }}", "{}"},

	// Secrets and configuration.
	{"Secret not in the environment", pod, "- secretRef:", "- configMapRef:"},
	{"empty keys in the Secret", "templates/secret.yaml", "{{- with $value }}{{ $data = set $data $name (b64enc .) }}{{ end }}", "{{- $data = set $data $name (b64enc $value) }}"},
	{"changed Secret rolls no pod", "templates/_secret.tpl", "toJson (list .Values.secret $live) | sha256sum", `"none"`},
	{"millions as exponents", "templates/_config.tpl", `printf "%.0f" .`, "toString ."},
	{"digest ignored", names, "{{- with .Values.image.digest }}", "{{- with dict }}"},
	{"pull secrets lost", pod, "{{- with $values.imagePullSecrets }}", "{{- with dict }}"},
	{"ExternalSecret fills another Secret", "templates/externalsecret.yaml", `name: {{ include "ai-agent.secretName" $ | quote }}`, "name: other"},

	// Placement.
	{"pods Pending without room", pod, "whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: DoNotSchedule"},
	{"spread counts old pods", pod, "  matchLabelKeys: [pod-template-hash]\n", ""},
	{"no anti-affinity", pod, "{{- .Values.affinity | default", "{{- dict | default dict | default"},

	// Schedules.
	{"schedule that restarts its run", pod, `ternary "Always" "Never"`, `ternary "Always" "OnFailure"`},
	{"overlapping schedules", cron, `default "Forbid"`, `default "Allow"`},
	{"no deadline for a Job", cron, "activeDeadlineSeconds: {{", "# {{"},
	{"schedule in another time zone", cron, "timeZone: {{ quote . }}", "timeZone: UTC"},
	{"task without quotes", pod, `(list "run" "--task" .schedule.task)`, `(list "run" .schedule.task)`},

	// Monitoring.
	{"monitor without its API", "templates/servicemonitor.yaml", `($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor")`, "true"},

	// Guards.
	{"latest let through", guards, `eq (toString .tag) "latest"`, `eq (toString .tag) "newest"`},
	{"grace short by one let through", guards, "lt $grace $needed", "lt (add1 $grace) $needed"},
	{"blocking budget let through", guards, "(ge $share $pods)", "(gt $share $pods)"},
	{"credentials let through", guards, "if or $named $shaped", "if and $named $shaped"},
	{"two Secret sources let through", guards, "gt (len $sources) 1", "gt (len $sources) 2"},
	{"request over limit let through", guards, "if and $limit (gt", "if and $limit (lt"},
	{"hook of no time let through", guards, `or (hasKey $hook "sleep") (ne (toString $sleep) "")`, `ne (toString $sleep) "0"`},
	{"hook that takes the run's time let through", guards, "{{- if gt $sleep (int .Values.agent.endpointDelaySeconds) }}", "{{- if gt $sleep 100000 }}"},
	{"short ALB drain let through", guards, `eq .name "alb.ingress.kubernetes.io/target-group-attributes"`, `eq .name "alb"`},
	{"budget in the Secret let through", guards, `hasKey ($keys | default dict) "MAX_RUN_SECONDS"`, `hasKey ($keys | default dict) "MAX_RUN"`},
	{"retries without time", budget, "add1 (.schedule.backoffLimit | default 0)", "add1 0"},
	{"a null that stays", names, `if not (kindIs "invalid" $value)`, "if true"},
	{"schedule on any node", pod, `with dig "nodeAffinity" nil`, `with dig "noAffinity" nil`},
	{"/tmp mounted twice", pod, `{{- if not (include "ai-agent.mountsTmp" .root) }}`, "{{- if true }}"},
	{"alerts that know no long name", names, "-[a-z0-9]+-?[a-z0-9]+", "-[a-z0-9]+"},
	{"milliseconds read as seconds", guards, `"ms" 1e-3`, `"ms" 1`},
	{"any run time in env let through", guards, `eq .name "MAX_RUN_SECONDS"`, `eq .name "MAX_RUN"`},
}
