#!/usr/bin/env bash
# Removes the cluster CLUSTER. Images and tools stay, so the next start is quick.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -x "$bin/kind" ] || die "bin/kind is missing" "Build it with 'make tools', then run the command again."
kind delete cluster --name "$CLUSTER"
# Containers that an interrupted live test left outside the cluster.
for server in $(docker ps --all --quiet --filter "label=ai-agent/outside-of=$CLUSTER"); do docker rm --force "$server"; done
