#!/usr/bin/env bash
# Chooses the node image and writes its name to .cache/node-image. In this order:
# NODE_IMAGE if set, an image that was built before and has Debian's updates, one that was
# pulled before, the upstream image if a registry answers, an image built here from Go
# modules and Debian packages. With the argument "plan", it only prints what it would
# install on this machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recipe=$root/ci/node
work=$cache/node
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

choose() { # IMAGE WHY
	echo "$1" >"$cache/node-image"
	echo "$1 ($2)"
	exit 0
}

present() { docker image inspect "$1" >/dev/null 2>&1; }

recipe_hash() {
	(
		cd "$root"
		find scripts/node-image.sh ci/node -type f | LC_ALL=C sort | while read -r file; do without_comments "$file"; done
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

missing_packages() {
	[ "$(uname)" = Linux ] || return 0
	command -v debootstrap >/dev/null || echo debootstrap
	command -v gpgv >/dev/null || echo gpgv
	[ -e "$keyring" ] || echo debian-archive-keyring
	command -v gcc >/dev/null || echo gcc libc6-dev
	command -v pkg-config >/dev/null || echo pkg-config
	pkg-config --exists libseccomp 2>/dev/null || echo libseccomp-dev
}

install_packages() {
	local missing
	read -ra missing <<<"$(missing_packages | paste -sd' ' -)"
	[ ${#missing[@]} -gt 0 ] || return 0
	apt_install "building the node image needs ${missing[*]}" \
		"Install them, or name an existing node image with NODE_IMAGE=." "${missing[@]}"
}

plan() {
	local missing
	missing=$(missing_packages | paste -sd' ' -)
	[ -n "${NODE_IMAGE:-}" ] || [ -z "$missing" ] || [ -n "$(built 2>/dev/null)" ] || present "$UPSTREAM_NODE_IMAGE" ||
		echo "install Debian packages if the node image has to be built: $missing"
}

# remove DIRECTORY also unmounts what is mounted in it: debootstrap leaves /proc behind if
# it is interrupted, or if another process reads there.
remove() {
	awk -v directory="$1/" 'index($2, directory) == 1 {print $2}' /proc/mounts | xargs --no-run-if-empty umount --lazy
	rm -rf --one-file-system "$1"
}

build_rootfs() {
	remove "$work/rootfs"
	# Without --force-check-gpg, debootstrap continues where it lacks the keys.
	debootstrap --force-check-gpg --keyring "$keyring" --variant=minbase --include="$(paste -sd, <<-PACKAGES
		systemd
		conntrack
		iptables
		nftables
		ipset
		iproute2
		ethtool
		mount
		kmod
		libseccomp2
		ca-certificates
		curl
		jq
		procps
		e2fsprogs
	PACKAGES
	)" "$DEBIAN_SUITE" "$work/rootfs"
	tar -C "$work/rootfs" --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/archives/*.deb' \
		-cf "$work/context/rootfs.tar" .
	remove "$work/rootfs"
}

build_binaries() {
	local version=k8s.io/component-base/version runc=github.com/opencontainers/runc kubernetes tools
	kubernetes=$(node_version k8s.io/kubernetes)
	cd "$recipe"
	export GOFLAGS="-trimpath -buildvcs=false" GOWORK=off
	mapfile -t tools < <(go list tool | grep -v $runc) # runc alone needs cgo
	# One call compiles shared packages only once. -v shows progress in the log.
	CGO_ENABLED=0 go build -v -tags no_btrfs,no_devmapper,no_zfs -o "$work/context/bin/" -ldflags "-s -w \
		-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes") \
		-X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" \
		"${tools[@]}" ./coredns ./pause
	# Static, because this machine's C library may be newer than the node's.
	CGO_ENABLED=1 go build -v -tags seccomp,netgo,osusergo -ldflags '-s -w -linkmode external -extldflags -static' \
		-o "$work/context/bin/" $runc
	mv "$work/context/bin/server" "$work/context/bin/etcd"
}

# Images have private names until they are in the node: this machine's engine must not
# mistake a redis or postgres built here for the upstream image.
private=ai-agent-build

target() { # NAME [OPTION...] builds one target of the Dockerfile
	docker build --quiet --network host --build-arg "DEBIAN_SUITE=$DEBIAN_SUITE" --target "$1" --tag "$private/$1" "${@:2}" "$work/context" \
		2> >(grep -vE '^$|DEPRECATED: The legacy|BuildKit is currently|environment-variable' >&2 || true)
	echo "built image $1"
}

node_image() { # TARGET NAME builds an image that is called NAME in the node
	target "$1"
	echo "$1 $2" >>"$work/images.txt"
}

build_images() {
	local image name repository
	while read -r image; do
		name=${image##*/}
		node_image "${name%%:*}" "$image"
		repository=${image%%/*}
	done < <("$work/context/bin/kubeadm" config images list --kubernetes-version "$(node_version k8s.io/kubernetes)")
	node_image metrics-server "$repository/metrics-server/metrics-server:$(node_version sigs.k8s.io/metrics-server)"
	node_image kube-router docker.io/library/kube-router:local
	node_image servers "docker.io/library/$BUILT_REDIS_IMAGE"
	echo "servers docker.io/library/$BUILT_POSTGRES_IMAGE" >>"$work/images.txt"
}

build_node() { # TAG
	local name
	target node --build-arg "KUBERNETES_VERSION=$(node_version k8s.io/kubernetes)" \
		--build-arg "PAUSE_IMAGE=$(sed -n 's/^pause //p' "$work/images.txt")"
	cut -d' ' -f1 "$work/images.txt" | sort -u | sed "s#^#$private/#" >"$work/private.txt"
	xargs docker save -o "$work/images.tar" <"$work/private.txt"
	container=$(docker run --detach --privileged --entrypoint sleep --volume "$work:/work:ro" "$private/node" infinity)
	docker exec --env private=$private "$container" sh -ec '
		containerd >/tmp/containerd.log 2>&1 & pid=$!
		until ctr version >/dev/null 2>&1; do kill -0 $pid || { cat /tmp/containerd.log; exit 1; }; sleep 0.2; done
		images="ctr --namespace k8s.io images"
		$images import --no-unpack /work/images.tar
		while read -r built name; do $images tag "docker.io/$private/$built:latest" "$name"; done </work/images.txt
		$images remove $($images list --quiet | grep "/$private/")
		kill $pid; wait $pid || true; rm /tmp/containerd.log'
	docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' "$container" "$1" >/dev/null
}

container='' debootstrap=''
clean_up() {
	[ -z "$debootstrap" ] || kill -- -"$debootstrap" 2>/dev/null || true
	[ -z "$container" ] || docker rm --force "$container" >/dev/null
	docker images --format '{{.Repository}}:{{.Tag}}' "$private/*" | xargs --no-run-if-empty docker rmi >/dev/null
	remove_work
}

remove_work() { remove "$work"; }

build() { # TAG
	install_packages
	remove_work
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$work/context/bin"
	cp "$recipe"/{Dockerfile,default-cni.yaml,default-storage.yaml} "$work/context/"
	cp -r "$(cd "$root" && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files" "$work/context/kind"
	chmod -R u+w "$work/context/kind"
	export -f build_rootfs remove
	export work keyring DEBIAN_SUITE
	setsid bash -euo pipefail -c build_rootfs >"$cache/logs/debian-base.log" 2>&1 &
	debootstrap=$!
	build_binaries
	wait "$debootstrap" || {
		tail -n 20 "$cache/logs/debian-base.log"
		die "the Debian base could not be built" "See .cache/logs/debian-base.log."
	}
	build_images
	build_node "$1"
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
[ -z "$image" ] || outdated "$image" || choose "$image" "built before"
present "$UPSTREAM_NODE_IMAGE" && choose "$UPSTREAM_NODE_IMAGE" "pulled before"
# A registry that answers may still refuse the layers; then the image is built.
if timeout 10 docker manifest inspect "$UPSTREAM_NODE_IMAGE" >/dev/null && docker pull "$UPSTREAM_NODE_IMAGE"; then
	choose "$UPSTREAM_NODE_IMAGE" pulled
fi
[ "$(uname)" = Linux ] || die "No registry serves $UPSTREAM_NODE_IMAGE, and only Linux can build a node image" \
	"Allow Docker to pull it, or name an existing one with NODE_IMAGE=."
echo "no registry serves the node image: building it takes about 15 minutes on 2 cores"
image=$recipe_image-$(date -u +%Y%m%d%H%M) # a new name, so that clusters of the old image are known to be older
build "$image"
# Remove older images, except those that a cluster still uses.
docker images --format '{{.Repository}}:{{.Tag}}' ai-agent-node | grep -vx "$image" | xargs --no-run-if-empty docker rmi || true
choose "$image" "built here"
