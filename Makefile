# Targets of tailrace. Bare "make" prints them.

BIN        := bin/tailrace
GO         := go
LISTEN     ?= 127.0.0.1:4437
DATA       ?= ./data
ROUNDS     ?= 200
TIERROUNDS ?= 50
SEEDS      ?= 20000
FUZZTIME   ?= 10m
LIVETIME   ?= 10m
TIERTIME   ?= 2m
BENCHTIME  ?= 2s
ABUSETIME  ?= 1m
BASE       ?=
URL        ?=
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.DEFAULT_GOAL := help
.PHONY: help run build test test-go docs-test test-conformance test-browser test-proxy race crash hunt fuzz fuzz-smoke lint bench soak soak-live soak-tier soak-auth soak-abuse conformance golden tidy-check testtools

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## run the server on 127.0.0.1:4437 with its data in ./data
	$(BIN) serve --listen $(LISTEN) --data $(DATA)

build: ## build bin/tailrace
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/tailrace

# The suites use their own ports and directories. The official suite has a
# deadline for each of its tests, so it does not share the cores with the Go
# tests; two of its own configurations run at a time.
test: ## everything: Go tests, fuzz smoke, the official suite, the official client across kill -9
	@$(MAKE) --no-print-directory test-go
	@$(MAKE) --no-print-directory fuzz-smoke
	@$(MAKE) --no-print-directory test-conformance

test-go: testtools
	$(GO) test ./...
	$(GO) test ./server -args -server.portable

docs-test: ## execute every command of the documentation, and compare its tables with the program
	$(GO) test ./docs -count=1

# The pinned S3 server and TCP proxy that tests talk to. Tests that are run
# without make build them too.
testtools: bin/versitygw bin/toxiproxy ## the pinned S3 server and proxy that tests run against

bin/versitygw: internal/testtools/go.sum
	cd internal/testtools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-s -o ../../$@ github.com/versity/versitygw/cmd/versitygw
	@touch $@

bin/toxiproxy: internal/testtools/go.sum
	cd internal/testtools && CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-s -o ../../$@ github.com/Shopify/toxiproxy/v2/cmd/server
	@touch $@

