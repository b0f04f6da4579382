#!/usr/bin/env bash
# Finds a running Docker; on Debian, as root, installs and starts one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

runtime=/usr/local/sbin/runc-without-sys-resource
CAP_SYS_RESOURCE=24

answers() { docker info >/dev/null 2>&1; }

# Every node's kubelet, containerd and systemd watch files. Linux's 128 watchers
# last for the four nodes of one cluster; those of a second one never join.
allow_watchers() {
	local limit=/proc/sys/fs/inotify/max_user_instances
	[ "$(<$limit)" -ge 1024 ] || { [ -w $limit ] && echo 1024 >$limit; } ||
		echo "for two clusters at once: sudo sysctl -w fs.inotify.max_user_instances=1024"
}

report() {
	allow_watchers
	echo "Docker $(docker version --format '{{.Server.Version}}')"
	exit 0
}

lacks_sys_resource() {
	local bounding
	bounding=$(awk '/^CapBnd/ {print $2}' /proc/self/status)
	((((16#$bounding >> CAP_SYS_RESOURCE) & 1) == 0))
}

install_engine() {
	local packages=(docker.io iptables)
	local missing=("no Docker engine answers" "Install and start Docker, then run the command again.")
	if [ -d /sys/module/apparmor ]; then packages+=(apparmor); fi
	apt_install "${missing[@]}" "${packages[@]}"
	# Newer Debians have the command in a package of its own.
	command -v docker >/dev/null || apt_install "${missing[@]}" docker-cli
}

# A machine that was switched off leaves these files, and their numbers may be
# another process's by now: dockerd would take it for itself and refuse to start.
remove_stale_pid() { # FILE NAME
	[ ! -e "$1" ] || [ "$(cat "/proc/$(<"$1")/comm" 2>/dev/null)" = "$2" ] || rm "$1"
}

start_engine() {
	if [ -d /run/systemd/system ]; then
		systemctl start docker
		return
	fi
	local options=()
	if lacks_sys_resource; then
		echo "CAP_SYS_RESOURCE is missing here: containers run without it"
		install -m 0755 "$root/ci/engine/runc-without-sys-resource" "$runtime"
		options=(--add-runtime "kind=$runtime" --default-runtime kind)
	fi
	remove_stale_pid /var/run/docker.pid dockerd
	remove_stale_pid /var/run/docker/containerd/containerd.pid containerd
	# It outlives this call: it must keep neither its secrets nor its lock.
	env --unset OPENAI_API_KEY --unset MAKEFLAGS --unset MAKEOVERRIDES \
		setsid dockerd "${options[@]}" >/var/log/dockerd.log 2>&1 </dev/null 9>&- &
}

await_engine() {
	for _ in $(seq 60); do
		answers && return
		sleep 1
	done
	tail -n 20 /var/log/dockerd.log 2>/dev/null || true
	die "dockerd did not answer within 60 s" "Its log is /var/log/dockerd.log."
}

answers && report
[ -z "${DOCKER_HOST:-}" ] || die "no Docker answers at DOCKER_HOST=$DOCKER_HOST" "Start it, or unset DOCKER_HOST."
command -v docker >/dev/null && command -v dockerd >/dev/null || install_engine
[ "$(id -u)" -eq 0 ] || die "Docker is installed but does not answer to $(id -un)" \
	"Start it (sudo systemctl start docker) or join its group (sudo usermod -aG docker $(id -un))."
start_engine
await_engine
report
