#!/usr/bin/env bash
# Replaces the values of ci/home.env with those of the environment, in every file.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
home=ci/home.env
example="make adopt REPOSITORY=github.com/acme/ai-agent REGISTRY=oci://registry.acme.com/charts CONTACT=security@acme.com"
declare -A patterns=(
	[REPOSITORY]='^[A-Za-z0-9.-]+\.[a-z]+(/[A-Za-z0-9._~-]+)+$'
	[REGISTRY]='^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$'
	[CONTACT]='^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$'
)
REGISTRY=${REGISTRY#oci://}
wrong=''
for name in REPOSITORY REGISTRY CONTACT; do
	[[ ${!name:-} =~ ${patterns[$name]} ]] || wrong+=" $name=${!name:-}"
done
[ -z "$wrong" ] || die "not set, or not as expected:$wrong" "Run: $example"
[ -z "$(git status --porcelain)" ] || die "the working tree has uncommitted changes" "Commit or stash them, so that you can review what this command changes."

for name in REPOSITORY REGISTRY CONTACT; do
	old=$(sed -n "s/^$name=//p" "$home")
	git grep --null -lIF "$old" -- ':!go.sum' ':!ci/*/go.sum' | xargs -0 --no-run-if-empty sed -i "s|${old//./\\.}|${!name}|g"
done
gofmt -w test ci # the new names have other lengths
git --no-pager diff --shortstat
echo "Review the changes with git diff, and commit them."
