#!/usr/bin/env bash
# Installs the CRDs of the custom resources that the chart can create, and those of Flux,
# in the cluster CLUSTER, for the live tests. ingress-controller.sh installs those of the
# Gateway API.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
files=() crds=$(grep -v gateway-api <<<"$CUSTOM_RESOURCES")
for crd in $crds; do
	files+=("$(module_dir "${crd%%:*}")/${crd#*:}")
done
for controller in source-controller helm-controller; do
	module=$(go -C ci/flux list -m -f '{{.Path}}@{{.Version}}' "github.com/fluxcd/$controller")
	files+=("$(module_dir "$module")/config/crd/bases")
done
for file in "${files[@]}"; do
	apply_crds "$file"
done
echo "the CRDs of the chart's custom resources and of Flux are installed"
