#!/usr/bin/env bash
# Generates the derived files: the chart's schema and README from values.yaml, and the
# schemas of Kubernetes and of custom resources that the chart's schema and the tests use,
# the golden files, and the picture of packages in CONTRIBUTING.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$root/charts/ai-agent
cd "$root"
swagger() { # KUBERNETES_VERSION prints the path of its OpenAPI document
	echo "$(module_dir "k8s.io/kubernetes@$1")/api/openapi-spec/swagger.json"
}

latest=$(node_version k8s.io/kubernetes)
go run ./ci/schema values "$(swagger "$latest")" >"$chart/schema/kubernetes.json"
rm -rf test/schemas/*/
for version in "$latest" $OLDER_KUBERNETES; do
	go run ./ci/schema kinds "$(swagger "$version")" "test/schemas/$version"
done
for crd in $CUSTOM_RESOURCES; do
	go run ./ci/schema custom "$(module_dir "${crd%%:*}")/${crd#*:}" test/schemas/custom
done
(cd "$chart" && helm-values-schema-json)
go run ./ci/schema require "$chart/values.schema.json" "$chart/values.yaml"
helm-docs --log-level warning --chart-search-root charts --sort-values-order file
go test ./test/render -run 'TestGolden|TestMessages' -update >/dev/null
go test ./test/house -run TestPackagePictureIsCurrent -update >/dev/null
