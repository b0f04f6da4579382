#!/usr/bin/env bash
# Builds an image of servers that test/live runs agents on, and loads it into the cluster
# CLUSTER: "debian", with servers that Debian packages, "npm", or one of the proxies
# "nginx", "haproxy" and "caddy". The image "n8n" is built from the image npm, and stays in
# Docker, where conform judges it. Their base is Debian's image if Docker can pull it, and
# is otherwise built from Debian's packages. With the argument "plan", it only prints what
# it would install on this machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$root/scripts/debootstrap.sh"

work=$cache/servers

# base prints the name of an image with Debian.
base() {
	local name=debian:$DEBIAN_SUITE-slim own=localhost/ai-agent-build/debian missing
	if present "$name" || docker pull "$name" >&2; then
		echo "$name"
		return
	fi
	if present "$own"; then # from the other image
		echo "$own"
		return
	fi
	read -ra missing <<<"$(missing_for_debootstrap)"
	[ ${#missing[@]} -eq 0 ] ||
		apt_install "Docker cannot pull $name, and building it needs ${missing[*]}" "Make the image available to Docker." "${missing[@]}" >&2
	bootstrap "$work/rootfs" ca-certificates | docker import - "$own" >/dev/null
	echo "$own"
}

# authorities prints the certificate authorities of this machine, for npm: where a proxy
# inspects TLS, its own is among them.
authorities() {
	local file
	for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem; do
		[ ! -s "$file" ] || { cat "$file" && return; }
	done
}

# built NAME prints the name of an image that has the hash of its recipe.
built() {
	echo "$SERVERS_IMAGE:$1-$(find "$root/ci/servers/$1" -type f | LC_ALL=C sort | xargs cat | sha256 | cut -c -12)"
}

if [ "${1:-}" = plan ]; then
	packages=$(missing_for_debootstrap)
	[ -z "$packages" ] || present "$(built debian)" || present "debian:$DEBIAN_SUITE-slim" ||
		echo "install Debian packages if the image of the servers has to be built: $packages"
	exit
fi
name=$SERVERS_IMAGE:$1 recipe=$root/ci/servers/$1
image=$(built "$1")
if ! present "$image"; then
	trap 'remove "$work"' EXIT
	remove "$work"
	mkdir -p "$work"
	base=$(base)
	cp -R "$recipe" "$work/context"
	authorities >"$work/context/authorities.pem"
	docker build --network host --build-arg "BASE=$base" --tag "$image" "$work/context"
fi
docker tag "$image" "$name"
[ "$1" != n8n ] || exit 0 # 1.6 GB that no node needs
load_image "$name"
echo "$name is loaded into every node"
