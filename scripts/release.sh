#!/usr/bin/env bash
# Makes a part of a release in dist/: package, image or publish.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
[ "${1:-}" != publish ] || [ -x "$bin/cosign" ] || step "tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test >&2
go build -buildvcs=false -o "$bin/release" ./test/release
case ${1:-} in
package)
	[ -z "${KEYRING:-}" ] || [ -n "${KEY:-}" ] || die "KEY is not set" "Set it to the user ID of the signing key in KEYRING, such as KEY='Jane Doe'."
	release package ${URL:+--url "$URL"} ${KEYRING:+--keyring "$KEYRING" --key "$KEY"} ${PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE"}
	;;
image) release image ;;
publish)
	[ -n "${REGISTRY:-}" ] || die "REGISTRY is not set" "Run: make publish REGISTRY=oci://HOST/PATH"
	release publish --to "$REGISTRY" ${COSIGN_KEY:+--key "$COSIGN_KEY"} --plain-http="${PLAIN_HTTP:-false}" --chart-only="${CHART_ONLY:-false}"
	;;
*) die "unknown command \"${1:-}\"" "Use package, image or publish." ;;
esac
