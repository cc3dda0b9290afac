# Everything runs from source with Go, git and make. The first "make generate" or "make test" builds
# the tools, which takes minutes; Go keeps them in its build cache. "make demo" needs none of them.

# Without cgo, as sqlc would compile PostgreSQL's parser, which takes minutes and is not used.
TOOL  := env CGO_ENABLED=0 go tool -modfile=tools/go.mod
# Installed ones do as well: make generate BUF=buf SQLC=sqlc
BUF   := $(TOOL) buf
SQLC  := $(TOOL) sqlc
LINT  := $(TOOL) -n golangci-lint # prints where it is: what it looks at may have cgo
WASIP1 := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0

# The race detector needs cgo and a C compiler. Without them the tests run, and
# say what is missing. It leaves out the backend of wazero's compiler, which takes ten
# times as long with it. No more than that: a package that is left out must not make
# generic code of the standard library that others use, as the linker keeps one copy of
# it. With all of the compiler that was sync.Map, and races were reported that are none.
# It is one flag -gcflags, as a program knows only the last it was built with, and Go plugins
# are built with what it knows.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),$(if $(shell command -v $$(go env CC) 2>/dev/null),\
	-race -gcflags=github.com/tetratelabs/wazero/internal/engine/wazevo/backend/...=-race=false))

# What guests link, and guests.
GUEST_PACKAGES := ./pluginsdk/guest/... ./pluginsdk/future ./pluginsdk/status ./pluginsdk/id ./internal/abi \
	./pluginsdk/parigotpb/... ./pluginsdk/syscallpb/... \
	./pluginsdk/eng/testdata/guest ./pluginsdk/eng/testdata/overlap ./pluginsdk/eng/testdata/overlaplib \
	./pluginsdk/eng/testdata/reactor ./internal/fuel/testdata/work \
	./pluginsdk/eng/testdata/server ./internal/serve \
	./examples/file/gen/... ./examples/file/guest ./examples/filter/gen/... ./examples/filter/guest/... \
	./examples/queue/gen/... ./examples/queue/guest \
	./examples/syscall/gen/... ./examples/syscall/guest/... ./examples/syscall/testdata/gen/... \
	./examples/syscall/testdata/testguest ./examples/syscall/testdata/servingguest ./examples/syscall/testdata/locatingguest ./examples/syscall/testdata/node \
	./runner/testdata/guest

FUZZTIME ?= 60s

.DEFAULT_GOAL := help
.NOTPARALLEL: # what is built is what was generated
.PHONY: FORCE help demo demo-file demo-queue demo-syscall generate check-generated test hostile soak chaos chaos-process loss corpus vet lint lintfix bench bench-base bench-full bench-guard bench-guard-update bench-host bench-micro bench-gen bench-queue bench-start bench-syscall fuzz tools validate-proto clean

help: ## Show this list
	@echo "Parigot: typed, fast, safe calls from WASM guests to native Go plugins."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: demo-generate demo-file demo-queue demo-syscall ## Generate, build plugins and guests, run them: the examples end to end
	@echo "==> all examples ran to their ends"

# What buf does, for one file, and without writing.
.PHONY: demo-generate
demo-generate: build/parigot
	@echo "==> protoc-gen-parigot makes Go code of examples/file/proto/file/v1/file.proto"
	@build/gencheck build/protoc-gen-parigot module=github.com/iansmith/parigot file/v1/file.proto examples/file/proto pluginsdk/proto

demo-file: build/parigot
	@rm -rf build/files && mkdir -p build/files
	$(call build-guest,file,file/guest)
	$(call run-example,file)

demo-queue: build/parigot
	@rm -rf build/queues && mkdir -p build/queues
	$(call build-guest,queue,queue/guest)
	$(call run-example,queue)

demo-syscall: build/parigot
	$(call build-guest,greeting,syscall/guest/greeting)
	$(call build-guest,hello,syscall/guest/hello)
	$(call run-example,syscall)

build/parigot: FORCE
	@echo "==> building parigot with the plugins of the examples in it, and protoc-gen-parigot"
	@mkdir -p build
	@$(PATIENTLY) "building; the first time compiles all dependencies, SQLite among them" \
		go build -o build ./cmd/parigot ./cmd/protoc-gen-parigot ./internal/gencheck

