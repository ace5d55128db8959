# Lares. 'make help' lists what can be made.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# How long 'make fuzz' works on each target.
T       ?= 30s

# Tools that run but are not linked: pinned here, not in go.mod, where they
# would bring hundreds of requirements.
GOFUMPT  := $(GO) run mvdan.cc/gofumpt@v0.9.1
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.13.1

# Runs a command with FFmpeg at hand, the only C that Lares is linked with; it
# is built first where it is missing, once per machine.
FFMPEG := packaging/ffmpeg/env

# The version comes from git by -X; reading the repository once is enough.
BUILD := $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

# Has the runtime erase what the crypto of the standard library copies of keys:
# see vault.Secretly.
export GOEXPERIMENT := runtimesecret

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help build run test unit bare clock browser e2e check format vet lint mod generated generate generate-demo notices tidy fuzz bench deb clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/lares
	@packaging/dev/setup build
	$(FFMPEG) $(BUILD) -o bin/lares ./cmd/lares

run: build ## start the demo: a simulated camera, recorded and shown in the browser
	bin/lares demo

test: ## install what the tests need, then run all of them
	@packaging/dev/setup test
	@$(MAKE) --no-print-directory unit bare clock browser
	@cat bin/requirements.txt

unit: ## run the tests of all packages, with the race detector, and list the requirements
	$(FFMPEG) $(GO) test -race -shuffle=on -json $$($(GO) list ./... | grep -v '/ui/e2e$$') | $(GO) run ./packaging/dev/requirements bin/requirements.txt

bare: ## run what the race detector leaves no memory for
	$(FFMPEG) $(GO) test -count=1 -run TestAWorkerThatMisbehaves ./nvr/media

# By itself: it builds the program with another clock, Go's library included.
clock: ## take the whole box through steps of the wall clock
	LARES_CLOCK=1 $(FFMPEG) $(GO) test -count=1 -v -run TestClockSteps ./cmd/lares

# By itself, not beside other tests: it looks at a live picture.
browser: ## drive the built program in a real browser
	LARES_E2E=1 $(FFMPEG) $(GO) test -count=1 -timeout 10m -v ./ui/e2e

e2e: export LARES_SCREENSHOTS := $(CURDIR)/packaging/screenshots
e2e: ## the same, and make the screenshots of the README again
	@packaging/dev/setup test
	@$(MAKE) --no-print-directory browser

check: format generated mod vet lint unit ## the gate: format, generated files, modules, vet, lint, tests

format: ## fail if a Go file is not formatted
	@diff=$$($(GOFUMPT) -d .) || exit 1; if [ -n "$$diff" ]; then echo "$$diff"; echo "Format with: $(GOFUMPT) -w ."; exit 1; fi

generated: ## fail if a generated file is older than its source
	@packaging/dev/check-generated

mod: ## fail if a module is not what go.sum says
	$(GO) mod verify

vet: ## go vet
	$(FFMPEG) $(GO) vet ./...

lint: ## golangci-lint, with the rules of .golangci.yml
	$(FFMPEG) $(GOLANGCI) run

generate: ## write *_templ.go from *.templ
	$(GO) tool templ generate -path ui

generate-demo: ## draw the clip of the demo camera again (needs ffmpeg)
	$(GO) run ./cmd/lares/internal/demo/draw cmd/lares/internal/demo

notices: ## write packaging/THIRD_PARTY.md again
	$(FFMPEG) packaging/dev/notices > packaging/THIRD_PARTY.md.new
	mv packaging/THIRD_PARTY.md.new packaging/THIRD_PARTY.md

# -e, because one module that only tests of the SQLite driver import cannot be
# resolved; nothing of ours needs it, but without -e tidy gives up.
tidy: ## tidy go.mod
	$(GO) mod tidy -e

fuzz: ## run each fuzz target for T (make fuzz T=1m)
	$(FFMPEG) packaging/dev/fuzz $(T)

bench: ## run the benchmarks
	$(FFMPEG) packaging/dev/bench

deb: build ## make the Debian package in bin (on Debian 12 it is made for all that are served)
	GO="$(GO)" packaging/deb/build bin/lares "$(VERSION)" bin

clean: ## remove what was built and installed in the tree
	rm -rf bin ui/e2e/out ui/e2e/node_modules
