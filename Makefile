# What a developer types, and what CI runs. Building and running needs Go; test
# brings what else it needs (e2e/setup) and caches it outside the tree.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X github.com/syslane/syslane/internal/cli.Version=$(VERSION)
FUZZTIME ?= 10s

# The tests of the code, without those of the whole program; first what takes longest.
UNIT = ./spool $(shell go list ./... | grep -v -e /e2e -e /spool$$)

.PHONY: build
build: ## bin/syslane, static as the packages hold it
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/syslane .

.PHONY: run
run: build ## a collector and a relay on this machine, until Ctrl-C
	@scripts/run.sh

.PHONY: test
test: export LEFT_OUT := $(shell mktemp -u)
test: setup lint race e2e bench-smoke ## everything; says at its end what it left out
	@if [ -s "$$LEFT_OUT" ]; then echo "make test: LEFT OUT: $$(sort -u "$$LEFT_OUT" | paste -sd';')"; rm -f "$$LEFT_OUT"; fi

.PHONY: setup
setup: ## rsyslog, loggen, Chromium, Elasticsearch, OpenSearch and others, for the tests
	@e2e/setup/install-peers.sh || [ -z "$$CI" ]
	@e2e/setup/install-browser.sh || [ -z "$$CI" ]
	@e2e/setup/install-elasticsearch.sh || [ -z "$$CI" ]
	@e2e/setup/install-opensearch.sh || [ -z "$$CI" ]
	@e2e/setup/install-operations.sh || [ -z "$$CI" ]
	@e2e/setup/install-packaging.sh || [ -z "$$CI" ]

.PHONY: lint
lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt these: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

.PHONY: unit
unit: ## the tests of the code, in the least time
	@go test -timeout 5m $(UNIT)

.PHONY: race
race: ## the same with the race detector, and without it those that measure times and sizes
	@go test -race -timeout 10m $(UNIT)
	@go test -timeout 5m ./spool

.PHONY: e2e
e2e: ## the real binary against real peers
	@go test -count=1 -p 2 -timeout 40m ./e2e/...

.PHONY: fuzz-smoke
fuzz-smoke: ## each fuzz test for FUZZTIME
	@scripts/fuzz-smoke.sh $(FUZZTIME)

.PHONY: bench-build
bench-build: build
	@mkdir -p bin/bench
	@go build -o bin/bench/ ./bench ./bench/gosyslog ./bench/loop

.PHONY: bench-otelcol
bench-otelcol: ## the OpenTelemetry Collector, for the benchmark; takes some minutes the first time
	@mkdir -p bin/bench
	@cd bench/otelcol && go build -o ../../bin/bench/otelcol .

.PHONY: bench
bench: bench-build bench-otelcol ## beside rsyslog and syslog-ng, in one table; BENCH="-only CASE -rounds N" for less
	@bin/bench/bench $(BENCH)

.PHONY: bench-elasticsearch
bench-elasticsearch: bench-build ## documents a second into a real Elasticsearch, beside rsyslog; BENCH="-rounds N"
	@e2e/setup/install-elasticsearch.sh
	@bench/elasticsearch.sh bin/bench/bench $(BENCH)

.PHONY: bench-growth
bench-growth: bench-build ## how cost grows with size, connections, rules, outputs and backlog; BENCH="-only by-size"
	@bin/bench/bench -growth $(BENCH)

.PHONY: bench-smoke
bench-smoke: bench-build ## that each case of the benchmark works, with few messages; no times
	@bin/bench/bench -smoke $(BENCH)
	@bin/bench/bench -smoke -growth $(BENCH)

.PHONY: profile
profile: bench-build ## profiles of Syslane during CASE=tcp-log, and its system calls, into PROFILES=DIR
	@bin/bench/bench -profile $(or $(PROFILES),bin/profiles) -only $(or $(CASE),tcp-log) $(BENCH)

.PHONY: pgo
pgo: bench-build ## default.pgo, by which the compiler optimises, from profiles of the benchmark
	@bin/bench/bench -profile bin/pgo -only tcp-log,relay,bulk,relp-log,udp-200k,tls-log
	@go tool pprof -proto bin/pgo/*.syslane.profile.pprof >default.pgo

.PHONY: bench-spool
bench-spool: build ## the log beside other queues on disk; BENCH="-text FILE" for more flags
	@cd bench/spool && go run -pgo=../../default.pgo . -syslane ../../bin/syslane $(BENCH)

.PHONY: bench-search
bench-search: ## searches over 20 million messages grown from the logs in TEXT=FILE,FILE, kept in DIR=bin/search-data
	@go build -o bin/bench/search ./bench/search
	@dir=$(or $(DIR),bin/search-data); [ -d $$dir/log ] || bin/bench/search -dir $$dir -mode generate -text $(TEXT) $(BENCH)
	@bin/bench/search -dir $(or $(DIR),bin/search-data) -mode search -rounds 7

.PHONY: soak-spool
soak-spool: ## the long proofs of the log: 200 kills, 20 GiB of backlog, thousands of seeds
	go test -count=1 -timeout 40m -v -run 'KillingTheProcess|ABacklog' ./spool -kills=200 -backlog=20
	go test -count=1 -timeout 40m -run TestModel ./spool -rapid.checks=5000
	go test -count=1 -timeout 40m -run 'AFlippedBit|ATruncated' ./spool -exhaustive

.PHONY: soak-relp
soak-relp: ## 20 kills under a real omrelp, and what peers send again with 20,000 seeds
	go test -count=1 -timeout 20m -v -run AtAnyMoment ./e2e -kills=20
	go test -count=1 -timeout 40m -run 'AgainIsStoredOnce|AreNeverLost' ./inputs/relp -rapid.checks=20000

.PHONY: soak-reload
soak-reload: ## 100 reloads under load; RELOADS=N for more
	go test -count=1 -timeout 60m -v -run Reloads ./e2e/reload -reloads=$(or $(RELOADS),100)

.PHONY: chaos
chaos: ## faults of all kinds for MINUTES=5, of a drawn seed or of SEED=N
	go test ./e2e/chaos -count=1 -v -timeout 0 -run UnderFaults -length=$(or $(MINUTES),5)m -seed=$(or $(SEED),0)

.PHONY: soak
soak: ## relay and collector at half of their greatest rate for HOURS=2: nothing may grow
	go test ./e2e/soak -count=1 -v -timeout 0 -length=$(or $(HOURS),2)h

.PHONY: packages
packages: ## deb, rpm, tarball for amd64 and arm64, OCI image, SBOM and checksums, into dist/
	@cd packaging && go run ./build -source .. -out ../dist

.PHONY: test-packages
test-packages: ## the packages in real Debian and rpm systems under a real systemd
	@e2e/setup/install-packaging.sh
	@go test -count=1 -timeout 10m ./e2e/packages

.PHONY: vulncheck
vulncheck: ## known vulnerabilities in what is linked
	@scripts/vulncheck.sh

.PHONY: help
help:
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14
