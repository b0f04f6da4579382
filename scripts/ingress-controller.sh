#!/usr/bin/env bash
# Installs Traefik and the Gateway API in the cluster CLUSTER, for the live tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recipe=$root/ci/traefik
module() { # MODULE FIELD prints a field of a module that ci/traefik pins
	(cd "$recipe" && go mod download "$1" && go list -m -f "{{.$2}}" "$1")
}
image=ai-agent-traefik:$(module github.com/traefik/traefik/v3 Version)

if ! present "$image"; then
	context=$cache/traefik
	mkdir -p "$context"
	(cd "$recipe" && go_build -ldflags '-s -w' -o "$context/" github.com/traefik/traefik/v3/cmd/traefik)
	docker build --quiet --tag "$image" --file "$recipe/Dockerfile" "$context"
	rm -r "$context"
fi
load_image "$image"

apply_crds "$(module sigs.k8s.io/gateway-api Dir)/config/crd/standard"
apply_addon traefik traefik --set-string "image=$image"
kubectl --namespace traefik rollout status deployment/traefik --timeout 120s
echo "$image and the Gateway API are installed"
