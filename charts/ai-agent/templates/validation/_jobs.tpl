{{- define "ai-agent.rule.job-name" -}}
{{- range $name, $job := .Values.jobs }}
  {{- $full := printf "%s-%s" (include "ai-agent.fullname" $) $name }}
  {{- if and $job (or (gt (len $full) 63) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name))) }}
- path: [jobs, {{ quote $name }}]
  problem: >-
    {{ quote $name }} is not a valid name for a job, or {{ quote $full }}, the name of its Job, has more than 63 characters.
  fix: >-
    Use lowercase letters, digits and hyphens; begin and end with a letter or digit. Shorten it if {{ quote $full }} is too long.
  {{- end }}
{{- end }}
{{- end }}

{{/* An image usually starts a server, which never ends. */}}
{{- define "ai-agent.rule.job-without-command" -}}
{{- range $name, $job := include "ai-agent.compact" .Values.jobs | fromYaml }}
  {{- if not (or $job.command $job.args) }}
- path: [jobs, {{ quote $name }}, command]
  problem: >-
    The job {{ quote $name }} has neither command nor args: it would start what the image starts, and an upgrade would wait for that to end.
  fix: >-
    Set jobs.{{ $name }}.command to what the job runs, or args for the image's entry point.
  {{- end }}
{{- end }}
{{- end }}

{{- define "ai-agent.rule.schedule-without-command" -}}
{{- range $name, $schedule := include "ai-agent.compact" .Values.schedules | fromYaml }}
  {{- if not (or $schedule.task $schedule.command $schedule.args) }}
- path: [schedules, {{ quote $name }}, task]
  problem: >-
    The schedule {{ quote $name }} has neither a task nor a command nor args.
  fix: >-
    Set schedules.{{ $name }}.task for an image that understands run --task, or schedules.{{ $name }}.command.
  {{- end }}
{{- end }}
{{- end }}

{{/* A sealed value belongs to the name of one Secret, so there cannot be a second one for the hook. */}}
{{- define "ai-agent.rule.job-secret-sealed" -}}
{{- range $name, $job := include "ai-agent.compact" .Values.jobs | fromYaml }}
  {{- if and $.Values.secret.sealedSecret.encryptedData (include "ai-agent.runsEarly" $job) }}
- path: [jobs, {{ quote $name }}, hooks]
  problem: >-
    The job {{ quote $name }} runs before the SealedSecret is created, and its pod would wait for the Secret until the install fails.
  fix: >-
    Create the SealedSecret before the release and set secret.existingSecret, or run the job afterwards:
    hooks: [post-install, post-upgrade].
  {{- end }}
{{- end }}
{{- end }}

{{/* A cloud trusts a ServiceAccount by its name. */}}
{{- define "ai-agent.rule.job-cloud-identity" -}}
{{- $account := .Values.serviceAccount }}
{{- $early := include "ai-agent.earlyHooks" . }}
{{- $bound := or .Values.secret.secretProviderClass.provider (has "eks-pod-identity" .Values.networkPolicy.egress.cloudIdentity) }}
{{- if and $early $account.create $bound }}
- path: [serviceAccount, create]
  problem: >-
    Jobs that run before the release's objects exist have a ServiceAccount of their own,
    {{ include "ai-agent.serviceAccountName" (merge (dict "hooks" $early) .) }}. What trusts ServiceAccounts by name, such as Vault or EKS
    Pod Identity, must trust it too.
  fix: >-
    Let it trust both names, then add job-cloud-identity to validation.skip. Or create the ServiceAccount yourself, and set
    serviceAccount.name and serviceAccount.create: false.
{{- end }}
{{- range $annotation := list "eks.amazonaws.com/role-arn" "iam.gke.io/gcp-service-account" "azure.workload.identity/client-id" }}
  {{- if and $early $account.create (get ($account.annotations | default dict) $annotation) }}
- path: [serviceAccount, create]
  problem: >-
    Jobs that run before the release's objects exist have a ServiceAccount of their own,
    {{ include "ai-agent.serviceAccountName" (merge (dict "hooks" $early) $) }}. Its annotation {{ $annotation }} has no effect unless the
    cloud trusts that name too.
  fix: >-
    Let the cloud trust both names, then add job-cloud-identity to validation.skip. Or create the ServiceAccount yourself, and set
    serviceAccount.name and serviceAccount.create: false.
  {{- end }}
{{- end }}
{{- end }}
