#!/usr/bin/env bash
# Builds the node image under the name given as argument, from Go modules and Debian
# packages. With the argument "missing", it only prints the packages that it would install.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

source "$root/scripts/debootstrap.sh"

recipe=$root/ci/node
work=$cache/node

missing_packages() {
	local missing
	read -ra missing <<<"$(missing_for_debootstrap)"
	command -v gcc >/dev/null || missing+=(gcc libc6-dev)
	command -v pkg-config >/dev/null || missing+=(pkg-config)
	pkg-config --exists libseccomp 2>/dev/null || missing+=(libseccomp-dev)
	echo "${missing[*]-}"
}

install_packages() {
	local missing
	read -ra missing <<<"$(missing_packages)"
	[ ${#missing[@]} -gt 0 ] || return 0
	apt_install "building the node image needs ${missing[*]}" \
		"Install them, or set NODE_IMAGE to the name of an existing node image." "${missing[@]}"
}

# Images have private names until they are in the node: this machine's engine must not
# mistake a redis or postgres built here for the upstream image. The host makes sure that
# Docker never looks for them in a public registry.
private=localhost/ai-agent-build

target() { # CONTEXT NAME [OPTION...] builds one target of a Dockerfile
	docker build --quiet --force-rm --network host --target "$2" --tag "$private/$2" "${@:3}" "$1" \
		2> >(grep -vE '^$|DEPRECATED: The legacy|BuildKit is currently|environment-variable' >&2 || true)
	echo "built image $2"
}

build_base() {
	local image
	bootstrap "$work/rootfs" "$(paste -sd, <<-PACKAGES
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
	)" >"$work/base/rootfs.tar"
	for image in base servers; do
		target "$work/base" "$image" --build-arg "DEBIAN_SUITE=$DEBIAN_SUITE"
	done
}

build_binaries() ( # a subshell, because it changes the directory
	local version=k8s.io/component-base/version runc=github.com/opencontainers/runc kubernetes tools
	kubernetes=$(node_version k8s.io/kubernetes)
	cd "$recipe"
	export GOWORK=off
	mapfile -t tools < <(go list tool | grep -v $runc) # runc alone needs cgo
	# One call compiles shared packages only once. kube-router's EC2 client has a function for
	# each of AWS's calls, which take the compiler minutes and gigabytes to optimize.
	go_build -tags no_btrfs,no_devmapper,no_zfs -gcflags=all=-dwarf=false -gcflags="github.com/aws/aws-sdk-go-v2/service/ec2=-dwarf=false -N -l" \
		-o "$work/context/bin/" -ldflags "-s -w \
		-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes") \
		-X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" \
		"${tools[@]}" ./coredns ./pause
	# Static, because this machine's C library may be newer than the node's.
	CGO_ENABLED=1 go_build -tags seccomp,netgo,osusergo -ldflags '-s -w -linkmode external -extldflags -static' \
		-o "$work/context/bin/" $runc
	mv "$work/context/bin/server" "$work/context/bin/etcd"
)

static() { # NAME makes an image of one static binary
	tar -C "$work/context/bin" --transform 's#^#usr/local/bin/#' -c "$1" |
		docker import --change 'ENV PATH=/usr/local/bin' --change "ENTRYPOINT [\"$1\"]" - "$private/$1" >/dev/null
	echo "built image $1"
}

node_image() { # IMAGE NAME says that an image is called NAME in the node
	echo "$1 $2" >>"$work/images.txt"
}

build_images() {
	local image name repository
	while read -r image; do
		name=${image##*/}
		name=${name%%:*}
		if [ "$name" = kube-proxy ]; then target "$work/context" "$name"; else static "$name"; fi
		node_image "$name" "$image"
		repository=${image%%/*}
	done < <("$work/context/bin/kubeadm" config images list --kubernetes-version "$(node_version k8s.io/kubernetes)")
	static metrics-server
	node_image metrics-server "$repository/metrics-server/metrics-server:$(node_version sigs.k8s.io/metrics-server)"
	target "$work/context" kube-router
	node_image kube-router docker.io/library/kube-router:local
	node_image servers "docker.io/library/$BUILT_REDIS_IMAGE"
	node_image servers "docker.io/library/$BUILT_POSTGRES_IMAGE"
}

build_node() { # TAG
	target "$work/context" node --build-arg "KUBERNETES_VERSION=$(node_version k8s.io/kubernetes)" \
		--build-arg "PAUSE_IMAGE=$(sed -n 's/^pause //p' "$work/images.txt")"
	cut -d' ' -f1 "$work/images.txt" | sort -u | sed "s#^#$private/#" >"$work/private.txt"
	xargs docker save -o "$work/images.tar" <"$work/private.txt"
	container=$(docker run --detach --privileged --entrypoint sleep --volume "$work:/work:ro" "$private/node" infinity)
	docker exec --env private=$private "$container" sh -ec '
		containerd >/tmp/containerd.log 2>&1 & pid=$!
		until ctr version >/dev/null 2>&1; do kill -0 $pid || { cat /tmp/containerd.log; exit 1; }; sleep 0.2; done
		images="ctr --namespace k8s.io images"
		$images import --no-unpack /work/images.tar
		while read -r built name; do $images tag "$private/$built:latest" "$name"; done </work/images.txt
		$images remove $($images list --quiet | grep "^$private/")
		kill $pid; wait $pid || true; rm /tmp/containerd.log'
	docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' "$container" "$1" >/dev/null
}

container='' debootstrap=''
clean_up() {
	[ -z "$debootstrap" ] || { kill -- -"$debootstrap" && wait "$debootstrap"; } 2>/dev/null || true
	[ -z "$container" ] || docker rm --force "$container" >/dev/null || true
	docker images --format '{{.Repository}}:{{.Tag}}' "$private/*" | xargs --no-run-if-empty docker rmi --force >/dev/null || true
	remove "$work"
}

[ "$1" != missing ] || { missing_packages && exit; }
install_packages
remove "$work"
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir -p "$work"/{base,context/bin} "$cache/logs"
cp "$recipe/base/Dockerfile" "$work/base/"
cp "$recipe"/{Dockerfile,default-cni.yaml,default-storage.yaml} "$work/context/"
cp -r "$(cd "$root" && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files" "$work/context/kind"
chmod -R u+w "$work/context/kind"
export -f build_base bootstrap remove target
export work keyring private DEBIAN_SUITE
setsid bash -euo pipefail -c build_base >"$cache/logs/debian-base.log" 2>&1 &
debootstrap=$!
build_binaries
wait "$debootstrap" || {
	tail -n 20 "$cache/logs/debian-base.log"
	die "the Debian base could not be built" "See .cache/logs/debian-base.log."
}
build_images
build_node "$1"
