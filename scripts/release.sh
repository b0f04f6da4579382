#!/usr/bin/env bash
# Runs one step of a release: package, image, publish or notes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
need() { [ -x "$bin/$1" ] || step "tools" "The Go modules must be reachable." "$root/scripts/tools.sh" test >&2; }
go build -o "$bin/release" ./test/release
case ${1:-} in
package)
	[ -z "${KEY:-}" ] || [ -n "${KEYRING:-}" ] || die "KEY is set, but KEYRING is not" "Set it to a file with the secret key (gpg --export-secret-keys)."
	[ -z "${KEYRING:-}" ] || [ -n "${KEY:-}" ] || die "KEY is not set" "Set it to the user ID of the signing key in KEYRING, such as KEY='Jane Doe'."
	values=()
	for file in ${VALUES:-}; do values+=(--values "$file"); done
	exec release package "${values[@]}" ${URL:+--url "$URL"} ${VERSION:+--version "$VERSION"} ${KEYRING:+--keyring "$KEYRING" --key "$KEY"} ${PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE"}
	;;
image)
	need syft
	exec release image
	;;
publish)
	need cosign
	[ -n "${REGISTRY:-}" ] || die "REGISTRY is not set" "Run: make publish REGISTRY=oci://HOST/PATH"
	exec release publish --to "$REGISTRY" ${COSIGN_KEY:+--key "$COSIGN_KEY"} --identity "${COSIGN_IDENTITY:-}" --issuer "${COSIGN_ISSUER:-}" --plain-http="${PLAIN_HTTP:-false}" --chart-only="${CHART_ONLY:-false}"
	;;
notes) exec release notes ;;
*) die "unknown command \"${1:-}\"" "Use package, image, publish or notes." ;;
esac
