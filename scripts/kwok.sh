#!/usr/bin/env bash
# Builds kwok, which simulates nodes for `make scale`, into bin/, and writes how its nodes
# and pods behave to .cache/kwok.yaml: Ready at once, gone at once, with the metrics that
# metrics-server reads.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root/ci/kwok"
go_build -ldflags '-s -w' -o "$bin/" tool
config=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize
mkdir -p "$cache"
for file in "$config"/stage/{node/fast/node-initialize,node/heartbeat-with-lease/node-heartbeat-with-lease,pod/fast/pod-ready,pod/fast/pod-complete,pod/fast/pod-delete}.yaml \
	"$config"/metrics/{usage/usage-from-annotation,resource/metrics-resource}.yaml; do
	echo "---"
	cat "$file"
done >"$cache/kwok.yaml"
echo "bin/kwok is $(go list -m -f '{{.Version}}' sigs.k8s.io/kwok)"
