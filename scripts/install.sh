#!/usr/bin/env bash
# Installs or upgrades the release ai-agent. The agent uses the model that OPENAI_API_KEY
# and OPENAI_BASE_URL name, by default the sample model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

helm() { command helm --kube-context "kind-$CLUSTER" --namespace default "$@"; }

# Helm refuses to upgrade a release whose last operation was interrupted.
case "$(helm status ai-agent 2>/dev/null | sed -n 's/^STATUS: //p')" in
pending-install | uninstalling) helm uninstall ai-agent --wait ;;
pending-*) helm rollback ai-agent --wait ;;
esac

options=()
if [ -n "${OPENAI_API_KEY:-}${OPENAI_BASE_URL:-}" ]; then
	options+=(--set-string "config.OPENAI_BASE_URL=${OPENAI_BASE_URL:-https://api.openai.com/v1}")
fi
# Pass the key by file descriptor: the process list shows arguments.
if [ -n "${OPENAI_API_KEY:-}" ]; then
	options+=(--set-file secret.stringData.OPENAI_API_KEY=/dev/fd/3)
fi
# --reset-values: the values of an earlier call must not remain.
helm upgrade --install ai-agent "$root/charts/ai-agent" --reset-values --wait --timeout 5m ${options[@]+"${options[@]}"} 3< <(printf %s "${OPENAI_API_KEY:-}") || {
	kubectl --namespace default get pods,events
	exit 1
}
echo "release ai-agent, revision $(helm history ai-agent --max 1 | awk 'END {print $1}')"
