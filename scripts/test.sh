#!/usr/bin/env bash
# Runs tests and prints a summary: "all" of them, those that need no cluster ("offline"),
# those that need one ("live"), the offline and the headline live tests ("quick"), those of
# all third-party servers ("servers"), the comparison of charts ("bench-runs"), the soak
# ("soak"), what one more release costs ("scale"), or those of `make up` ("up"). The live
# tests have their own cluster and kubeconfig, so a user's cluster ai-agent stays untouched.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export CLUSTER=ai-agent-test KUBECONFIG=$cache/kubeconfig-test
cd "$root"
results=$cache/results
rm -rf "$results"
mkdir -p "$results"

record() { printf '%s\t%d\t%d\n' "$1" "$2" "$3" >>"$results/parts"; } # TITLE SECONDS STATUS

summarize() {
	local status=$?
	# Interrupted in a part, or failed between two.
	[ "$status" -eq 0 ] || [ -n "$failed" ] || record "${running:-preparation}" "$SECONDS" "$status"
	[ ! -e "$results/parts" ] || ! command -v go >/dev/null || go run ./test/summary "$results" || true
	exit "$status"
}
running='' failed='' format=testname
trap summarize EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# part TITLE COMMAND... records how long a part took and whether it failed. The first
# part that fails ends the script.
part() {
	local start=$SECONDS status=0
	running=$1
	"${@:2}" || status=$?
	record "$1" $((SECONDS - start)) "$status"
	running=''
	[ "$status" -eq 0 ] || { failed=$1 && exit "$status"; }
}

go_tests() { # TITLE ARGUMENT...
	part "$1" gotestsum --format "$format" --hide-summary=skipped --jsonfile "$results/$1.json" -- -count=1 "${@:2}"
}

environment() { RECREATE=yes "$root/scripts/environment.sh" test; }

proxies() ( # a subshell, because step replaces the EXIT trap
	step "proxies" "Install nginx and haproxy with your package manager." "$root/scripts/proxies.sh"
)

browser() (
	step "browser" "Install chromium with your package manager." "$root/scripts/browser.sh"
)

offline() { # separate from the live tests, whose cluster would compete with compilers for CPU
	part "proxies" proxies
	part "browser" browser
	local list packages
	list=$(go list ./... | grep -v -e /test/live -e /test/proxy -e /test/up)
	mapfile -t packages <<<"$list"
	# ./test/proxy first, because it waits for timeouts and needs no CPU, so the others run
	# meanwhile. 30 minutes, because without a cache test/internal/release compiles the agent
	# for two platforms.
	go_tests "offline tests" -timeout 30m ./test/proxy "${packages[@]}"
}

# Live tests mostly wait for Kubernetes, so more of them run at once than there are
# cores. The linker flags omit debug information, which makes linking faster.
live() { KUBE_CONTEXT=kind-$CLUSTER go_tests "live tests" -parallel 6 -timeout 60m -ldflags='-s -w' "$@" ./test/live; }

servers() {
	part "servers from npm" "$root/scripts/servers-image.sh" npm
	part "n8n" "$root/scripts/servers-image.sh" n8n
	export SERVERS=all
	live -run 'TestServers|TestConformBeforeAndAfterThePreset'
}

# bench NAME TESTS FILE... runs a benchmark, which writes these files to .cache/bench, and
# reports those that there are, even if a test has failed.
bench() {
	local name=$1 tests=$2 status=0 file arguments=()
	shift 2
	export BENCH=$name RESULTS=$cache/bench
	[ "$name" = results ] || format=standard-verbose # a single long test, which logs its progress
	[ -z "${PEERS:-}" ] || PEERS=$(cd "$PEERS" && pwd)
	export PEERS
	rm -f "${@/#/$RESULTS/}"
	(live -timeout "$((${MINUTES:-30} + 120))m" -run "^($tests)\$") || status=$? # a subshell, because part exits
	for file in "${@/#/$RESULTS/}"; do
		[ ! -e "$file" ] || arguments+=(--results "$file")
	done
	[ ${#arguments[@]} -eq 0 ] || part "report" go run ./test/bench report "${arguments[@]}" --output "$RESULTS/$name.html"
	[ "$status" -eq 0 ] || { failed=$name && exit "$status"; }
}

kwok() ( # a subshell, because step replaces the EXIT trap
	step "kwok" "The Go modules must be reachable." "$root/scripts/kwok.sh"
)

up() { go_tests "make up tests" -timeout 40m ./test/up; }

case ${1:-all} in
all)
	part "environment" environment
	offline
	up
	live
	;;
offline)
	plan=$("$root/scripts/proxies.sh" plan && "$root/scripts/browser.sh" plan)
	announce "$plan"
	offline
	;;
live)
	part "environment" environment
	live
	;;
quick)
	part "environment" environment
	offline
	live -run 'TestDefaults|TestNoRunIsInterrupted|TestHelmTest'
	;;
bench-runs)
	part "environment" environment
	for proxy in nginx haproxy caddy; do
		part "$proxy" "$root/scripts/servers-image.sh" "$proxy"
	done
	bench results "TestSideBySide|TestSideBySideAtAPowerOff|TestPolicyTruthTable" results.json power-off.json reach.json
	;;
soak)
	export SEED=${SEED:-$(date +%s)}
	echo "SEED=$SEED repeats the order of this soak"
	part "environment" environment
	bench soak TestSoak soak.json
	;;
scale)
	part "environment" environment
	part "kwok" kwok
	export RELEASES=${RELEASES:-1,10,100}
	bench scale TestScale scale.json
	;;
servers)
	part "environment" environment
	servers
	;;
up)
	part "environment" environment
	export MAKE_UP=yes
	up
	;;
*) die "unknown argument '$1'" "Use all, offline, live, quick, servers, bench-runs, soak, scale or up." ;;
esac
