# What the project can do, one line each: make help.

# Where `make run` listens and keeps its data.
LISTEN ?= 127.0.0.1:8080
DATA   ?= data

# What `make test` runs; for example make test PACKAGES=./internal/store/... TESTFLAGS='-run Send -v'.
PACKAGES  ?= ./...
TESTFLAGS ?=
# Ends a hanging test binary; no suite comes near it.
TIMEOUT   ?= 30m
# Where the tests keep their files: in memory where there is room for them, because a suite kills and restarts servers
# thousands of times and would otherwise wait for the disk.
TEST_DIR  ?= $(shell scripts/test-dir)
# SQLite is C that was translated to Go: millions of lines that the race detector would watch for nothing, because a
# connection belongs to one goroutine at a time, which our own code sees to and is watched for.
UNWATCHED = -gcflags=modernc.org/...=-race=false

# What `make bench` measures, how long each benchmark runs, and the arguments of every program in cmd/ that measures.
BENCH_PACKAGES ?= ./...
BENCH          ?= .
BENCHTIME      ?= 2s
BENCHFLAGS     ?=
BENCH_PROGRAMS ?= $(wildcard cmd/muster-bench cmd/muster-load)
BENCH_ARGS     ?=

# The packages with suites that `make soak` runs in their long form, and for how long at most; tree_test.go holds the list.
SOAK_PACKAGES ?= ./internal/enrol ./internal/fault ./internal/gateway ./internal/group ./internal/store
SOAK_TIMEOUT  ?= 12h

# Generated files that are committed; `make check` fails when generating them again changes them.
GENERATED = gen docs/configuration.md web/src/api/gen

# The web client as the Go compiler takes it, and what it is made of: it is built when something in here is newer.
CLIENT = internal/web/client/index.html
CLIENT_SOURCES := $(shell find web/src web/public -not -name '*.test.ts*' 2>/dev/null) $(wildcard web/*.* web/.npmrc scripts/*web*)

GO ?= go
# Installed by `make test` in the machine, built from the pinned modules in tools/ into bin/, and nowhere else.
WITH_POSTGRES = bin/with-postgres

.DEFAULT_GOAL := help
.PHONY: help build run test needs check format-check format lint schema-check schema-baseline generate docs \
	generated-check web-check web-packages screenshots bench soak clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: $(CLIENT) ## build bin/muster, a static binary with the web client in it
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

$(CLIENT): $(CLIENT_SOURCES)
	@scripts/build-web

run: build ## build everything and serve on http://127.0.0.1:8080 with data in ./data
	bin/muster serve --listen $(LISTEN) --data $(DATA)

test: needs web-packages $(CLIENT) $(WITH_POSTGRES) ## run every suite: SQLite, PostgreSQL, browser, race detector; installs what is missing
	@GOTMPDIR=$${GOTMPDIR:-$${TMPDIR:-/tmp}} TMPDIR=$(TEST_DIR) MUSTER_TEST_POSTGRES_REQUIRED=1 \
		MUSTER_TEST_BROWSER_REQUIRED=1 $(WITH_POSTGRES) $(GO) test -race $(UNWATCHED) -shuffle=on -timeout $(TIMEOUT) $(TESTFLAGS) $(PACKAGES)

needs: # what the tests need of the machine
	@scripts/install-test-needs

check: format-check lint schema-check generated-check web-check ## formatters, linters, types, schema checks, generated files up to date

format-check: bin/golangci-lint
	bin/golangci-lint fmt --diff

format: bin/golangci-lint bin/buf web-packages ## format Go, TypeScript and schema files in place
	bin/golangci-lint fmt
	bin/buf format -w
	@npm --prefix web run --silent format

lint: bin/golangci-lint ## run the linters
	bin/golangci-lint run

web-check: web-packages ## types, linters and formatter of the web client and of its browser tests
	npm --prefix web run --silent check
	npm --prefix web/e2e run --silent check

web-packages: # what the client and its tests take from npm
	@scripts/web-packages web web/e2e

schema-check: bin/buf ## lint, format and compatibility of proto/ against the accepted schema
	@scripts/schema check

schema-baseline: bin/buf ## accept the present schema as the one to stay compatible with (ACCEPT_BREAKING=1 to break it)
	@scripts/schema accept

generate: bin/buf bin/protoc-gen-go bin/protoc-gen-connect-go web-packages ## generate Go and TypeScript from proto/
	@scripts/generate

docs: ## generate the reference pages of docs
	@scripts/generate-docs

generated-check: generate docs
	@scripts/assert-committed $(GENERATED)

bench: needs build web-packages $(WITH_POSTGRES) ## run the benchmarks of BENCH_PACKAGES, then the measuring programs and the web client's
	$(WITH_POSTGRES) $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 0 $(BENCHFLAGS) $(BENCH_PACKAGES)
	$(foreach program,$(BENCH_PROGRAMS),$(WITH_POSTGRES) $(GO) run ./$(program) $(BENCH_ARGS) &&) true
	npm --prefix web/e2e run --silent bench

screenshots: needs build web-packages ## make the pictures in docs/screenshots anew
	npm --prefix web/e2e run --silent screenshots

soak: needs $(WITH_POSTGRES) ## run the fault suites in their long form
	MUSTER_SOAK=1 MUSTER_TEST_POSTGRES_REQUIRED=1 $(WITH_POSTGRES) \
		$(GO) test -race $(UNWATCHED) -shuffle=on -count=1 -v -timeout $(SOAK_TIMEOUT) $(TESTFLAGS) $(SOAK_PACKAGES)

clean: ## remove what the targets above built
	rm -rf bin

# The go command itself finds out whether this one is up to date.
$(WITH_POSTGRES): FORCE
	@$(GO) build -o $@ ./internal/pgtest/with-postgres

# The tools change with their module only, so that no other run pays for linking them.
bin/buf: tools/buf/go.mod tools/buf/go.sum
	$(GO) -C tools/buf build -o $(CURDIR)/$@ github.com/bufbuild/buf/cmd/buf

bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	$(GO) -C tools/lint build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/protoc-gen-go: tools/gen/go.mod tools/gen/go.sum
	$(GO) -C tools/gen build -o $(CURDIR)/$@ google.golang.org/protobuf/cmd/protoc-gen-go

bin/protoc-gen-connect-go: tools/gen/go.mod tools/gen/go.sum
	$(GO) -C tools/gen build -o $(CURDIR)/$@ connectrpc.com/connect/cmd/protoc-gen-connect-go
