#!/usr/bin/env bash
# Makes what is derived: the chart's schema and README of values.yaml, and the
# definitions of Kubernetes and others that it and the tests refer to.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$root/charts/ai-agent
cd "$root"
module() { # MODULE@VERSION prints its folder
	GOFLAGS=-mod=mod go mod download -json "$1" | sed -n 's#.*"Dir": "\(.*\)".*#\1#p'
}
swagger() { # VERSION of Kubernetes
	echo "$(module "k8s.io/kubernetes@$1")/api/openapi-spec/swagger.json"
}

latest=$(node_version k8s.io/kubernetes)
go run ./ci/schema values "$(swagger "$latest")" >"$chart/schema/kubernetes.json"
rm -rf test/schemas/*/
for version in "$latest" $OLDER_KUBERNETES; do
	go run ./ci/schema kinds "$(swagger "$version")" "test/schemas/$version"
done
for crd in $CUSTOM_RESOURCES; do
	go run ./ci/schema custom "$(module "${crd%%:*}")/${crd#*:}" test/schemas/custom
done
(cd "$chart" && helm-values-schema-json)
go run ./ci/schema require "$chart/values.schema.json" "$chart/values.yaml"
helm-docs --log-level warning --chart-search-root charts --sort-values-order file
go test ./test/render -run TestGolden -update >/dev/null
