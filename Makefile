# Everything that is done to this project has a target here; `make help` lists them. Go and make are all it needs: tools are
# compiled from tools/go.mod, and what tests need is found, started or installed by internal/testenv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

MODULE ?=
ARGS   ?=
FUZZTIME ?= 1m

GO ?= go
# One way to compile, but for the race detector's, so that each package is compiled once: binaries need no C library, and do
# not tell where their source lay, which makes what was compiled in one clone good for the next.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)
BIN := bin
# A path that no build writes, so that the binaries are made anew; Go's cache makes that a matter of a second.
.PHONY: FORCE
FORCE:

# ---- The product

.PHONY: run
run: ## Start the product on its embedded defaults (ARGS="--addr 127.0.0.1:8081" passes flags)
	@echo "Gatehouse: compiling. The first time takes about five minutes on two cores, later a few seconds."
	@echo "Then: API on http://127.0.0.1:8080 (or where ARGS say), docs on /docs there, data in ./data, mail as files in ./data/mail. Ctrl-C stops it."
	@$(GO) build -o $(BIN)/gatehouse ./cmd/gatehouse
	@exec $(BIN)/gatehouse serve $(ARGS)

.PHONY: build
build: ## Compile bin/gatehouse
	$(GO) build -o $(BIN)/gatehouse ./cmd/gatehouse

# ---- Tests

# Packages whose tests drive a built binary: the race detector would see nothing of it.
DRIVING := ./test/e2e/... ./test/faults/...
# Core counts what its own tests reach; modules what any test in this process reaches.
COVERED := ./core/...,./modules/...
GATES   := -min 85:core/,modules/ -min 95:core/password -min 95:core/token -min 95:core/ratelimit
TESTENV := exec $(BIN)/testenv -need
# SQLite's C, translated to Go, and argon2's inner loop are not ours to search for races, and most of what the detector costs.
UNRACED := $(foreach p,modernc.org/sqlite/lib modernc.org/libc modernc.org/memory ./third_party/argon2 golang.org/x/crypto/blake2b,\
	-gcflags=$(p)=-race=false)

.PHONY: test
test: $(BIN)/testenv ## Run every test: SQLite, PostgreSQL, Redis, a browser, the race detector, coverage
	@$(TESTENV) cc,postgres,pgbouncer,redis,chromium,strace,azurite,servicebus -- $(MAKE) test-inside

# What `test` runs where TEST_POSTGRES_URL, TEST_PGBOUNCER_URL, TEST_REDIS_URL, TEST_AZURITE_URL, TEST_SERVICEBUS_URL,
# TEST_CHROMIUM and TEST_STRACE are set.
.PHONY: test-inside
test-inside:
	@mkdir -p coverage
	CGO_ENABLED=1 $(GO) test -race $(UNRACED) -timeout 15m -covermode atomic -coverpkg $(COVERED) -coverprofile coverage/race.out \
		$$($(GO) list ./... | grep -v -e '/test/e2e' -e '/test/faults')
	$(GO) test -p 1 -timeout 20m $(DRIVING)
	@$(MAKE) test-tools coverage

.PHONY: test-tools
test-tools: # and of what measures; both are modules of their own
	$(GO) -C tools test ./...
	$(GO) -C bench test ./...

.PHONY: coverage
coverage:
	@$(GO) -C tools run ./covergate -module $$($(GO) list -m) $(GATES) $(CURDIR)/coverage/race.out

.PHONY: check-fast
check-fast: ## Format, vet and test on SQLite and memory alone: under five minutes
	@$(MAKE) check-format
	$(GO) vet ./...
	$(GO) test $$($(GO) list ./... | grep -v '/test/faults')

.PHONY: soak
soak: $(BIN)/testenv ## Fuzz every parser (FUZZTIME=1m each) and run the long faults
	@$(TESTENV) cc,postgres,pgbouncer,redis,chromium,strace,azurite,servicebus -- $(MAKE) soak-inside

.PHONY: soak-inside
soak-inside:
	@grep -rl --include='*_test.go' '^func Fuzz' core modules internal cli app test testkit third_party 2>/dev/null | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "== $$target in $$(dirname "$$file")"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
		done; \
	done
	TEST_SOAK=1 $(GO) test -p 1 -count 1 -timeout 2h -v ./core/event/... ./core/job/... $(DRIVING)

.PHONY: bench
bench: $(BIN)/testenv ## Measure: the parts with go test -bench, the product from outside (ARGS="burst" and others: bench/doc.go)
	@$(TESTENV) postgres,redis -- $(MAKE) bench-inside

