#!/usr/bin/env bash
# Removes the cluster CLUSTER. Images and tools stay: the next start is quick.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -x "$bin/kind" ] || die "bin/kind is not built, so nothing was started from here" "'make tools' builds it."
kind delete cluster --name "$CLUSTER"
# What the live suites put beside it, if one was aborted.
docker ps --all --quiet --filter "label=ai-agent/outside-of=$CLUSTER" | xargs --no-run-if-empty docker rm --force
