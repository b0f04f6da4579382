#!/usr/bin/env bash
# Builds the image of the sample agent under the chart's default name, loads it into
# the cluster CLUSTER, and restarts the Deployments that run an older build of it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
context=$cache/agent
mkdir -p "$context"
GOOS=linux GOARCH=$(docker version --format '{{.Server.Arch}}') go_build -tags grpcnotrace -ldflags '-s -w' -o "$context/agent" ./test/agent
docker build --quiet --tag "$(agent_image)" --file test/agent/Dockerfile "$context"
load_image "$(agent_image)"

# The tag stays the same, so Kubernetes does not notice that the image has changed.
id=$(docker image inspect --format '{{.Id}}' "$(agent_image)" | cut -d: -f2 | cut -c -12)
node=$CLUSTER-control-plane
before=$(kubectl get node "$node" -o 'jsonpath={.metadata.labels.ai-agent/image}')
if [ -n "$before" ] && [ "$before" != "$id" ]; then
	for deployment in llm ai-agent; do
		[ -z "$(kubectl --namespace default get deployment "$deployment" --ignore-not-found -o name)" ] ||
			kubectl --namespace default rollout restart "deployment/$deployment"
	done
fi
kubectl label node "$node" --overwrite "ai-agent/image=$id" >/dev/null
echo "$(agent_image) is loaded into every node"
