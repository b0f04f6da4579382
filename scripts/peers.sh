#!/usr/bin/env bash
# Renders other charts, for `make bench-runs PEERS=FOLDER`, into a folder: peers.sh FOLDER.
# It clones their repositories, so it needs the internet and `make tools`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -eq 1 ] || die "peers.sh needs one argument" "Name the folder for the manifests: scripts/peers.sh peers"
mkdir -p "$1"
target=$(cd "$1" && pwd)
clones=$(mktemp -d)
trap 'rm -rf "$clones"' EXIT

# peer NAME REPOSITORY REVISION CHART ARGUMENT... renders a chart with values of test/testdata/peers.
peer() {
	[ -d "$clones/$1" ] || git clone --quiet "https://github.com/$2" "$clones/$1"
	git -C "$clones/$1" checkout --quiet --detach "$3"
	"$bin/helm" template ai-agent "$clones/$1/$4" --values "$root/test/testdata/peers/$1.yaml" "${@:5}" >"$clones/$1.yaml"
	mv "$clones/$1.yaml" "$target/"
	echo "$target/$1.yaml: $2 at $3"
}

peer gruntwork gruntwork-io/helm-kubernetes-services 47137d8 charts/k8s-service
peer stakater stakater/application v9.2.0 application --api-versions autoscaling/v2/HorizontalPodAutoscaler,policy/v1/PodDisruptionBudget
peer langgraph-cloud langchain-ai/helm langgraph-cloud-0.3.2 charts/langgraph-cloud
# The chart depends on another one of its repository, and its schema refers to URLs.
git clone --quiet --config advice.detachedHead=false --branch app-template-4.1.1 https://github.com/bjw-s-labs/helm-charts "$clones/bjw-s"
mkdir "$clones/bjw-s/charts/other/app-template/charts"
cp -rL "$clones/bjw-s/charts/library/common" "$clones/bjw-s/charts/other/app-template/charts/"
peer bjw-s bjw-s-labs/helm-charts app-template-4.1.1 charts/other/app-template --skip-schema-validation
