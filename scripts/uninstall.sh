#!/usr/bin/env bash
# Reverts what the other scripts changed on this machine, as /var/lib/ai-agent/changes
# lists it. Debian packages and images stay: it prints the commands that remove them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

recorded() { [ ! -e "$changes" ] || sed -n "s/^$1 //p" "$changes"; } # KIND

clusters() { docker ps --all --format '{{.Label "io.x-k8s.kind.cluster"}}' | grep -x -e ai-agent -e ai-agent-test | sort -u || true; }

# Containers that are not ours would stop together with the engine.
check_others() {
	local others
	others=$(docker ps --format '{{.Names}}' | paste -sd' ')
	[ -z "$others" ] || die "other containers are running: $others" "Stop them, then run the command again."
}

stop_engine() {
	local pid
	pid=$(recorded dockerd)
	if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
		check_others
		kill "$pid"
		for _ in $(seq 300); do
			[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && ! grep -q '^State:.*Z' "/proc/$pid/status" || break
			sleep 0.2
		done
		! docker info >/dev/null 2>&1 || die "dockerd did not end within 60 s" "See its log: /var/log/dockerd.log."
		echo "stopped dockerd"
	fi
	if [ -n "$(recorded service)" ] && systemctl is-active --quiet docker; then
		check_others
		systemctl stop docker.socket docker
		echo "stopped the service docker"
	fi
}

remove_runtime() {
	local runtime
	for runtime in $(recorded runtime); do
		rm -f "$runtime"
		echo "removed $runtime"
	done
}

restore_watchers() {
	local before
	before=$(recorded inotify)
	[ -n "$before" ] && [ "$(<$inotify_file)" = "$inotify_instances" ] || return 0 # somebody else has set it since
	echo "$before" >"$inotify_file"
	echo "set fs.inotify.max_user_instances to $before again"
}

lock "$cache/lock"
[ -s "$changes" ] || { echo "nothing to revert: $changes does not exist" && exit; }
[ -w "$changes" ] || die "only root can revert the changes in $changes" "Run the command with sudo."
if docker info >/dev/null 2>&1; then
	for cluster in $(clusters); do
		CLUSTER=$cluster "$root/scripts/down.sh"
	done
fi
stop_engine
remove_runtime
restore_watchers
packages=$(recorded package | paste -sd' ')
rm "$changes"
echo "Images and volumes stay in /var/lib/docker."
[ -z "$packages" ] || echo "These packages stay. To remove them: apt-get autoremove --purge $packages"
