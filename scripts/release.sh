#!/usr/bin/env bash
# Installs or upgrades the release ai-agent. With OPENAI_API_KEY or
# OPENAI_BASE_URL it asks that model, else the sample one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

helm() { command helm --kube-context "kind-$CLUSTER" --namespace default "$@"; }

# Helm refuses a release whose last operation was killed half way.
case "$(helm status ai-agent 2>/dev/null | sed -n 's/^STATUS: //p')" in
pending-install | uninstalling) helm uninstall ai-agent --wait ;;
pending-*) helm rollback ai-agent --wait ;;
esac

options=()
if [ -n "${OPENAI_API_KEY:-}${OPENAI_BASE_URL:-}" ]; then
	options+=(--set-string "config.OPENAI_BASE_URL=${OPENAI_BASE_URL:-https://api.openai.com/v1}")
fi
# By file descriptor: an argument could be read in the process list.
if [ -n "${OPENAI_API_KEY:-}" ]; then
	options+=(--set-file secret.stringData.OPENAI_API_KEY=/dev/fd/3)
fi
# --reset-values: what an earlier call was given must not linger.
helm upgrade --install ai-agent "$root/charts/ai-agent" --reset-values --wait --timeout 5m "${options[@]}" 3< <(printf %s "${OPENAI_API_KEY:-}") || {
	kubectl --namespace default get pods,events
	exit 1
}
echo "release ai-agent, revision $(helm history ai-agent --max 1 | awk 'END {print $1}')"
