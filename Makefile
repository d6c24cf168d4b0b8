# make help lists the few commands that matter.
.DEFAULT_GOAL := help
GOLANGCI_LINT_VERSION := v2.15.0
LINT := $(shell go env GOPATH)/bin/golangci-lint

help: ## list these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## the binary, static and without cgo: ./velador
	CGO_ENABLED=0 go build -trimpath -o velador ./cmd/velador

test: ## all tests; what is not installed (PostgreSQL, node) skips with a line that says so
	go test ./...

race: ## all tests with the race detector
	go test -race ./...

lint: $(LINT) ## go vet and golangci-lint
	go vet ./...
	$(LINT) run ./...

$(LINT):
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

generate: ## client/requests.go and docs/API.md, from what the server says of its API
	go run ./cmd/apigen

fuzz: ## every fuzz target for FUZZTIME (default 20s) each
	.ci/fuzz $(or $(FUZZTIME),20s)

bench: ## the benchmarks of docs/BENCHMARKS.md
	go test -run '^$$' -bench . -benchmem -timeout 30m ./bench/... ./internal/exchange/binance ./internal/supervise ./internal/proc

bench-supervisors: ## velador beside PM2 and supervisord, with 100 and 500 children (about 20 minutes)
	bench/supervisors/run_all.sh

soak: ## schedules of faults, SEEDS (default 100) for each database, PARALLEL at once; VELADOR_SEED is the first one
	VELADOR_SCHEDULES=$(or $(SEEDS),100) go test -v -count=1 -timeout 6h $(if $(PARALLEL),-parallel $(PARALLEL)) -run FaultSchedule ./e2e

demo: ## the product at work, without internet
	go run ./cmd/velador demo

.PHONY: help build test race lint generate fuzz bench bench-supervisors soak demo
