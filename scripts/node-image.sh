#!/usr/bin/env bash
# Chooses the node image and writes its name to .cache/node-image: NODE_IMAGE if
# given, else what was built or pulled before, else upstream's where a registry
# answers, else one built here from Go modules and Debian packages.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recipe=$root/ci/node
work=$cache/node

choose() { # IMAGE WHY
	echo "$1" >"$cache/node-image"
	echo "$1 ($2)"
	exit 0
}

here() { docker image inspect "$1" >/dev/null 2>&1; }

recipe_hash() {
	(
		cd "$root"
		find ci/node -type f | LC_ALL=C sort | xargs cat scripts/node-image.sh
		echo "$DEBIAN_SUITE $REDIS_IMAGE $POSTGRES_IMAGE"
		grep 'sigs.k8s.io/kind v' go.mod
	) | sha256sum | cut -c -12
}

install_packages() {
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	command -v gcc >/dev/null || missing+=(gcc libc6-dev)
	command -v pkg-config >/dev/null || missing+=(pkg-config)
	pkg-config --exists libseccomp 2>/dev/null || missing+=(libseccomp-dev)
	[ ${#missing[@]} -gt 0 ] || return 0
	apt_install "building the node image needs ${missing[*]}" \
		"Install them, or name a node image: make up NODE_IMAGE=kindest/node:…" "${missing[@]}"
}

build_rootfs() {
	rm -rf "$work/rootfs"
	debootstrap --variant=minbase --include="$(paste -sd, <<-PACKAGES
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
	rm -rf "$work/rootfs"
}

build_binaries() {
	local version=k8s.io/component-base/version runc=github.com/opencontainers/runc kubernetes tools
	kubernetes=$(node_version k8s.io/kubernetes)
	cd "$recipe"
	export GOFLAGS="-trimpath -buildvcs=false" GOWORK=off
	mapfile -t tools < <(go list tool | grep -v $runc) # runc alone needs cgo
	# One call, so that what the components share is compiled once. -v is the progress that the log shows.
	CGO_ENABLED=0 go build -v -tags no_btrfs,no_devmapper,no_zfs -o "$work/context/bin/" -ldflags "-s -w \
		-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes") \
		-X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" \
		"${tools[@]}" ./coredns ./pause
	# Static: this machine's C library may be newer than the node's.
	CGO_ENABLED=1 go build -v -tags seccomp,netgo,osusergo -ldflags '-s -w -linkmode external -extldflags -static' \
		-o "$work/context/bin/" $runc
	mv "$work/context/bin/server" "$work/context/bin/etcd"
}

# Under names of our own until they are in the node: a redis or postgres built
# here must not pass for upstream's in this machine's engine.
private=ai-agent-build

target() { # NAME [OPTION...] builds one image of the Dockerfile
	docker build --quiet --network host --target "$1" --tag "$private/$1" "${@:2}" "$work/context" \
		2> >(grep -vE '^$|DEPRECATED: The legacy|BuildKit is currently|environment-variable' >&2 || true)
	echo "built image $1"
}

node_image() { # TARGET NAME: what is called NAME in the node
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
	node_image servers "docker.io/library/$REDIS_IMAGE"
	echo "servers docker.io/library/$POSTGRES_IMAGE" >>"$work/images.txt"
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

remove_work() { # a debootstrap that was ended leaves its mounts
	awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/mounts | xargs --no-run-if-empty umount --lazy
	rm -rf --one-file-system "$work"
}

build() { # TAG
	install_packages
	remove_work
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$work/context/bin"
	cp "$recipe"/{Dockerfile,default-cni.yaml,default-storage.yaml} "$work/context/"
	cp -r "$(cd "$root" && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files" "$work/context/kind"
	chmod -R u+w "$work/context/kind"
	export -f build_rootfs
	export work DEBIAN_SUITE
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
if [ -n "${NODE_IMAGE:-}" ]; then
	here "$NODE_IMAGE" || docker pull "$NODE_IMAGE" || die "NODE_IMAGE=$NODE_IMAGE is not here and cannot be pulled"
	choose "$NODE_IMAGE" "from NODE_IMAGE"
fi
built=ai-agent-node:$(node_version k8s.io/kubernetes)-$(recipe_hash)
here "$built" && choose "$built" "built before"
here "$UPSTREAM_NODE_IMAGE" && choose "$UPSTREAM_NODE_IMAGE" "pulled before"
# A registry that answers may still refuse the layers: then it is as if there were none.
if timeout 10 docker manifest inspect "$UPSTREAM_NODE_IMAGE" >/dev/null && docker pull "$UPSTREAM_NODE_IMAGE"; then
	choose "$UPSTREAM_NODE_IMAGE" pulled
fi
echo "no registry answers: the node image is built here, which takes about 15 minutes on 2 cores"
build "$built"
# Those of older recipes, but for what a cluster still runs.
docker images --format '{{.Repository}}:{{.Tag}}' ai-agent-node | grep -vx "$built" | xargs --no-run-if-empty docker rmi || true
choose "$built" "built here"
