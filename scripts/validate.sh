#!/usr/bin/env bash
# Reports the problems in the values files VALUES for the chart CHART, by default that of
# this repository, as a table or in the format OUTPUT.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Progress goes to stderr, because stdout is the report.
[ "$("$bin/kube-validate" --version 2>/dev/null)" = "$(node_version k8s.io/kubernetes)" ] || step "tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test >&2
go build -C "$root" -o "$bin/validate" ./test/validate # from the current source
read -ra files <<<"${VALUES:-}"
exec validate --chart "${CHART:-$root/charts/ai-agent}" --output "${OUTPUT:-table}" ${PLATFORM:+--platform "$PLATFORM"} ${files[@]+"${files[@]}"}
