#!/usr/bin/env bash
# Installs Chromium, in which tests open the benchmark's page, if no browser that they can
# use is there. With the argument "plan", it only prints that.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

browser=''
for name in chromium google-chrome chromium-browser; do
	! command -v "$name" >/dev/null || { browser=$name && break; }
done
if [ "${1:-}" = plan ]; then
	[ -n "$browser" ] || echo "install chromium from Debian's packages"
	exit
fi
if [ -z "$browser" ]; then
	apt_install "Chromium is missing" "Install chromium, in which a test opens the benchmark's page." chromium
	browser=chromium
fi
"$browser" --version 2>/dev/null
