#!/usr/bin/env bash
# Runs every test, the live suites in a cluster of their own: a user's
# ai-agent cluster and kubeconfig are left alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export CLUSTER=ai-agent-test KUBECONFIG=$cache/kubeconfig-test
RECREATE=yes "$root/scripts/environment.sh" || exit
step "test tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test
step "ingress controller" "The Go modules must be reachable." "$root/scripts/ingress-controller.sh"
cd "$root"
# Apart, so that no compiler takes the cores from a cluster under test.
mapfile -t packages < <(go list ./... | grep -v /test/live)
gotestsum --format testname -- -count=1 "${packages[@]}"
# Live tests mostly wait for Kubernetes: more of them than there are cores. Nobody
# debugs the binary, and without what that takes it is linked sooner.
KUBE_CONTEXT=kind-$CLUSTER gotestsum --format testname -- -count=1 -parallel 6 -timeout 60m -ldflags='-s -w' ./test/live
