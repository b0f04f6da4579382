# shellcheck shell=bash
# What the scripts share: where things are, how a step is shown, how one fails.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
bin=$root/bin
export PATH=$bin:$PATH DOCKER_BUILDKIT=0
export CLUSTER=${CLUSTER:-ai-agent}
# shellcheck source=../ci/versions.env
source "$root/ci/versions.env"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
	dim='' red='' green='' plain=''
fi

# Without this, a command that fails under "set -e" ends a script in silence.
set -E
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND" >&2' ERR

# die WHAT [WHAT TO DO] ends the script with a message a user can act on.
die() {
	printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
	[ $# -lt 2 ] || printf '       %s\n' "$2" >&2
	exit 1
}

# kubectl speaks to the cluster CLUSTER, whatever the current context is.
kubectl() { "$bin/kubectl" --context "kind-$CLUSTER" "$@"; }

# node_version MODULE prints the version that the node's go.mod pins.
node_version() { (cd "$root/ci/node" && go list -m -f '{{.Version}}' "$1"); }

# apt_install WHAT ADVICE PACKAGE... installs Debian packages; where that is not
# possible it dies, saying WHAT is missing.
apt_install() {
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
		die "$1, and only root on Debian can have it installed here" "$2"
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${@:3}"
}

# agent_image prints the image that the chart runs when no value is set.
agent_image() {
	local version
	version=$(sed -n 's/^appVersion: *//p' "$root/charts/ai-agent/Chart.yaml")
	echo "ai-agent:${version//\"/}"
}

# load_image NAME puts an image of Docker's into each node that has not got it. kind
# would look by itself, but for crictl, which a node that was built here lacks.
load_image() {
	local id nodes node without=()
	id=$(docker image inspect --format '{{.Id}}' "$1")
	nodes=$(kind get nodes --name "$CLUSTER")
	for node in $nodes; do
		node_has_image "$node" "$id" "$1" || without+=("$node")
	done
	[ ${#without[@]} -eq 0 ] || kind load docker-image "$1" --name "$CLUSTER" --nodes "$(IFS=, && echo "${without[*]}")"
}

# node_has_image NODE ID NAME: the name and the ID are of the same image there.
node_has_image() {
	docker exec "$1" ctr --namespace k8s.io images list |
		awk -v id="$2" -v name="/$3\$" '$1 == id {of_id = $3} $1 ~ name {of_name = $3} END {exit of_id == "" || of_id != of_name}'
}

# step TITLE ADVICE COMMAND... runs COMMAND with its output in a log, shows how
# long it takes, and on failure the log's end and the advice.
step() {
	local title=$1 advice=$2 log ticker status=0
	shift 2
	mkdir -p "$cache/logs"
	log=$cache/logs/${title// /-}.log
	SECONDS=0
	progress "$title" "$log" 9>&- & # without the lock, which it could outlive
	ticker=$!
	# shellcheck disable=SC2064 # the ticker of this step, not of a later one
	trap "kill $ticker 2>/dev/null || true" EXIT
	"$@" >"$log" 2>&1 </dev/null || status=$?
	kill "$ticker" 2>/dev/null && wait "$ticker" 2>/dev/null || true
	trap - EXIT
	[ -t 1 ] && printf '\r\e[K'
	if [ "$status" -eq 0 ]; then
		printf '%s✓%s %-18s %4d s  %s%s%s\n' "$green" "$plain" "$title" "$SECONDS" "$dim" "$(tail -n 1 "$log" | cut -c -90)" "$plain"
		return
	fi
	printf '%s✗ %s failed%s after %d s. The end of %s:\n' "$red" "$title" "$plain" "$SECONDS" "${log#"$PWD/"}" >&2
	tail -n 20 "$log" | sed 's/^/    /' >&2
	die "step '$title' failed" "$advice"
}

# progress TITLE LOG shows a running step: in place on a terminal, else a line
# each half minute.
progress() {
	local every=30 start='' end=$'\n' line
	if [ -t 1 ]; then every=1 start=$'\r\e[K' end=''; fi
	trap 'kill $! 2>/dev/null; exit' TERM # with the sleep that it waits for
	while sleep "$every" & wait $!; do
		line=$(tail -n 5 "$2" 2>/dev/null | tr -cd '[:print:]\n' | grep . | tail -n 1 | cut -c -60 || true)
		printf '%s… %-18s %4d s  %s%s' "$start" "$1" "$SECONDS" "$line" "$end"
	done
}
