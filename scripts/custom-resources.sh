#!/usr/bin/env bash
# Installs the CRDs of the custom resources that the chart can create in the cluster
# CLUSTER, for the live tests. No controller acts on them. ingress-controller.sh installs
# those of the Gateway API.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
crds=$(grep -v gateway-api <<<"$CUSTOM_RESOURCES")
for crd in $crds; do
	file=$(module_dir "${crd%%:*}")/${crd#*:}
	kubectl apply --server-side -f "$file"
	kubectl wait --for condition=Established --timeout 60s -f "$file"
done
echo "the CRDs of $(wc -w <<<"$crds") custom resources are installed"
