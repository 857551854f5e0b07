# What each target does stands in the README. Needs Go, make, and Node with npm.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS   = -s -w -X main.version=$(VERSION)
PARTS     = $(wildcard cmd collector configs decoder httpui snmp store)
GOFILES   = $(shell find $(PARTS) -name node_modules -prune -o -type f \( -name '*.go' -o -path '*/static/*' -o -name '*.sql' -o -name '*.yaml' -o -name 'openapi.json' -o -name '*.gz' \) ! -name '*_test.go' -print) go.mod go.sum

.PHONY: build engine run test test-tools web-tools test-go test-race test-faults test-web fuzz fuzz-walls lint vulncheck bench bench-ui clean

build: bin/nfstats

bin/nfstats: $(GOFILES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/nfstats

# The embedded ClickHouse: fetched from npm by lock file and integrity hash.
engine: bin/libchdb.so

bin/libchdb.so: store/engine/package-lock.json
	cd store/engine && npm ci --ignore-scripts --no-audit --no-fund
	mkdir -p bin
	ln -f store/engine/node_modules/@chdb/lib-linux-*/libchdb.so $@ || cp -f store/engine/node_modules/@chdb/lib-linux-*/libchdb.so $@
	touch $@

run: build engine
	bin/nfstats serve

# All tests, with what they need installed first where that is allowed.
test: test-tools test-web test-go

test-tools:
	.ci/install-test-tools

# Node packages that check the web UI; nothing of them ships.
web-tools: httpui/web/node_modules/.package-lock.json

httpui/web/node_modules/.package-lock.json: httpui/web/package-lock.json
	cd httpui/web && npm ci --ignore-scripts --no-audit --no-fund

test-go: build engine web-tools
	$(GO) test -timeout 40m ./...

# The tests of cmd/nfstats run the built program, which the race detector is not in.
test-race: build engine web-tools
	$(GO) test -race -timeout 40m $$($(GO) list ./... | grep -v /cmd/nfstats$$)

# Kills, stops, full disks and damage under load, FAULTS of them at random.
FAULTS ?= 100
test-faults: build engine
	NFSTATS_FAULTS=$(FAULTS) $(GO) test ./cmd/nfstats -run '^TestFaults$$' -v -count=1 -timeout 60m

# The web UI without a browser: types, unit tests, and the vendored files built
# anew, which must come out the same.
test-web: web-tools
	cd httpui/web && npm run -s types && npm run -s unit && npm run -s vendor
	git diff --exit-code httpui/static/lib

# Each fuzz target of the folders in FUZZ for FUZZTIME. Seeds and what was found
# before are tests of `make test`. The end of the time may meet a worker in the
# middle of an input; Go calls that a failure, without an input that fails.
FUZZ     ?= $(PARTS)
FUZZTIME ?= 30s

fuzz:
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=node_modules $(FUZZ) | xargs -n1 dirname | sort -u | while read -r folder; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$folder/*_test.go | cut -d' ' -f2); do \
			echo "$$folder $$target"; \
			log=$$(mktemp); failed=; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s ./$$folder >$$log 2>&1 || failed=yes; \
			cat $$log; \
			if [ -n "$$failed" ] && { grep -q 'Failing input written' $$log || ! grep -q '^ *context deadline exceeded$$' $$log; }; then exit 1; fi; \
			rm $$log; \
		done; \
	done

# Statements that try to get out of the process for users' SQL, for WALLS.
WALLS    ?= 1h

fuzz-walls: engine
	NFSTATS_WALLS=$(WALLS) $(GO) test ./store/engine -run '^TestStatementsThatTryToGetOut$$' -v -count=1 -timeout 0

lint:
	@unformatted=$$(gofmt -l $(PARTS) | grep -v node_modules); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	GOOS=freebsd $(GO) vet ./cmd/... ./collector/... ./store/...

# Known vulnerabilities that our code reaches, by a database of them: the Go
# team's, or one in a folder (VULNDB=file:///srv/vulndb).
VULNDB ?= https://vuln.go.dev

vulncheck:
	$(GO) tool govulncheck -db $(VULNDB) ./...

# Ratios of one run. FLOWS is the size of the day that the views are asked about
# (100000000 takes 10 GB of disk and an hour).
FLOWS ?= 10000000
bench: build engine
	$(GO) test -run '^$$' -bench . -skip 'Views|Storage' -benchmem -timeout 60m ./decoder/... ./collector/... ./store/...
	NFSTATS_BENCH_FLOWS=$(FLOWS) $(GO) test -run '^$$' -bench 'Views|Storage' -benchtime 1x -v -timeout 3h ./store
	$(GO) test -run '^$$' -bench Daemon -benchtime 2x ./cmd/nfstats

# The web UI's weight and speed, at a daemon that has flows (bin/nfstats demo).
bench-ui: web-tools
	cd httpui/web && node e2e/bench.mjs

clean:
	rm -rf bin store/engine/node_modules httpui/web/node_modules
