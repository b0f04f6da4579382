# The two commands: `make up` and `make test`. Variables on the command line reach
# the scripts through the environment, which is how make hands them on.
.DEFAULT_GOAL := help
.PHONY: help up down test test-render validate test-down tools mutate bench generate lint clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  Variables: OPENAI_API_KEY= OPENAI_BASE_URL= (a real model), NODE_IMAGE= (a node image of yours), CLUSTER="

up: ## Start a cluster with a working agent in it, or upgrade the agent that runs there
	@scripts/up.sh

down: ## Remove the cluster of `make up`
	@scripts/down.sh

test: ## Run every test, the live ones in the cluster ai-agent-test
	@scripts/test.sh

test-render: tools ## Run the tests that need no cluster
	@# One after the other: the time that is printed of test/render is a promise, on two cores.
	@PATH="$(CURDIR)/bin:$$PATH" gotestsum --format pkgname-and-test-fails --hide-summary=skipped -- -p 1 $$(go list ./... | grep -v /test/live)

validate: ## Say what is wrong with values of yours: VALUES="base.yaml my.yaml" [OUTPUT=json|junit|sarif]
	@scripts/validate.sh

test-down: ## Remove the cluster of `make test`
	@CLUSTER=ai-agent-test scripts/down.sh

tools: ## Build helm, kind and the linters into bin/
	@scripts/tools.sh test

mutate: tools ## Put defects into the chart, one by one: each must turn a test red [ONLY="part of a description"]
	@PATH="$(CURDIR)/bin:$$PATH" go run ./test/mutate $(ONLY)

bench: tools ## Measure what a render costs, by the helm command and in process
	@go test ./test/internal/chart -run XXX -bench . -benchtime 3s

generate: tools ## Derive schema and README of the chart from values.yaml, and the golden renders
	@scripts/generate.sh

lint: tools ## Check formatting, Go, shell and chart
	@scripts/lint.sh

clean: ## Remove what was built here, but no cluster and no image
	rm -rf bin .cache