.PHONY: bench-inside
bench-inside:
	$(GO) test -run '^$$' -bench . -benchmem ./core/... ./modules/...
	$(GO) -C bench build -o $(CURDIR)/$(BIN)/bench .
	cd bench && exec $(CURDIR)/$(BIN)/bench $(ARGS)

# ---- Checks

.PHONY: check
check: ## Format, vet, lint, tidy, generated files, licences, renaming
	@$(MAKE) check-format
	$(GO) vet ./...
	$(GO) vet -tags live ./core/event/servicebus/
	$(GO) -C bench vet ./...
	@$(MAKE) lint
	$(GO) mod tidy -diff
	$(GO) -C bench mod tidy -diff
	@$(MAKE) verify
	@$(MAKE) check-rename

.PHONY: check-format
check-format:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ -f "$$f" ] && echo "$$f"; done)); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the Go files and order their imports
	$(BIN)/golangci-lint fmt
	cd bench && $(CURDIR)/$(BIN)/golangci-lint fmt

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run golangci-lint (its first compilation takes minutes)
	$(BIN)/golangci-lint run
	cd bench && $(CURDIR)/$(BIN)/golangci-lint run

# ---- Generated files

# Every generated file has one line here: the file, and the command whose output it is.
define GENERATED
	$(call into,docs/reference/openapi.yaml,$(BIN)/gatehouse openapi)
	$(call into,docs/reference/settings.md,$(BIN)/gatehouse reference settings)
	$(call into,docs/reference/events.md,$(BIN)/gatehouse reference events)
	$(call into,docs/reference/audit.md,$(BIN)/gatehouse reference audit)
	$(call into,docs/reference/cli.md,$(BIN)/gatehouse reference cli)
	$(call into,docs/reference/access.md,$(BIN)/gatehouse reference access)
	$(call into,docs/reference/schema.md,$(BIN)/gatehouse reference schema --uses test/contract/testdata)
	$(call into,docs/reference/review.md,$(GO) -C tools run ./blueprint -dir .. review)
	$(call into,docs/reference/blueprint.md,$(BIN)/gatehouse openapi --format json | $(GO) -C tools run ./blueprint -dir .. blueprint)
	$(call into,docs/reference/dependencies.md,$(GO) -C tools run ./licences -dir .. -bench ../bench)
endef

# into FILE,COMMAND: the file changes only if the command succeeds.
into = @mkdir -p $(dir $(1)) && echo "$(1)" && $(2) > $(1).new && mv $(1).new $(1) || { rm -f $(1).new; exit 1; }

.PHONY: generate
generate: build ## Write the generated files anew, the list of dependencies and licences among them
	$(GENERATED)

# What git sees of the tree: two equal answers mean that nothing changed in between.
STATE := { git status --porcelain --untracked-files=all; git diff HEAD --no-ext-diff; git ls-files --others --exclude-standard -z | xargs -0 -r cksum; }

.PHONY: verify
verify: ## Generate, then fail if that changed a file
	@before=$$($(STATE) 2>/dev/null | cksum); $(MAKE) generate || exit 1; after=$$($(STATE) 2>/dev/null | cksum); \
	if [ "$$before" != "$$after" ]; then git status --short; git --no-pager diff --stat; echo "generated files were not up to date: commit what make generate wrote"; exit 1; fi

# ---- The module path

.PHONY: rename
rename: ## Give the project your own module path: make rename MODULE=example.com/shop
	@$(GO) -C tools run ./rename -dir .. -to "$(MODULE)"
	$(GO) build ./...
	$(GO) -C tools build -o /dev/null ./covergate
	$(GO) -C bench build -o /dev/null .

.PHONY: check-rename
check-rename:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -f "$$f" ] && printf "%s\0" "$$f"; done; true' sh | tar -c --null -T - | tar -x -C "$$dir" && \
	echo "renaming a copy" && $(MAKE) -C "$$dir" rename MODULE=example.com/renamed/product && \
	cd "$$dir" && $(GO) vet ./... && ! grep -rn --include='*.go' '"github.com/gatehouse/gatehouse[/"]' .

# ---- Tools

$(BIN)/testenv: FORCE
	@$(GO) build -o $@ ./internal/testenv/cmd/testenv

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	@echo "compiling golangci-lint (minutes, the first time)"
	@$(GO) -C tools build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

.PHONY: hooks
hooks: ## Let git run the checks of .githooks before each commit
	git config core.hooksPath .githooks

.PHONY: clean
clean: ## Remove what was built; data stays
	rm -rf $(BIN) coverage

.PHONY: help
help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
