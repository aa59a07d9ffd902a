# Everything a reader of the README needs. `make demo` and `make test` set up
# what they need on a fresh Debian machine with Go.
GO ?= go
BIN := bin/vitrine

.PHONY: build demo test check bench bench-page bench-code soak fuzz fmt clean
build: ## one static binary in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(BIN) ./cmd/vitrine

demo: build ## a small company, its images, and the story of who sees what
	$(BIN) demo

test: ## everything that is checked: needs a few minutes
	script/test

check: ## the quick part: format, vet, staticcheck, generated files
	script/check

bench: ## against peers and the limit, twenty minutes, into docs/benchmarks.md; QUICK=1 is short
	script/bench

bench-page: ## docs/benchmarks.md again, from the results that were kept
	script/bench page

bench-code: ## the benchmarks beside the code that they measure
	$(GO) test -run '^$$' -bench . -benchmem -count $${COUNT:-5} ./internal/...

soak: ## for hours: the engine against its model, bugs planted and found
	script/soak

fuzz: ## each fuzz target for FUZZTIME (default 10s)
	script/fuzz

fmt:
	gofmt -w .

clean:
	rm -rf bin dist
