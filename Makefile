# Everything is built and run by the Go toolchain alone; tools come by `go tool`
# in the versions that go.mod and tools/go.mod pin. `make test` also wants
# PostgreSQL and Redis, and installs them where it may (scripts/with-services).

SHELL := /bin/sh
GO ?= go

# nobadger, nomysql, nopgx: what xcaddy leaves out of Caddy's certificate store.
TAGS := nobadger,nomysql,nopgx
LDFLAGS := -s -w
ENVFILE := $(if $(wildcard .env),--envfile .env)

# Extra arguments, as in: make test ARGS='-run TestReload -count=10'
PKG ?= ./...
ARGS ?=
FUZZTIME ?= 30s

# The same flags for every build without the race detector, xcaddy's among them,
# so that they share one build cache.
PURE := CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) -trimpath -tags=$(TAGS)"

# The race detector needs a C compiler; without one the tests run without it.
RACE ?= $(if $(shell command -v $$($(GO) env CC)),-race)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/caddy: Caddy with the gateway
	$(PURE) $(GO) build -ldflags "$(LDFLAGS)" -o bin/caddy .

.PHONY: run
run: build ## build, then run the Caddyfile with the settings of .env (none: a demo on :8070)
	exec bin/caddy run --config Caddyfile --adapter caddyfile $(ENVFILE)

.PHONY: xcaddy
xcaddy: ## build bin/caddy-xcaddy the way users of other plugins do
	$(PURE) scripts/xcaddy bin/caddy-xcaddy

.PHONY: test
test: ## run all tests with the race detector, on a real PostgreSQL and Redis
	$(PURE) $(GO) build -o bin/gotest ./scripts/gotest
	scripts/with-services bin/gotest $(RACE) -vet=off -timeout=40m -tags=$(TAGS) $(ARGS) $(PKG)

.PHONY: test-deps
test-deps: ## compile what the tests need, and run nothing
	$(GO) list $(RACE) -tags=$(TAGS) -export -deps -test ./... >/dev/null

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME (30s)
	$(PURE) scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## measure what the gateway adds to a call, and how fast it takes events
	$(PURE) scripts/with-services $(GO) run ./bench -caddy bin/caddy $(ARGS)

.PHONY: lint
lint: ## check format and run golangci-lint, go vet's checks among them
	@files=$$(gofmt -l .) && { [ -z "$$files" ] || { echo "not gofmt-ed (make fmt):"; echo "$$files"; exit 1; }; }
	$(PURE) $(GO) tool -modfile=tools/go.mod golangci-lint run

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities in the code that is reached
	$(PURE) $(GO) run ./scripts/govulncheck -tags=$(TAGS) ./...

.PHONY: platforms
platforms: ## check that the code fits other platforms, without building it for them
	cd tools && $(PURE) $(GO) run ./typecheck linux/arm64 darwin/arm64 windows/amd64

.PHONY: fmt
fmt: build ## format Go code and Caddyfiles
	$(PURE) $(GO) tool -modfile=tools/go.mod golangci-lint fmt
	for f in Caddyfile caddyfile-examples/*; do bin/caddy fmt --overwrite "$$f"; done

.PHONY: clean
clean: ## remove what was built (not the data)
	rm -rf bin
