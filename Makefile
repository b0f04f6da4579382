# `make up` and `make test` do the main work. Make passes variables on the command line
# to the scripts as environment variables.
.DEFAULT_GOAL := help
.PHONY: help up down uninstall test test-quick test-offline test-live test-servers test-up fuzz mutate bench bench-runs soak scale report lint validate conform package image publish notes adopt generate tools flux test-down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  Variables: OPENAI_API_KEY= OPENAI_BASE_URL= (use a real model), NODE_IMAGE= (use an existing node image), CLUSTER= (name of the cluster)"

up: ## Start a cluster with a working agent, or upgrade the agent in it
	@scripts/up.sh

down: ## Remove the cluster of `make up`
	@scripts/down.sh

uninstall: ## Revert what `make up` and `make test` changed outside this folder, except for packages and images
	@scripts/uninstall.sh

test: ## Run every test; the live tests use the cluster ai-agent-test
	@scripts/test.sh all

test-quick: lint ## Run lint, the offline tests and the most important live tests
	@scripts/test.sh quick

test-offline: tools ## Run the tests that need no cluster
	@scripts/test.sh offline

test-live: ## Run the tests that need a cluster [HELM=helm4: with Helm 4]
	@scripts/test.sh live

test-servers: ## Run the live tests of all third-party servers (takes half an hour); `make test` runs those of two
	@scripts/test.sh servers

test-up: ## Test make up with a registry mirror, and with only the commands that macOS has (takes minutes)
	@scripts/test.sh up

test-down: ## Remove the cluster of `make test`
	@CLUSTER=ai-agent-test scripts/down.sh

fuzz: tools ## Fuzz the chart with random values [FUZZTIME=1m]
	@scripts/fuzz.sh

mutate: tools ## Inject defects into the chart and check that a test fails for each [ONLY="part of a description"]
	@bash -c 'source scripts/lib.sh && exec go run ./test/mutate $(ONLY)'

bench: tools ## Measure how long a render takes, with the helm command and in process
	@bash -c 'source scripts/lib.sh && exec go test ./test/internal/chart -run XXX -bench . -benchtime 3s'

bench-runs: ## Compare what disturbances cost clients: with this chart, with it minus one protection at a time, and with other manifests (takes over an hour) [SUBJECTS="ai-agent,helm create"] [DISTURBANCES=rollout,drain] [PEERS=folder of rendered manifests] [RUNS=20: number of streaming clients] [SECONDS=45: length of a run]
	@scripts/test.sh bench-runs

soak: ## Disturb the agent at random, and fail if a run or a request is lost [MINUTES=30] [SEED=seed that an earlier soak printed]
	@scripts/test.sh soak

scale: ## Measure what one more release costs a cluster, with fake nodes: RELEASES=1,10,100 (takes minutes; 1,10,100,1000 takes half an hour)
	@scripts/test.sh scale

report: ## Write an HTML report of bench-runs, soak and scale to .cache/bench/report.html [RESULTS="file file"] [OUTPUT=file]
	@bash -c 'source scripts/lib.sh && exec go run ./test/bench report $(foreach file,$(or $(RESULTS),$(wildcard .cache/bench/*.json)),--results "$(file)") $(if $(OUTPUT),--output "$(OUTPUT)")'

lint: tools ## Check formatting, Go, shell scripts and charts
	@scripts/lint.sh

validate: ## Report problems in your values: VALUES="base.yaml my.yaml" [CHART=ai-agent package, or folder of your chart that depends on it] [PLATFORM=gke|eks|aks|karpenter|bare] [OUTPUT=json|junit|sarif]
	@scripts/validate.sh

conform: ## Judge in a minute, without a cluster, whether an agent can be replaced without interrupting a run: IMAGE=name, COMMAND="server --port $$PORT" or URL=http://HOST [VALUES="preset.yaml my.yaml"] [PROTOCOL=sse|openai-chat|…] [OUTPUT=json|junit|sarif] [ARGS="further options, see bin/conform --help"]
	@scripts/conform.sh

package: ## Package the chart of this commit into dist/ [KEYRING=file KEY=name: sign it] [URL=base URL of the chart repository] [VERSION=0.3.0: fail unless the chart has this version]
	@scripts/release.sh package

image: ## Build the sample agent's image for amd64 and arm64 into dist/image, without a container engine
	@scripts/release.sh image

publish: ## Push dist/ to REGISTRY=oci://HOST/PATH [COSIGN_KEY=file: sign what is pushed]
	@scripts/release.sh publish

notes: ## Print the changelog entry for this version
	@scripts/release.sh notes

adopt: ## Replace the addresses of repository, registry and contact with yours: REPOSITORY=github.com/acme/ai-agent REGISTRY=oci://HOST/PATH CONTACT=email
	@scripts/adopt.sh

generate: tools ## Generate the chart's schema and README, the Kubernetes schemas and the golden renders
	@scripts/generate.sh

tools: ## Build helm, kind, the linters and the test tools into bin/
	@scripts/tools.sh test

flux: ## Build Flux's controllers into bin/ (takes minutes); `make test` then includes the Flux test
	@scripts/tools.sh flux

clean: ## Remove bin/ and .cache/; clusters and images stay
	rm -rf bin .cache