# Says what it does when the command says nothing.
PATIENTLY := .ci/patiently

# $(call build-guest,NAME,FOLDER)
define build-guest
	@echo "==> parigot guest build -o build/$(1)-guest.wasm ./examples/$(2)"
	@$(PATIENTLY) "building; the first time compiles Go's library for wasip1" \
		build/parigot guest build -o build/$(1)-guest.wasm ./examples/$(2)
endef

# $(call run-example,NAME)
define run-example
	@echo "==> parigot run examples/$(1)/parigot.yaml"
	@$(PATIENTLY) "compiling guests, or running them" build/parigot run --log-format text examples/$(1)/parigot.yaml
endef

UNLESS_CACHED := , unless it is in Go's cache already (the first time takes minutes)

tools: validate-proto
	@$(if $(filter $(TOOL),$(BUF)),echo "==> building buf$(UNLESS_CACHED)")
	@$(BUF) --version >/dev/null
	@$(if $(filter $(TOOL),$(SQLC)),echo "==> building sqlc$(UNLESS_CACHED)")
	@$(SQLC) version >/dev/null

validate-proto:
	@.ci/validate-proto

generate: tools ## Generate Go code from all proto files, and from SQL
	@echo "==> generating Go code from the proto files with buf"
	@$(BUF) generate
	@echo "==> generating Go code from SQL with sqlc"
	@$(SQLC) generate -f examples/queue/sqlc.yaml
	@echo "==> generating the reference of deployment files in docs/runner.md"
	@go run ./internal/fielddoc

check-generated: tools ## Fail when generated code is stale
	@echo "==> checking that the generated code is up to date"
	@BUF="$(BUF)" SQLC="$(SQLC)" .ci/check-generated

