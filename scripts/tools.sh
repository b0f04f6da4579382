#!/usr/bin/env bash
# Builds helm and kind, in the versions that go.mod pins, into bin/. With the argument
# "test", also builds what only tests need: the other tools of go.mod, Helm 4 as bin/helm4,
# kube-score, kube-validate, cosign, a registry, syft, actionlint, ct, and validate. With
# "flux", builds only Flux's controllers.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
modules() { # MODULE... builds the tools of modules in ci/
	local module
	for module in "$@"; do
		(cd "ci/$module" && go_build -ldflags '-s -w' -o "$bin/" tool)
	done
}
if [ "${1:-}" = flux ]; then
	modules flux
	exit
fi
helm=$(go list -m -f '{{.Version}}' helm.sh/helm/v3)
minor=$(node_version k8s.io/kubernetes | cut -d. -f2)
capabilities=helm.sh/helm/v3/pkg/chartutil lint=helm.sh/helm/v3/pkg/lint/rules
tools=(helm.sh/helm/v3/cmd/helm sigs.k8s.io/kind)
[ "${1:-}" != test ] || read -ra tools <<<"$(go list tool | grep -v helm.sh/helm/v4 | paste -sd' ' -)"
# Without the -X flags, helm assumes Kubernetes v1.20 and refuses the chart's kubeVersion.
go_build -o bin/ -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$helm \
	-X $capabilities.k8sVersionMajor=1 -X $capabilities.k8sVersionMinor=$minor \
	-X $lint.k8sVersionMajor=1 -X $lint.k8sVersionMinor=$minor" "${tools[@]}"
if [ "${1:-}" = test ]; then
	go_build -ldflags '-s -w' -o bin/helm4 helm.sh/helm/v4/cmd/helm
	modules kube-score cosign registry syft actionlint chart-testing
	(cd ci/kube-validate && go_build -o "$bin/" -ldflags "-s -w -X main.version=$(node_version k8s.io/kubernetes)" .)
	go_build -o bin/validate ./test/validate # now, so that no live test has to compile it
fi
echo "helm and kind are in bin/"
