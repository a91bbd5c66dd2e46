# `make` lists the targets. What CI runs is .ci/run, which is `make check` and the
# README's test command.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 10s
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# What `make check` does, in this order: what fails fastest comes first.
CHECKS := fmt vet test lint race modules cross interop fuzz demo

# The directories of the workspace's modules.
modules = $$(go list -m -f '{{.Dir}}')

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: fmt
fmt: ## fail if gofmt would change a file
	@dirs=$(modules); files=$$(gofmt -l $$dirs | sort -u); \
	if [[ -n $$files ]]; then printf 'not formatted, run gofmt -w:\n%s\n' "$$files"; exit 1; fi

.PHONY: vet
vet: ## go vet of all modules, the interop tests included
	go vet work
	go vet -tags interop ./interop

.PHONY: lint
lint: ## golangci-lint of all modules, see .golangci.yml
	@dirs=$(modules); status=0; for dir in $$dirs; do \
		echo "golangci-lint run ($${dir##*/})"; \
		(cd "$$dir" && go run $(GOLANGCI_LINT) run --config "$(CURDIR)/.golangci.yml" \
			--max-issues-per-linter 0 --max-same-issues 0 ./...) || status=$$?; \
	done; exit "$$status"

.PHONY: test
test: ## all tests that need no other program
	go test work

.PHONY: race
race: ## the same under the race detector
	go test -race work

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

.PHONY: cross
cross: ## build and vet all modules for Linux, macOS and Windows, without cgo
	@for platform in $(PLATFORMS); do \
		echo "go build, go vet ($$platform)"; \
		export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		go build work; \
		go vet work; \
	done

.PHONY: modules
modules: ## build and vet each module alone, as its importers do, and check its go.mod
	@dirs=$(modules); status=0; for dir in $$dirs; do \
		echo "go mod tidy -diff, go build, go vet ($${dir##*/})"; \
		(cd "$$dir" && export GOWORK=off && go mod tidy -diff && go build ./... && go vet ./...) || status=$$?; \
	done; exit "$$status"

.PHONY: interop
interop: ## tests with Microsoft's own libraries and Chromium, installed from Debian and npm if missing
	.ci/install-peers
	AZID_INTEROP_SCREENSHOTS="$${AZID_INTEROP_SCREENSHOTS:-$(CURDIR)/dist/screenshots}" go test -tags interop -count 1 ./interop

.PHONY: demo
demo: ## every credential against the emulator
	go run ./cmd/azid demo

.PHONY: bench
bench: ## the measured targets, beside Microsoft's library
	go run ./bench

.PHONY: check
check: ## all of these but bench
	@summary=; \
	for step in $(CHECKS); do \
		printf '\n== %s\n' "$$step"; \
		begin=$$SECONDS status=0; \
		$(MAKE) "$$step" || status=$$?; \
		line=$$(printf '%-8s %4d s' "$$step" $$((SECONDS - begin))); \
		if ((status)); then printf '\nFAIL %s\n' "$$line"; exit "$$status"; fi; \
		summary+="ok   $$line"$$'\n'; \
	done; \
	printf '\n%s' "$$summary"