vet: ## Vet and build for the host and for wasip1
	@echo "==> go vet, for the host and for wasip1"
	@go vet ./...
	@$(WASIP1) go vet $(GUEST_PACKAGES)
	@$(WASIP1) go build -o /dev/null ./examples/file/guest ./examples/queue/guest ./examples/syscall/guest/...
	@for g in ./examples/filter/guest/*; do $(WASIP1) go build -buildmode=c-shared -o /dev/null $$g || exit 1; done

# The packages that take longest come first, so that none of them is left alone at the end.
LONGEST := ./internal/walk ./runner ./internal/gen/calltest ./pluginsdk/eng ./examples/queue

# Vetting takes the packages of all dependencies apart once more, and make lint does it.
test: check-generated ## Run everything: stale code, and all tests with the race detector
	@command -v protoc >/dev/null || echo "==> protoc is not installed: what the generator writes is tested with buf alone"
	@$(if $(RACE),echo "==> go test -race",echo "==> go test, WITHOUT the race detector: it needs cgo and a C compiler")
	@go test $(RACE) -vet=off -timeout 30m $(LONGEST) ./...
	@echo "==> the generator on services of published modules (the first time compiles them, which takes minutes)"
	@cd internal/corpus && go test -vet=off -timeout 30m ./...
	@cd bench && go test -vet=off -timeout 30m ./...

soak: ## Kill the queue's host 200 times while its guests work
	@go test $(RACE) -run '^TestCrash$$' -v -timeout 30m ./examples/queue -kills 200

hostile: ## Run modules that try to hurt their host, and print what they cost: a minute
	@go test ./internal/hostile -v -count 1 -timeout 10m -hostile.full

chaos: ## End 50 guests that call each other, in all ways there are, for a minute
	@go test ./examples/syscall -run '^TestGuestChaos$$' -v -timeout 30m -chaos.guests 50 -chaos.time 1m

chaos-process: ## Kill a plugin's process 1000 times while guests call it
	@go test ./pluginsdk/process -run '^TestKill$$' -v -timeout 30m -kills 1000

loss: ## Run buf and protoc over random trees of hand-written files for ten minutes: nothing may be lost
	@go test ./internal/gen -run '^TestNothingIsLost$$' -v -timeout 30m -loss.time 10m -rapid.checks 1000000

corpus: ## Generate and compile the services of all corpus modules, and print the scoreboard
	@cd internal/corpus && go test -tags corpusfull -run Grouping -timeout 60m . && go run -tags corpusfull ./cmd/corpus

lint: validate-proto ## Run all linters, for the host and for wasip1
	@echo "==> linting (the first time builds golangci-lint, which takes minutes)"
	@$(BUF) lint
	@buf=$$($(TOOL) -n buf) && cd pluginsdk/proto && "$$buf" lint # as those see it who copy it
	@$(BUF) format --diff --exit-code
	@linter=$$($(LINT)) && \
		"$$linter" run ./... && \
		$(WASIP1) "$$linter" run $(GUEST_PACKAGES) && \
		(cd bench && "$$linter" run ./...) && \
		(cd internal/corpus && "$$linter" run ./...)

lintfix: validate-proto ## Format proto and Go files, and fix what linters can
	@$(BUF) format --write
	@linter=$$($(LINT)) && "$$linter" run --fix ./...

bench: ## Measure calls from guests beside peers and limits: a minute, and building
	@mkdir -p build
	@cd bench && go run ./call -dir ../build -raw ../build/bench-call.txt
	@go tool -modfile=tools/go.mod benchstat -row /side -col /payload build/bench-call.txt

bench-base: ## Measure calls from guests beside commit 6b5eaaa: 6 minutes
	@mkdir -p build
	@cd bench && go run ./base -dir ../build

bench-full: ## The same in full, into docs/benchmarks.md: a quarter of an hour
	@mkdir -p build
	@cd bench && go run ./call -dir ../build -full -rounds 11 -time 300ms \
		-raw ../build/bench-call.txt -doc ../docs/benchmarks.md -svg ../docs/benchmarks-calls.svg

bench-host: ## Measure calls of guests by their host beside peers, into docs/benchmarks.md: 5 minutes
	@mkdir -p build
	@cd bench && go run ./call -host -dir ../build -full -rounds 11 -time 200ms \
		-raw ../build/bench-host.txt -doc ../docs/benchmarks.md

LOSS ?= 0.2

bench-guard: ## Fail when calls lost more than LOSS (0.2) of the speed in bench/baseline.json
	@mkdir -p build
	@cd bench && go run ./call -dir ../build -cache ../build/cache -time 60ms -baseline baseline.json -loss $(LOSS)

bench-guard-update: ## Write bench/baseline.json
	@mkdir -p build
	@cd bench && go run ./call -dir ../build -cache ../build/cache -time 60ms -baseline baseline.json -update

bench-micro: ## Measure parts of the SDK: the bridge, futures, calls from a small guest
	@go test -run '^$$' -bench . -benchmem ./internal/core ./pluginsdk/...

bench-gen: build/corpus-full.binpb ## Measure the generator beside those of grpc and connect, into docs/benchmarks.md: 5 minutes
	@cd bench && go run ./gen -corpus ../build/corpus-full.binpb -doc ../docs/benchmarks.md

build/corpus-full.binpb: internal/corpus/go.mod $(wildcard internal/corpus/*.go)
	@echo "==> the request of the corpus (the first time compiles its modules, which takes minutes)"
	@mkdir -p build
	@cd internal/corpus && go run -tags corpusfull ./cmd/corpus -request ../../build/corpus-full.binpb

bench-queue: ## Measure the queue plugin beside goqite, into docs/benchmarks.md: 4 minutes
	@mkdir -p build
	@cd bench && go run ./queue -dir ../build -doc ../docs/benchmarks.md

bench-start: ## Measure starts of guests beside commit 6b5eaaa: 3 minutes
	@mkdir -p build
	@cd bench && go run ./start -dir ../build

bench-syscall: ## Measure calls of guests that serve beside gRPC, into docs/benchmarks.md: 5 minutes
	@mkdir -p build
	@cd bench && go run ./syscall -dir ../build -doc ../docs/benchmarks.md

fuzz: ## Run each fuzz target for FUZZTIME (60s)
	@for t in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | sort); do \
		for f in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$t); do \
			echo "==> $$f in $$(dirname $$t)"; \
			go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) ./$$(dirname $$t) || exit 1; \
		done; \
	done

clean: ## Remove what was built here
	@rm -rf build
