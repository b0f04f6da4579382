#!/usr/bin/env bash
# Checks that Docker is running; as root on Debian, installs and starts it. With the
# argument "plan", it only prints what it would change on this machine.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

runtime=/usr/local/sbin/runc-without-sys-resource
CAP_SYS_RESOURCE=24

answers() { docker info >/dev/null 2>&1; }

allow_watchers() {
	local before
	[ -e $inotify_file ] || return 0 # macOS: Docker runs in a virtual machine
	before=$(<$inotify_file)
	[ "$before" -lt $inotify_instances ] || return 0
	[ -w $inotify_file ] || { echo "to run two clusters at once: sudo sysctl -w fs.inotify.max_user_instances=$inotify_instances" && return; }
	changed inotify "$before"
	echo $inotify_instances >$inotify_file
}

# plan prints each change that this script would make, on a line of its own.
plan() {
	if ! answers && [ -z "${DOCKER_HOST:-}" ] && [ "$(id -u)" -eq 0 ]; then
		command -v dockerd >/dev/null || echo "install Docker from Debian's packages"
		if [ -d /run/systemd/system ]; then
			echo "start the service docker"
		else
			echo "start dockerd, with its log in /var/log/dockerd.log"
			! lacks_sys_resource || echo "make $runtime Docker's default runtime, because this machine lacks CAP_SYS_RESOURCE"
		fi
	fi
	[ ! -w $inotify_file ] || [ "$(<$inotify_file)" -ge $inotify_instances ] || echo "raise fs.inotify.max_user_instances from $(<$inotify_file) to $inotify_instances"
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
	local missing=("Docker is not installed" "Install and start Docker, then run the command again.")
	if [ -d /sys/module/apparmor ]; then packages+=(apparmor); fi
	apt_install "${missing[@]}" "${packages[@]}"
	# In newer Debian releases, docker is a separate package.
	command -v docker >/dev/null || apt_install "${missing[@]}" docker-cli
}

# A machine that was switched off leaves these files behind. If another process has the
# PID by now, dockerd takes that process for a running dockerd and refuses to start.
remove_stale_pid() { # FILE NAME
	[ ! -e "$1" ] || [ "$(cat "/proc/$(<"$1")/comm" 2>/dev/null)" = "$2" ] || rm "$1"
}

start_engine() {
	if [ -d /run/systemd/system ]; then
		changed service docker
		systemctl start docker
		return
	fi
	local options=()
	if lacks_sys_resource; then
		echo "this machine lacks CAP_SYS_RESOURCE: containers run without it"
		changed runtime "$runtime"
		install -m 0755 "$root/ci/engine/runc-without-sys-resource" "$runtime"
		options=(--add-runtime "kind=$runtime" --default-runtime kind)
	fi
	remove_stale_pid /var/run/docker.pid dockerd
	remove_stale_pid /var/run/docker/containerd/containerd.pid containerd
	# dockerd outlives this script: it must keep neither its secrets nor its lock.
	env --unset OPENAI_API_KEY --unset MAKEFLAGS --unset MAKEOVERRIDES \
		setsid dockerd "${options[@]}" >/var/log/dockerd.log 2>&1 </dev/null 9>&- &
	changed dockerd "$!"
}

await_engine() {
	for _ in $(seq 60); do
		answers && return
		sleep 1
	done
	tail -n 20 /var/log/dockerd.log 2>/dev/null || true
	die "dockerd did not answer within 60 s" "See its log: /var/log/dockerd.log or, with systemd, 'journalctl -u docker'."
}

[ "${1:-}" != plan ] || { plan && exit; }
answers && report
[ -z "${DOCKER_HOST:-}" ] || die "Docker is not reachable at DOCKER_HOST=$DOCKER_HOST" "Start it, or unset DOCKER_HOST."
command -v docker >/dev/null && command -v dockerd >/dev/null || install_engine
[ "$(id -u)" -eq 0 ] || die "Docker is installed, but $(id -un) cannot connect to it" \
	"Start it (sudo systemctl start docker) or join the group docker (sudo usermod -aG docker $(id -un)) and log in again."
start_engine
await_engine
report
