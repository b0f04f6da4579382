#!/usr/bin/env bash
# Says what is wrong with the values files VALUES, as a table or as OUTPUT says.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Progress goes to stderr: stdout is the report's.
[ -x "$bin/validate" ] || step "tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test >&2
go build -C "$root" -buildvcs=false -o "$bin/validate" ./test/validate # of today's code
read -ra files <<<"${VALUES:-}"
exec validate --chart "$root/charts/ai-agent" --output "${OUTPUT:-table}" "${files[@]}"
