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
# Disabled, to work offline: Chart.yaml's schema and yamllint need Python, maintainers need
# GitHub, and the version is checked at a release.
mkdir -p "$cache/logs"
ct lint --charts charts/ai-agent --validate-chart-schema=false --validate-yaml=false --validate-maintainers=false --check-version-increment=false >"$cache/logs/ct.log" ||
	{ tail -n 20 "$cache/logs/ct.log"; exit 1; }
# The add-ons require the names of their images.
helm lint --strict --quiet ci/addons/* --set image=lint,images.redis=lint,images.postgres=lint,images.agent=lint
