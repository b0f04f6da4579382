#!/usr/bin/env bash
# Fuzzes the tests' Fuzz functions one after the other. FUZZTIME (default 1m) is the time
# for all of them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
mapfile -t targets < <(grep -rEo --include='*_test.go' '^func Fuzz\w+' test) # FILE:func NAME
[ ${#targets[@]} -gt 0 ] || die "no Fuzz function in test/" "Add one, such as FuzzAnyValidValues."
[[ ${FUZZTIME:=1m} =~ ^([1-9][0-9]*)([sm])$ ]] || die "FUZZTIME=$FUZZTIME is not a time" "Use seconds or minutes, such as 90s or 10m."
seconds=${BASH_REMATCH[1]}
[ "${BASH_REMATCH[2]}" = s ] || seconds=$((seconds * 60))
each=$(((seconds + ${#targets[@]} - 1) / ${#targets[@]}))s # rounded up: go takes 0s for no limit
for target in "${targets[@]}"; do
	name=${target##* } file=${target%%:*}
	echo "$name for $each"
	# By default go spends up to a minute on shrinking each input that reaches new code, and
	# tries few inputs in the time that is left: 1 per second instead of 30.
	go test "./${file%/*}" -run '^$' -fuzz "^$name\$" -fuzztime "$each" -fuzzminimizetime 1x
done
