#!/usr/bin/env bash
# Runs every static check: formatting, Go, shell, charts.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
unformatted=$(gofmt -l test ci)
[ -z "$unformatted" ] || die "not formatted: $unformatted" "Run: gofmt -w test ci"
go vet ./...
staticcheck ./...
# The node's other program, coredns, is nothing but imports.
(cd ci/node && go vet ./pause && staticcheck ./pause)
(cd ci/kube-validate && go vet . && staticcheck .)
command -v shellcheck >/dev/null ||
	apt_install "shellcheck is missing" "Install it with your package manager." shellcheck
shellcheck scripts/*.sh ci/engine/* .ci/run
actionlint
helm lint --strict --quiet charts/ai-agent
# The add-ons require the names of their images.
helm lint --strict --quiet ci/addons/* --set image=lint,images.redis=lint,images.postgres=lint,images.agent=lint
