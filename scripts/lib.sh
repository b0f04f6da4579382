# shellcheck shell=bash
# Shared by all scripts: paths, versions, error messages, progress.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
bin=$root/bin
export PATH=$bin:$PATH DOCKER_BUILDKIT=0
export CLUSTER=${CLUSTER:-ai-agent}
# The same flags for every build, so that each uses what the others have compiled.
# Debuggers need DWARF, stack traces do not: without it, compiling takes a sixth less CPU.
export CGO_ENABLED=0
flags="-trimpath -buildvcs=false -gcflags=all=-dwarf=false"
[[ ${GOFLAGS:-} == *"$flags" ]] || export GOFLAGS="${GOFLAGS:+$GOFLAGS }$flags"
# shellcheck source=../ci/versions.env
source "$root/ci/versions.env"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
	dim='' red='' green='' plain=''
fi

# Without this trap, a command that fails under "set -e" ends a script silently.
set -E
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND" >&2' ERR

# die PROBLEM [FIX] prints both and ends the script.
die() {
	printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
	[ $# -lt 2 ] || printf '       %s\n' "$2" >&2
	exit 1
}

# macOS may lack sha256sum and timeout.
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
command -v timeout >/dev/null || timeout() { perl -e 'alarm shift; exec @ARGV' "$@"; } # SECONDS COMMAND...

# lock FILE waits until no other call has the lock, and keeps it until the script ends.
lock() {
	mkdir -p "${1%/*}"
	exec 9>"$1"
	command -v flock >/dev/null || return 0 # no flock (macOS): concurrent calls are not prevented
	flock --nonblock 9 || { echo "another call is running in this checkout: waiting for it" && flock 9; }
}

# kubectl talks to the cluster CLUSTER, regardless of the current context.
kubectl() { "$bin/kubectl" --context "kind-$CLUSTER" "$@"; }

# apply_crds FILE_OR_FOLDER applies CRDs and waits until the API server serves them.
# "kubectl wait --for condition" fails on a CRD without any condition
# (kubernetes/kubernetes#66439); the API server sets the first one together with listKind.
apply_crds() {
	kubectl apply --server-side -f "$1"
	kubectl wait --for jsonpath='{.status.acceptedNames.listKind}' --timeout 60s -f "$1"
	kubectl wait --for condition=Established --timeout 60s -f "$1"
}

# changed KIND VALUE records a change of this machine, so that scripts/uninstall.sh can
# revert it. A change that is recorded already keeps its first value.
changes=/var/lib/ai-agent/changes
changed() {
	mkdir -p "${changes%/*}"
	touch "$changes"
	case $1 in
	dockerd) sed -i '/^dockerd /d' "$changes" ;; # started again
	inotify) ! grep -q "^$1 " "$changes" || return 0 ;;
	*) ! grep -qx "$1 $2" "$changes" || return 0 ;;
	esac
	echo "$1 $2" >>"$changes"
}

# kubelet, containerd and systemd of every node watch files. Linux's default of 128
# inotify instances suffices for the four nodes of one cluster; nodes of a second one
# would never join.
# shellcheck disable=SC2034 # engine.sh and uninstall.sh use both
inotify_file=/proc/sys/fs/inotify/max_user_instances inotify_instances=1024

# announce PLAN prints what a command will change on this machine: a change a line.
announce() {
	[ -z "$1" ] || printf 'Outside this folder, this command will:\n%s\n"make uninstall" reverts it, except for packages and images.\n\n' \
		"  - ${1//$'\n'/$'\n'  - }"
}

# go_build is go build with fewer garbage collections in the compiler: another sixth less
# CPU, for twice the memory. -v shows progress in the log.
go_build() { GOGC=400 go build -v "$@"; }

# node_version MODULE prints the version that ci/node/go.mod pins.
node_version() { (cd "$root/ci/node" && go list -m -f '{{.Version}}' "$1"); }

