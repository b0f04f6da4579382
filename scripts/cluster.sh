#!/usr/bin/env bash
# Finds the kind cluster CLUSTER or creates it, and puts its kubectl into bin/.
# A cluster is thrown away only where this script was ended while creating it, or
# where RECREATE=yes says that it may be.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$(<"$cache/node-image")
config=$root/ci/kind.yaml
nodes=$(grep -c 'role:' "$config")
control_plane=$CLUSTER-control-plane
recipe=$(cat "$cache/node-image" "$config" | sha256sum | cut -c -12)
creating=$cache/creating-$CLUSTER

exists() { [ -n "$(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER")" ]; }

take_kubectl() { # from a container of the node image: the cluster's own version
	docker cp --quiet "$1:/usr/bin/kubectl" "$bin/kubectl.new"
	mv "$bin/kubectl.new" "$bin/kubectl" # whole at any moment: somebody else may be using it
}

ready_nodes() { kubectl --request-timeout 10s get nodes --no-headers 2>/dev/null | awk '$2 ~ /^Ready(,|$)/' | wc -l; }

await_nodes() { # SECONDS: kind's nodes start again by themselves with the engine, and take a while
	for _ in $(seq "$1"); do
		[ "$(ready_nodes)" -eq "$nodes" ] && return
		sleep 1
	done
	return 1
}

made_from() { kubectl --request-timeout 10s get node "$control_plane" -o 'jsonpath={.metadata.labels.ai-agent/recipe}' 2>/dev/null || true; }

create() {
	touch "$creating"
	kind create cluster --name "$CLUSTER" --image "$image" --config "$config" --wait 180s
	take_kubectl "$control_plane"
	await_nodes 120 || {
		kubectl get nodes,pods --all-namespaces
		die "not every node of $CLUSTER became Ready within 120 s" "Look at the pods above; the next call creates it anew."
	}
	kubectl label nodes --all "ai-agent/recipe=$recipe" >/dev/null
	rm "$creating"
	echo "kind-$CLUSTER: $nodes nodes, $(kubectl version | sed -n 's/^Server Version: /Kubernetes /p')"
}

recreate() { # WHY
	echo "cluster $CLUSTER $1: it is created anew"
	kind delete cluster --name "$CLUSTER"
	create
}

use() {
	# A node that was lost, or stopped by hand, is not gone.
	docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER" --filter status=exited | xargs --no-run-if-empty docker start
	take_kubectl "$control_plane" || die "cluster $CLUSTER is not one of kind's" "'make down CLUSTER=$CLUSTER' removes it, CLUSTER= names another."
	kind export kubeconfig --name "$CLUSTER"
	local whole=true from
	await_nodes 60 || whole=false
	from=$(made_from)
	if $whole && [ "$from" = "$recipe" ]; then
		echo "kind-$CLUSTER is there"
		return
	fi
	if [ "${RECREATE:-no}" = yes ]; then
		recreate "is not whole or not of today's recipe"
		return
	fi
	$whole || die "the nodes of cluster $CLUSTER are not Ready" "'make down CLUSTER=$CLUSTER' removes it with all that is in it; the next call creates it anew."
	[ -n "$from" ] || die "cluster $CLUSTER was not made here" "CLUSTER= names another, 'make down CLUSTER=$CLUSTER' removes it."
	echo "kind-$CLUSTER is there, of an older recipe: 'make down' first to have it anew"
}

mkdir -p "$bin"
if ! exists; then
	create
elif [ -e "$creating" ]; then
	recreate "was left half made"
else
	use
fi
