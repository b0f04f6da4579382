#!/usr/bin/env bash
# Finds or creates the kind cluster CLUSTER and puts its kubectl into bin/. It deletes
# a cluster in two cases only: an earlier call was interrupted while creating it, or
# RECREATE=yes allows it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$(<"$cache/node-image")
config=$cache/kind.yaml
{
	cat "$root/ci/kind.yaml"
	# Through systemd, runc freezes a container to start it, and on a busy machine it gives up:
	# "unable to freeze". With cgroup v2, it does not freeze. The kubelet asks containerd.
	[ "$(docker info --format '{{.CgroupVersion}}')" != 1 ] || cat <<-'PATCH'
		  - |
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		      SystemdCgroup = false
	PATCH
} >"$config"
nodes=$(grep -c 'role:' "$config")
control_plane=$CLUSTER-control-plane
recipe=$(without_comments "$cache/node-image" "$config" | sha256 | cut -c -12)
creating=$cache/creating-$CLUSTER

exists() { [ -n "$(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER")" ]; }

take_kubectl() { # copied from a node, or else built in the version of ci/node
	if [ "$(uname)" = Linux ]; then
		docker cp --quiet "$1:/usr/bin/kubectl" "$bin/kubectl.new"
	else
		docker inspect "$1" >/dev/null
		(cd "$root/ci/node" && go_build -o "$bin/kubectl.new" \
			-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(node_version k8s.io/kubernetes)" k8s.io/kubernetes/cmd/kubectl)
	fi
	mv "$bin/kubectl.new" "$bin/kubectl" # atomic: another process may be using it
}

ready_nodes() { kubectl --request-timeout 10s get nodes --no-headers 2>/dev/null | awk '$2 ~ /^Ready(,|$)/' | wc -l; }

await_nodes() { # SECONDS: kind's nodes restart with the engine, which takes a while
	for _ in $(seq "$1"); do
		[ "$(ready_nodes)" -eq "$nodes" ] && return
		sleep 1
	done
	return 1
}

recipe_of_cluster() { kubectl --request-timeout 10s get node "$control_plane" -o 'jsonpath={.metadata.labels.ai-agent/recipe}' 2>/dev/null || true; }

# why_not prints what kubeadm, the kubelet and the control plane said last. Without it, the
# end of kind's output is a stack trace.
why_not() {
	echo "kubeadm:"
	grep -E '^(error|ERROR|\[ERROR|W[0-9]{4})|failed|timed out|not healthy' "$log" | tail -n 6 | cut -c -300
	echo "kubelet on $control_plane:"
	docker exec "$control_plane" journalctl --unit kubelet --no-pager --output cat | grep -E '^[EF]' | tail -n 4 | cut -c -300
	echo "control plane:"
	docker exec "$control_plane" bash -c 'tail -q -n 1 /var/log/pods/kube-system_*/*/*.log' | tail -n 5 | cut -c -300
}

create() {
	touch "$creating"
	local log=$cache/logs/kind-$CLUSTER.log
	mkdir -p "${log%/*}"
	# With --retain, the nodes of a failed attempt can be examined; the next call deletes them.
	kind create cluster --name "$CLUSTER" --image "$image" --config "$config" --wait 180s --retain 2>&1 | tee "$log" || {
		why_not || true
		die "kind could not create cluster $CLUSTER" "See above, and $log."
	}
	take_kubectl "$control_plane"
	await_nodes 120 || {
		kubectl get nodes,pods --all-namespaces
		die "not every node of $CLUSTER became Ready within 120 s" "Check the pods above. The next call deletes and recreates the cluster."
	}
	kubectl label nodes --all "ai-agent/recipe=$recipe" >/dev/null
	rm "$creating"
	echo "kind-$CLUSTER: $nodes nodes, $(kubectl version | sed -n 's/^Server Version: /Kubernetes /p')"
}

recreate() { # WHY
	echo "cluster $CLUSTER $1: recreating it"
	kind delete cluster --name "$CLUSTER"
	create
}

# in_use: tests, perhaps of another checkout, run in the cluster. Each run renews a Lease,
# see test/internal/cluster/run.go.
in_use() {
	local renewed
	for renewed in $(kubectl --request-timeout 10s --namespace kube-system get leases -l ai-agent/live-run -o 'jsonpath={.items[*].spec.renewTime}' 2>/dev/null); do
		[ $(($(date +%s) - $(date -d "$renewed" +%s))) -ge 120 ] || return 0
	done
	return 1
}

use() {
	# A node may have been stopped; its container still exists.
	local stopped
	for stopped in $(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER" --filter status=exited); do docker start "$stopped"; done
	take_kubectl "$control_plane" || die "cluster $CLUSTER is not a kind cluster" "Remove it with 'make down CLUSTER=$CLUSTER', or name another, such as CLUSTER=my-cluster."
	kind export kubeconfig --name "$CLUSTER"
	local ready=true from
	await_nodes 60 || ready=false
	from=$(recipe_of_cluster)
	if $ready && [ "$from" = "$recipe" ]; then
		echo "kind-$CLUSTER is running"
		return
	fi
	if [ "${RECREATE:-no}" = yes ]; then
		! in_use || die "live tests are running in the cluster $CLUSTER, which has to be recreated" "Wait until they have ended, then run the command again."
		recreate "has nodes that are not Ready, or is of an older recipe"
		return
	fi
	$ready || die "the nodes of cluster $CLUSTER are not Ready" "Remove it and everything in it with 'make down CLUSTER=$CLUSTER', then run the command again."
	[ -n "$from" ] || die "cluster $CLUSTER was not created by this script" "Name another with CLUSTER=, or remove it with 'make down CLUSTER=$CLUSTER'."
	echo "kind-$CLUSTER is running with an older recipe; to rebuild it, run 'make down CLUSTER=$CLUSTER' and then this command again"
}

mkdir -p "$bin"
if ! exists; then
	create
elif [ -e "$creating" ]; then
	recreate "was only partly created"
else
	use
fi
