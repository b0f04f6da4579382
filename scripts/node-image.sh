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

module() { # PATH FORMAT, of a module pinned in the recipe
	(cd "$recipe" && go list -m -f "{{.$2}}" "$1")
}

recipe_hash() {
	(
		cd "$root"
		find ci/node -type f | LC_ALL=C sort | xargs cat ci/versions.env scripts/node-image.sh
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
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
		die "building the node image needs ${missing[*]}, and only root on Debian can have them installed here" \
			"Install them, or name a node image: make up NODE_IMAGE=kindest/node:…"
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
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
	kubernetes=$(module k8s.io/kubernetes Version)
	cd "$recipe"
	export GOFLAGS="-trimpath -buildvcs=false" GOWORK=off
	mapfile -t tools < <(go list tool | grep -v $runc) # runc alone needs cgo
	# One call, so that what the components share is compiled once. -v is the progress that the log shows.
	CGO_ENABLED=0 go build -v -tags no_btrfs,no_devmapper,no_zfs -o "$work/context/bin/" -ldflags "-s -w \
		-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes") \
		-X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" \
		"${tools[@]}" ./coredns ./pause
	CGO_ENABLED=1 go build -v -tags seccomp -ldflags '-s -w' -o "$work/context/bin/" $runc
	mv "$work/context/bin/server" "$work/context/bin/etcd"
}

target() { # NAME TAG [OPTION...] builds one image of the Dockerfile
	local name=$1 tag=$2
	shift 2
	docker build --quiet --network host --target "$name" --tag "$tag" "$@" "$work/context"
	echo "built image $tag"
}

build_images() { # builds the images that the nodes hold and prints their names to images.txt
	local repository image
	: >"$work/images.txt"
	while read -r image; do
		repository=${image%%/*}
		name=${image##*/}
		target "${name%%:*}" "$image"
		echo "$image" >>"$work/images.txt"
	done < <("$work/context/bin/kubeadm" config images list --kubernetes-version "$(module k8s.io/kubernetes Version)")
	image=$repository/metrics-server/metrics-server:$(module sigs.k8s.io/metrics-server Version)
	target metrics-server "$image"
	target kube-router kube-router:local
	target servers "$REDIS_IMAGE"
	docker tag "$REDIS_IMAGE" "$POSTGRES_IMAGE"
	printf '%s\n' "$image" kube-router:local "$REDIS_IMAGE" "$POSTGRES_IMAGE" >>"$work/images.txt"
}

build_node() { # TAG
	local container
	target node "$1-base" --build-arg "KUBERNETES_VERSION=$(module k8s.io/kubernetes Version)" \
		--build-arg "PAUSE_IMAGE=$(grep /pause: "$work/images.txt")"
	xargs docker save -o "$work/images.tar" <"$work/images.txt"
	container=$(docker run --detach --privileged --entrypoint sleep --volume "$work:/work:ro" "$1-base" infinity)
	# shellcheck disable=SC2064 # this container, whatever the variable holds later
	trap "docker rm --force $container >/dev/null 2>&1" EXIT
	docker exec "$container" sh -ec '
		containerd >/tmp/containerd.log 2>&1 & pid=$!
		until ctr version >/dev/null 2>&1; do kill -0 $pid || { cat /tmp/containerd.log; exit 1; }; sleep 0.2; done
		ctr --namespace k8s.io images import --no-unpack /work/images.tar
		kill $pid; wait $pid || true; rm /tmp/containerd.log'
	docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' "$container" "$1" >/dev/null
	# Only the node image stays: a redis or postgres of ours must not pass for upstream's.
	docker rm --force "$container" >/dev/null
	xargs docker rmi "$1-base" <"$work/images.txt" >/dev/null
}

build() { # TAG
	install_packages
	rm -rf "$work"
	mkdir -p "$work/context/bin"
	cp "$recipe"/{Dockerfile,default-cni.yaml,default-storage.yaml} "$work/context/"
	cp -r "$(cd "$root" && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files" "$work/context/kind"
	chmod -R u+w "$work/context/kind"
	build_rootfs >"$cache/logs/debian-base.log" 2>&1 &
	local rootfs=$!
	build_binaries
	wait "$rootfs" || {
		tail -n 20 "$cache/logs/debian-base.log"
		die "the Debian base could not be built" "See .cache/logs/debian-base.log."
	}
	build_images
	build_node "$1"
	rm -rf "$work"
}

mkdir -p "$cache/logs"
if [ -n "${NODE_IMAGE:-}" ]; then
	here "$NODE_IMAGE" || docker pull "$NODE_IMAGE" || die "NODE_IMAGE=$NODE_IMAGE is not here and cannot be pulled"
	choose "$NODE_IMAGE" "from NODE_IMAGE"
fi
built=ai-agent-node:$(module k8s.io/kubernetes Version)-$(recipe_hash)
here "$built" && choose "$built" "built before"
here "$UPSTREAM_NODE_IMAGE" && choose "$UPSTREAM_NODE_IMAGE" "pulled before"
if timeout 10 docker manifest inspect "$UPSTREAM_NODE_IMAGE" >/dev/null; then
	docker pull "$UPSTREAM_NODE_IMAGE"
	choose "$UPSTREAM_NODE_IMAGE" pulled
fi
echo "no registry answers: the node image is built here, which takes about 20 minutes on 2 cores"
build "$built"
choose "$built" "built here"
