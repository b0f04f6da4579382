#!/usr/bin/env bash
# Installs nginx and HAProxy for test/proxy, if they are missing. With the argument
# "plan", it only prints that.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PATH=$PATH:/usr/sbin
missing=()
for proxy in nginx haproxy; do
	command -v "$proxy" >/dev/null || missing+=("$proxy")
done
if [ "${1:-}" = plan ]; then
	[ ${#missing[@]} -eq 0 ] || echo "install ${missing[*]} from Debian's packages"
	exit
fi
if [ ${#missing[@]} -gt 0 ]; then
	apt_install "missing: ${missing[*]}" "Install nginx and haproxy, which test/proxy starts." "${missing[@]}"
	# Debian starts the services that it installs; nginx would occupy port 80.
	[ ! -d /run/systemd/system ] || systemctl disable --now "${missing[@]}"
fi
echo "nginx $(nginx -v 2>&1 | cut -d/ -f2), HAProxy $(haproxy -v | awk 'NR == 1 {print $3}')"