# module_dir MODULE@VERSION prints the folder of a module's source.
module_dir() { GOFLAGS=-mod=mod go mod download -json "$1" | sed -n 's#.*"Dir": "\(.*\)".*#\1#p'; }

# without_comments FILE... prints files without comment lines and blank lines, so that a
# hash of them does not change with the wording.
without_comments() { sed -E '\#^[[:space:]]*(\#|//( |$)|$)#d' "$@"; }

# apt_install PROBLEM FIX PACKAGE... installs Debian packages. Where that is not
# possible, it dies with PROBLEM and FIX.
apt_install() {
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
		die "$1. This script can install packages only as root on Debian" "$2"
	apt-get update
	local package
	for package in "${@:3}"; do
		dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || changed package "$package"
	done
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${@:3}"
}

# agent_image prints the image that the chart runs by default.
agent_image() {
	local version
	version=$(sed -n 's/^appVersion: *//p' "$root/charts/ai-agent/Chart.yaml")
	echo "ai-agent:${version//\"/}"
}

# present IMAGE succeeds if Docker has the image.
present() { docker image inspect "$1" >/dev/null 2>&1; }

# load_image NAME loads an image from Docker into each node that lacks it. kind could
# check this itself, but needs crictl for that, which a node image built here lacks.
load_image() {
	local id nodes node without=()
	id=$(docker image inspect --format '{{.Id}}' "$1")
	nodes=$(kind get nodes --name "$CLUSTER")
	for node in $nodes; do
		node_has_image "$node" "$id" "$1" || without+=("$node")
	done
	[ ${#without[@]} -eq 0 ] || kind load docker-image "$1" --name "$CLUSTER" --nodes "$(IFS=, && echo "${without[*]}")"
}

# node_has_image NODE ID NAME succeeds if NAME is the image with that ID on the node.
node_has_image() {
	docker exec "$1" ctr --namespace k8s.io images list |
		awk -v id="$2" -v name="/$3\$" '$1 == id {of_id = $3} $1 ~ name {of_name = $3} END {exit of_id == "" || of_id != of_name}'
}

# server_image PULLED BUILT prints the image of a server: the one built here if the
# cluster's nodes have it, otherwise the one to pull.
server_image() {
	local images
	images=$(docker exec "$CLUSTER-control-plane" ctr --namespace k8s.io images list --quiet 2>/dev/null)
	if grep -q "/library/$2\$" <<<"$images"; then echo "$2"; else echo "$1"; fi
}

# apply_addon NAME NAMESPACE [OPTION...] renders the chart ci/addons/NAME and applies the
# objects. It is not a Helm release, so clusters of older versions keep working.
apply_addon() {
	helm template "$1" "$root/ci/addons/$1" "${@:3}" | kubectl --namespace "$2" apply -f -
}

# step TITLE FIX COMMAND... runs COMMAND with its output in a log and shows how long
# it took. On failure it shows the end of the log, and dies with FIX.
step() {
	local title=$1 fix=$2 log ticker status=0
	shift 2
	mkdir -p "$cache/logs"
	log=$cache/logs/${title// /-}.log
	SECONDS=0
	progress "$title" "$log" 9>&- & # without the lock's descriptor: it may outlive this script
	ticker=$!
	# shellcheck disable=SC2064 # expand now: the ticker of this step, not of a later one
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
	die "step '$title' failed" "$fix"
}

# progress TITLE LOG shows a running step: on a terminal in one line that it updates,
# elsewhere with a new line every 30 seconds.
progress() {
	local every=30 start='' end=$'\n' line
	if [ -t 1 ]; then every=1 start=$'\r\e[K' end=''; fi
	trap 'kill $! 2>/dev/null; exit' TERM # together with the sleep it waits for
	while sleep "$every" & wait $!; do
		line=$(tail -n 5 "$2" 2>/dev/null | tr -cd '[:print:]\n' | grep . | tail -n 1 | cut -c -60 || true)
		printf '%s… %-18s %4d s  %s%s' "$start" "$1" "$SECONDS" "$line" "$end"
	done
}
