#!/usr/bin/env bash
# Every check that needs no test: formatting, Go, shell, chart.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
unformatted=$(gofmt -l test ci)
[ -z "$unformatted" ] || die "not formatted: $unformatted" "Run: gofmt -w test ci"
go vet ./...
staticcheck ./...
command -v shellcheck >/dev/null ||
	apt_install "shellcheck is missing" "Install it with your package manager." shellcheck
shellcheck scripts/*.sh ci/engine/* .ci/run
helm lint --strict --quiet charts/ai-agent
