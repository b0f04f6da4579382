#!/usr/bin/env bash
# Puts beside the agent what it needs: metrics-server, Redis, PostgreSQL, the sample model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# metrics-server lies where kubeadm's own images do.
repository=$(docker exec "$CLUSTER-control-plane" sh -c 'kubeadm config images list --kubernetes-version "$(cat /kind/version)"' | sed -n '1s#/.*##p')
version=$(node_version sigs.k8s.io/metrics-server)

kubectl label namespace default --overwrite pod-security.kubernetes.io/enforce=restricted
sed -e "s#REPOSITORY#$repository#" -e "s#VERSION#$version#" "$root/ci/addons/metrics-server.yaml" | kubectl apply -f -
mkdir -p "$cache/servers" # the live suites put the same into their namespaces
for server in redis postgres llm; do
	sed -e "s#REDIS_IMAGE#$REDIS_IMAGE#" -e "s#POSTGRES_IMAGE#$POSTGRES_IMAGE#" -e "s#AGENT_IMAGE#$(agent_image)#" \
		"$root/ci/addons/$server.yaml" >"$cache/$server.yaml"
	mv "$cache/$server.yaml" "$cache/servers/" # whole at any moment
done
kubectl --namespace default apply -f "$cache/servers"
for deployment in redis postgres llm; do
	kubectl --namespace default rollout status "deployment/$deployment" --timeout 120s
done
kubectl --namespace kube-system rollout status deployment/metrics-server --timeout 120s
echo "metrics-server, redis-service, postgres, llm-service"