test-conformance: build testtools conformance/node_modules/.installed
	cd conformance && node --test --test-timeout=60000 --test-reporter=dot lib/*.test.mjs
	cd conformance && node run.mjs --binary ../$(BIN)
	cd conformance && node client-crash.mjs --binary ../$(BIN)

test-browser: build conformance/node_modules/.installed ## replays, conditional requests, CORS and event streams in headless Chromium
	cd conformance && node browser.mjs --binary ../$(BIN)

# A module of its own, so that what Caddy wants is not what versitygw gets. The
# first build takes minutes: nothing else depends on it.
bin/caddy: internal/testtools/caddy/go.sum
	cd internal/testtools/caddy && CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-s -o ../../../$@ github.com/caddyserver/caddy/v2/cmd/caddy
	@touch $@

test-proxy: bin/caddy ## clients through Caddy over TLS and HTTP/2, and through nginx if there is one
	$(GO) test ./internal/proxytest -count=1 -args -proxy.caddy=$(CURDIR)/bin/caddy -proxy.nginx=$(shell command -v nginx)

conformance/node_modules/.installed: conformance/package.json conformance/package-lock.json
	cd conformance && npm ci --no-progress && touch node_modules/.installed

conformance: conformance/node_modules/.installed ## the official suite; against any server with URL=http://host:port
ifeq ($(URL),)
	@$(MAKE) --no-print-directory build testtools
	cd conformance && node run.mjs --binary ../$(BIN)
else
	cd conformance && node run.mjs --url $(URL)
endif

race: testtools ## the Go tests under the race detector
	$(GO) test -race ./...
	$(GO) test -race ./server -args -server.portable

lint: tidy-check ## vet (for Linux and macOS), staticcheck, formatting, module files
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) tool staticcheck ./...

tidy-check:
	$(GO) mod tidy -diff
	$(GO) mod verify
	cd internal/testtools && $(GO) mod tidy -diff && $(GO) mod verify
	cd internal/testtools/caddy && $(GO) mod tidy -diff && $(GO) mod verify

golden: ## write the golden files again; read the diff before committing it
	$(GO) test ./wal ./engine ./segment ./internal/stream ./internal/manifest ./internal/checkpoint ./internal/bucket -run 'Golden|KeepTheirBytes' -update
	$(GO) test ./docs -run Golden -update

crash: testtools ## a real process killed with -9, ROUNDS times under load and as often while idle, TIERROUNDS times with a bucket
	$(GO) test ./internal/crashtest -run 'Kill|Idle' -v -timeout 3h \
		-crash.rounds=$(ROUNDS) -crash.tier=$(TIERROUNDS) -crash.idle=$(ROUNDS) -crash.idle-log-file-bytes=67108864

hunt: ## the crash matrix over SEEDS seeds, without and with a bucket
	$(GO) test ./engine -run KeepsWhatWasAcknowledged -v -timeout 3h -engine.crash-seeds=$(SEEDS) -engine.tier-seeds=$(SEEDS)

fuzz: ## every fuzz target for FUZZTIME, two at a time
	fuzz/run.sh $(FUZZTIME) 2

fuzz-smoke:
	fuzz/run.sh 2s 2

bench: ## the benchmarks, each beside the floor of this machine
	$(GO) test -run '^$$' -bench . -timeout 1h ./wal ./bench

soak: soak-live soak-tier soak-auth soak-abuse ## the long measurements, at the sizes that their bounds are for: more than an hour, 20 GB of disk
	$(GO) test -run '^$$' -bench 'Large|ManyStreams|StoredBytes|Replay' -benchtime 1x -timeout 6h ./bench -bench.strict \
		-bench.large-bytes=21474836480 -bench.many=1000000 -bench.many-memory=536870912 \
		-bench.stored-bytes=1073741824 -bench.stored-streams=100000 -bench.replay-bytes=1073741824
	$(GO) test -run '^$$' -bench 'Maintenance|Arrays' -benchtime 1x -timeout 1h ./bench -bench.strict -bench.pairs=5 -bench.pairtime=10s

soak-live: ## live readers for LIVETIME, each of whom must get everything once; then what connections and readers cost, against its bounds
	$(GO) test ./internal/livetest -run Readers -v -timeout 6h -live.time=$(LIVETIME)
	$(GO) test -run '^$$' -bench IdleConnections -benchtime 1x -timeout 1h ./bench -bench.strict -bench.conns-low=5000 -bench.conns-high=15000
	$(GO) test -run '^$$' -bench 'HTTPAppend|ReadHot|LoneAppend|FanOut|WritersWithReaders|PostBeside|SlowSync|Stop' -benchtime 1x -timeout 2h \
		./bench -bench.strict -bench.pairs=5 -bench.pairtime=10s -bench.idle-readers=10000 -bench.stop-readers=15000
	$(GO) test -run '^$$' -bench Broadcast -benchtime 1x -timeout 1h ./bench -bench.strict -bench.pairs=5 -bench.pairtime=30s -bench.broadcast-readers=10000
	$(GO) test -run '^$$' -bench 'HTTPAppend/conns=256/streams=100$$' -benchtime 1x -timeout 1h ./bench -bench.strict -bench.conns=256 -bench.pairs=5 -bench.pairtime=10s

soak-tier: testtools ## a bucket that fails for TIERTIME, what sending costs, and 5 GiB of history with 256 MiB on the disk, against their bounds
	$(GO) test -run '^$$' -bench 'TierFailing|TierSend' -benchtime 1x -timeout 6h ./bench -bench.strict -bench.pairs=5 -bench.pairtime=10s \
		-bench.tiertime=$(TIERTIME)
	$(GO) test -run '^$$' -bench TierHistory -benchtime 1x -timeout 6h ./bench -bench.strict -bench.pairs=5 \
		-bench.tier-bytes=5368709120 -bench.tier-publish=1m

soak-auth: ## tokens verified per second, and what authentication adds to an append; all since another build with BASE=/path/to/its/binary
	$(GO) test -run '^$$' -bench Verify ./internal/auth
	$(GO) test -run '^$$' -bench AuthAppend -benchtime 1x -timeout 1h ./bench -bench.strict -bench.pairs=10 -bench.pairtime=10s \
		-bench.base=$(BASE)

soak-abuse: ## ordinary clients beside 2,000 connections that misuse the server for ABUSETIME at a time, five times
	$(GO) test -run '^$$' -bench 'Abuse$$' -benchtime 1x -timeout 6h ./bench -bench.strict -bench.abuse-conns=2000 \
		-bench.pairs=5 -bench.pairtime=$(ABUSETIME)
