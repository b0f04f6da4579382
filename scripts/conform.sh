#!/usr/bin/env bash
# Judges the agent in IMAGE, that COMMAND starts, or at URL, as a table or in the format
# OUTPUT. VALUES are values files of the chart; ARGS are further options of conform.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -n "${URL:-}" ] || { [ -n "${COMMAND:-}" ] && [ -z "${IMAGE:-}" ]; } || "$root/scripts/engine.sh" >&2
go build -C "$root" -o "$bin/conform" ./test/conform # from the current source
options=(--chart "${CHART:-$root/charts/ai-agent}" --output "${OUTPUT:-table}" --protocol "${PROTOCOL:-sse}")
read -ra files <<<"${VALUES:-}"
for file in ${files[@]+"${files[@]}"}; do options+=(--values "$file"); done
[ -z "${IMAGE:-}" ] || options+=(--image "$IMAGE")
[ -z "${URL:-}" ] || options+=(--url "$URL")
declare -a further="(${ARGS:-})" # quoted as in a shell
[ -z "${COMMAND:-}" ] || [ -z "${IMAGE:-}" ] || { declare -a words="($COMMAND)" && exec conform "${options[@]}" ${further[@]+"${further[@]}"} -- "${words[@]}"; }
[ -z "${COMMAND:-}" ] || exec conform "${options[@]}" ${further[@]+"${further[@]}"} -- sh -c "exec $COMMAND"
exec conform "${options[@]}" ${further[@]+"${further[@]}"}
