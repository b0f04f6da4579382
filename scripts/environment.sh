#!/usr/bin/env bash
# Makes the cluster CLUSTER with all that an agent needs in it, from nothing if
# need be. Each step finds what is there; it can be ended and run again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v go >/dev/null || die "Go is not installed" "Install Go 1.26 or newer, then run the command again."
# What is built is shared: two calls at once would build over each other.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --nonblock 9 || { echo "another call is at work here: waiting for it" && flock 9; }
again="Run the command again once the cause is gone; what is done is found and kept."
here=$root/scripts
step "container engine" "$again" "$here/engine.sh"
step "tools" "The Go modules must be reachable. $again" "$here/tools.sh"
step "node image" "Name an image of your own with NODE_IMAGE=, or: $again" "$here/node-image.sh"
step "cluster" "'make down CLUSTER=$CLUSTER' removes what is left. $again" "$here/cluster.sh"
step "agent image" "$again" "$here/agent-image.sh"
step "add-ons" "See 'kubectl --context kind-$CLUSTER get pods --all-namespaces'. $again" "$here/addons.sh"
