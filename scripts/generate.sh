#!/usr/bin/env bash
# Makes what is derived: the chart's schema and README of values.yaml, and the
# Kubernetes definitions that the schema refers to.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$root/charts/ai-agent
cd "$root"
swagger() { # VERSION of Kubernetes
	GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@$1" | sed -n 's#.*"Dir": "\(.*\)".*#\1/api/openapi-spec/swagger.json#p'
}

latest=$(node_version k8s.io/kubernetes)
go run ./ci/schema values "$(swagger "$latest")" >"$chart/schema/kubernetes.json"
rm -rf test/schemas
for version in "$latest" $OLDER_KUBERNETES; do
	go run ./ci/schema kinds "$(swagger "$version")" "test/schemas/$version"
done
(cd "$chart" && helm-values-schema-json)
helm-docs --log-level warning --chart-search-root charts --sort-values-order file
