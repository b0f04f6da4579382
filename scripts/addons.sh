#!/usr/bin/env bash
# Installs what the agent needs in the cluster: metrics-server, Redis, PostgreSQL and
# the sample model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The image of metrics-server comes from the same repository as kubeadm's images.
repository=$(docker exec "$CLUSTER-control-plane" sh -c 'kubeadm config images list --kubernetes-version "$(cat /kind/version)"' | sed -n '1s#/.*##p')
metrics_server=$repository/metrics-server/metrics-server:$(node_version sigs.k8s.io/metrics-server)

kubectl label namespace default --overwrite pod-security.kubernetes.io/enforce=restricted
apply_addon metrics-server kube-system --set-string "image=$metrics_server"
apply_addon servers default --set-string "images.redis=$(server_image "$REDIS_IMAGE" "$BUILT_REDIS_IMAGE")" \
	--set-string "images.postgres=$(server_image "$POSTGRES_IMAGE" "$BUILT_POSTGRES_IMAGE")" --set-string "images.agent=$(agent_image)"
for deployment in redis postgres llm; do
	kubectl --namespace default rollout status "deployment/$deployment" --timeout 120s
done
kubectl --namespace kube-system rollout status deployment/metrics-server --timeout 120s
echo "metrics-server, redis-service, postgres, llm-service"
