#!/usr/bin/env bash
# Chooses the node image and writes its name to .cache/node-image. In this order:
# NODE_IMAGE if set, an image that was built before and has Debian's updates, one that was
# pulled before, the upstream image if Docker can pull it, an image built here from Go
# modules and Debian packages. With the argument "plan", it only prints what it would
# install on this machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

choose() { # IMAGE WHY
	echo "$1" >"$cache/node-image"
	echo "$2: $1"
	exit 0
}

recipe_hash() {
	(
		cd "$root"
		find scripts/build-node-image.sh scripts/debootstrap.sh ci/node -type f | LC_ALL=C sort | while read -r file; do without_comments "$file"; done
		echo "$DEBIAN_SUITE $BUILT_REDIS_IMAGE $BUILT_POSTGRES_IMAGE"
		grep 'sigs.k8s.io/kind v' go.mod
	) | sha256 | cut -c -12
}

# built prints the newest image of this recipe, or nothing.
built() {
	docker images --format '{{.Repository}}:{{.Tag}}' ai-agent-node | grep "^$recipe_image-" | sort | tail -n 1 || true
}

# outdated asks apt in the image whether Debian has newer versions of the image's packages,
# security updates above all. It asks once a day; without an answer, the image stays.
outdated() { # IMAGE
	local checked=$cache/debian-updates updates
	# A cluster that exists keeps its nodes, unless the call may recreate it.
	[ "${RECREATE:-no}" = yes ] || [ -z "$(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER")" ] || return 1
	[ "$(cat "$checked" 2>/dev/null)" != "$1 $(date -u +%F)" ] || return 1
	updates=$(timeout 60 docker run --rm --network host --entrypoint sh "$1" -ec '
		apt-get update -qq -o APT::Update::Error-Mode=any -o Acquire::Retries=0 -o Acquire::http::Timeout=10
		apt-get -o Dir::State::status=/kind/dpkg-status --simulate dist-upgrade' 2>/dev/null | awk '$1 == "Inst" {print $2}' | paste -sd' ') || return 1
	[ -n "$updates" ] || { echo "$1 $(date -u +%F)" >"$checked" && return 1; }
	echo "Debian has updates for $updates"
}

plan() {
	local missing
	[ "$(uname)" = Linux ] || return 0
	missing=$("$root/scripts/build-node-image.sh" missing)
	[ -n "${NODE_IMAGE:-}" ] || [ -z "$missing" ] || [ -n "$(built 2>/dev/null)" ] || present "$UPSTREAM_NODE_IMAGE" ||
		echo "install Debian packages if the node image has to be built: $missing"
}

mkdir -p "$cache/logs"
recipe_image=ai-agent-node:$(node_version k8s.io/kubernetes)-$(recipe_hash)
[ "${1:-}" != plan ] || { plan && exit; }
if [ -n "${NODE_IMAGE:-}" ]; then
	present "$NODE_IMAGE" || docker pull "$NODE_IMAGE" ||
		die "NODE_IMAGE=$NODE_IMAGE is not in Docker and cannot be pulled" "Check its name, or load it with 'docker load'."
	choose "$NODE_IMAGE" "from NODE_IMAGE"
fi
image=$(built)
[ -z "$image" ] || outdated "$image" || choose "$image" "already built"
present "$UPSTREAM_NODE_IMAGE" && choose "$UPSTREAM_NODE_IMAGE" "already pulled"
# Only the engine knows its mirrors and proxies. It gives up soon where no registry answers.
! docker pull "$UPSTREAM_NODE_IMAGE" || choose "$UPSTREAM_NODE_IMAGE" pulled
[ "$(uname)" = Linux ] || die "Docker cannot pull $UPSTREAM_NODE_IMAGE (see its answer above), and a node image can be built only on Linux" \
	"Make the image available to Docker, or set NODE_IMAGE to the name of an existing node image."
echo "Docker cannot pull the node image: building it takes 6 to 15 minutes on 2 cores"
image=$recipe_image-$(date -u +%Y%m%d%H%M) # a new name, so that clusters of the old image are known to be older
"$root/scripts/build-node-image.sh" "$image"
# Remove older images, except those that a cluster still uses.
docker images --format '{{.Repository}}:{{.Tag}}' ai-agent-node | grep -vx "$image" | xargs --no-run-if-empty docker rmi || true
choose "$image" "built here"
