#!/usr/bin/env bash
# Says what is wrong with the values files VALUES, as a table or as OUTPUT says.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build() { go build -C "$root" -buildvcs=false -o "$bin/validate" ./test/validate; }
# Progress goes to stderr: stdout is the report's.
[ -x "$bin/kube-score" ] || step "tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test >&2
if [ -x "$bin/validate" ]; then build; else step "validate" "The Go modules must be reachable." build >&2; fi
read -ra files <<<"${VALUES:-}"
exec validate --chart "$root/charts/ai-agent" --output "${OUTPUT:-table}" "${files[@]}"
