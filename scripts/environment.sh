#!/usr/bin/env bash
# Creates the cluster CLUSTER with everything an agent needs, from nothing if necessary;
# with the argument "test", also what only tests need. Each step keeps what it finds, so
# the script can be interrupted and run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v go >/dev/null || die "Go is not installed" "Install Go $(sed -n 's/^go //p' "$root/go.mod") or newer, then run the command again."
# Calls at the same time share bin/ and .cache/ and would overwrite each other's files.
lock "$cache/lock"
plan=$("$root/scripts/engine.sh" plan && "$root/scripts/node-image.sh" plan && { [ "${1:-}" != test ] || { "$root/scripts/proxies.sh" plan && "$root/scripts/browser.sh" plan && "$root/scripts/servers-image.sh" plan; }; })
announce "$plan"
again="Fix the cause and run the command again; it resumes with this step."
here=$root/scripts
step "container engine" "$again" "$here/engine.sh"
step "tools" "The Go modules must be reachable. $again" "$here/tools.sh" "$@"
step "node image" "Name an existing image with NODE_IMAGE=, or: $again" "$here/node-image.sh"
step "cluster" "Remove what is left with 'make down CLUSTER=$CLUSTER'. $again" "$here/cluster.sh"
step "agent image" "$again" "$here/agent-image.sh"
step "add-ons" "Run '${KUBECONFIG:+KUBECONFIG=$KUBECONFIG }$bin/kubectl --context kind-$CLUSTER get pods --all-namespaces'. $again" "$here/addons.sh"
if [ "${1:-}" = test ]; then
	step "custom resources" "The Go modules must be reachable. $again" "$here/custom-resources.sh"
	step "agent servers" "$again" "$here/servers-image.sh" debian
	step "ingress controller" "The Go modules must be reachable. $again" "$here/ingress-controller.sh"
fi
