#!/usr/bin/env bash
# Finds the kind cluster CLUSTER or creates it, and puts its kubectl into bin/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$(<"$cache/node-image")
nodes=$(grep -c 'role:' "$root/ci/kind.yaml")

take_kubectl() { # from the node image: always the cluster's own version
	local container
	container=$(docker create "$image")
	docker cp "$container:/usr/bin/kubectl" "$bin/kubectl"
	docker rm "$container" >/dev/null
}

exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; }

ready_nodes() {
	kubectl --context "kind-$CLUSTER" --request-timeout 5s get nodes --no-headers 2>/dev/null | awk '$2 == "Ready"' | wc -l
}

await_nodes() { # SECONDS: kind's nodes start again by themselves with the engine, and take a while
	for _ in $(seq "$1"); do
		[ "$(ready_nodes)" -eq "$nodes" ] && return
		sleep 1
	done
	return 1
}

mkdir -p "$bin"
take_kubectl
if exists; then
	kind export kubeconfig --name "$CLUSTER" || true
	if await_nodes 60; then
		echo "kind-$CLUSTER is there"
		exit 0
	fi
	echo "cluster $CLUSTER is not whole: it is created anew"
	kind delete cluster --name "$CLUSTER"
fi
kind create cluster --name "$CLUSTER" --image "$image" --config "$root/ci/kind.yaml" --wait 180s
await_nodes 120 || {
	kubectl --context "kind-$CLUSTER" get nodes,pods --all-namespaces
	die "not every node of $CLUSTER became Ready within 120 s" "Look at the pods above; make down removes the cluster."
}
echo "kind-$CLUSTER: $nodes nodes, $(kubectl --context "kind-$CLUSTER" version | sed -n 's/^Server Version: /Kubernetes /p')"
