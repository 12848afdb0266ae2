# Two commands matter: `make demo` shows a hospital, `make test` proves it works.
# Everything a target needs beyond Go, Node and a Debian base, scripts/setup installs.

GO      ?= go
BIN     := bin
WEB     := web/dist/wall.html
# Recordings of real ECGs, when they are beside this folder, replay in bed 05.
RECORDINGS ?= $(wildcard ../shared/data/mitdb)
WEBSRC  := $(shell find web/src web/*.html web/*.ts web/package.json web/package-lock.json -type f 2>/dev/null)

.PHONY: demo build test test-all conformance lint bench bench-fhir micro crash mutants fmt clean web api

demo: build            ## a simulated hospital in a throw-away folder, in the browser
	$(BIN)/vigil demo $(if $(RECORDINGS),--recordings $(RECORDINGS))

build: $(WEB)          ## bin/vigil: one static binary with the screens inside
	CGO_ENABLED=0 $(GO) build -buildvcs=auto -trimpath -o $(BIN)/vigil ./cmd/vigil

web: $(WEB)

$(WEB): $(WEBSRC)
	scripts/web build

test:                  ## everything that must pass, under 20 minutes
	scripts/test

test-all:              ## longer fuzzing and soak runs
	scripts/test all

conformance: build     ## the suites that others wrote, and their clients' view: passed, failed, skipped
	@scripts/clients
	@$(GO) run ./test/conformance

lint:                  ## vet, the house rules, golangci-lint
	scripts/lint

# Measurements run on both stores where a PostgreSQL can be started.
POSTGRES := $(wildcard /usr/lib/postgresql/15/bin/initdb)
ifneq ($(POSTGRES),)
both = scripts/postgres sh -c '$(1) --db "$$VIGIL_TEST_POSTGRES"'
else
both = echo "PostgreSQL 15 is not installed (scripts/setup installs it): this is SQLite alone." >&2; $(1)
endif

bench: build           ## the table of figures, measured on this machine
	@$(call both,$(BIN)/vigil bench all)

BUNDLES ?= $(wildcard ../shared/data/synthea)
bench-fhir: build      ## the figures of the FHIR server; BUNDLES is a folder of transactions
	@$(call both,$(BIN)/vigil bench fhir $(if $(BUNDLES),--bundles $(BUNDLES)))

micro:                 ## micro-benchmarks of the hot path, compared with the kept ones
	scripts/micro

RUNS ?= 200
crash: build           ## kill the server RUNS times under load and miss nothing
	@$(call both,$(BIN)/vigil bench crash --runs $(RUNS))

mutants:               ## take out each protection in turn and see that its test misses it
	scripts/mutants

fmt:
	gofmt -w .

clean:
	rm -rf $(BIN) web/dist web/node_modules .tools
