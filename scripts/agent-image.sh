#!/usr/bin/env bash
# Builds the sample agent's image under the name that the chart defaults to,
# loads it into the cluster CLUSTER, and restarts what runs an older one there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
context=$cache/agent
mkdir -p "$context"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$context/agent" ./test/agent
docker build --quiet --tag "$(agent_image)" --file test/agent/Dockerfile "$context"
load_image "$(agent_image)"

# The tag stays the same, so nothing else tells a pod that its image is another.
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
echo "$(agent_image) is in every node"
