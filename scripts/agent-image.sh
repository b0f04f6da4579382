#!/usr/bin/env bash
# Builds the sample agent's image under the name that the chart defaults to, and
# loads it into the cluster CLUSTER.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
context=$cache/agent
mkdir -p "$context"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$context/agent" ./test/agent
docker build --quiet --tag "$(agent_image)" --file test/agent/Dockerfile "$context"
kind load docker-image "$(agent_image)" --name "$CLUSTER"
echo "$(agent_image) is in every node"
