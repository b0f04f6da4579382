#!/usr/bin/env bash
# Removes the cluster CLUSTER. Images and tools stay: the next start is quick.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -x "$bin/kind" ] || die "bin/kind is not built, so nothing was started from here" "'make tools' builds it."
kind delete cluster --name "$CLUSTER"
