#!/usr/bin/env bash
# Makes what is derived: the chart's schema and README of values.yaml, and the
# Kubernetes definitions that the schema refers to.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$root/charts/ai-agent
(cd "$root/ci/node" && go mod download k8s.io/kubernetes)
kubernetes=$(cd "$root/ci/node" && go list -m -f '{{.Dir}}' k8s.io/kubernetes)
cd "$root"
go run ./ci/schema "$kubernetes/api/openapi-spec/swagger.json" >"$chart/schema/kubernetes.json"
(cd "$chart" && helm-values-schema-json)
helm-docs --log-level warning --chart-search-root charts --sort-values-order file
