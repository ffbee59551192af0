# Everything a person or CI types. `make help` lists it.

CARGO ?= cargo
ARGS  ?=
MINUTES ?= 30
SEED ?= 1
export CARGO_TERM_PROGRESS_WHEN ?= never

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt lint unit e2e soak fuzz bench bench-convert cluster parts deny

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the main job on a built-in cluster with local disks (ARGS=--once ends by itself, FORGE=gitea adds a forge)
	$(CARGO) build --quiet --package kompox-agent --package kompox-tests --bins
	$(CARGO) run --quiet --package kompox-tests --bin demo -- $(if $(FORGE),--forge $(FORGE)) $(ARGS)

test: check e2e ## everything: formatting, lints, unit tests, end-to-end tests on real parts

check: fmt lint unit ## what needs no cluster; for daily work

fmt: ## formatting
	$(CARGO) fmt --all --check

lint: ## clippy, warnings denied
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

unit: ## unit tests of every crate, without a cluster
	KOMPOX_TEST_WITHOUT_PARTS=1 $(CARGO) test --workspace --exclude kompox-tests
	KOMPOX_TEST_WITHOUT_PARTS=1 $(CARGO) test --package kompox-tests --lib --bins

e2e: parts ## end-to-end tests on the real control plane, node and forge
	$(CARGO) test --package kompox-agent cluster::real_tests
	$(CARGO) test --package kompox-tests --test bad_input --test compose --test cluster_parts --test cluster_node
	$(CARGO) test --package kompox-tests --test e2e -- --test-threads 2
	$(CARGO) test --package kompox-tests --test soak -- --nocapture

bench: parts ## the agent beside kubectl and a bare client, into docs/benchmarks.md (ARGS="--apps 50 --looks 0" only prints)
	$(CARGO) run --release --quiet --package kompox-tests --bin bench -- $(ARGS)

parts: ## builds the control plane, kwok, Gitea, CoreDNS and the readers of files once (about 12 minutes the first time)
	$(CARGO) run --quiet --package kompox-tests --bin parts

soak: parts ## commits, edits, deletions, outages and kills at random (MINUTES=30, SEED=1); then all is as asked
	KOMPOX_SOAK_SECONDS=$$(( $(MINUTES) * 60 )) KOMPOX_SOAK_SEED=$(SEED) \
	  $(CARGO) test --package kompox-tests --test soak -- --nocapture

fuzz: ## conversion of files changed at random (MINUTES=30, SEED=1: the round to begin with); it panics on none
	KOMPOX_FUZZ_SECONDS=$$(( $(MINUTES) * 60 )) KOMPOX_FUZZ_FIRST=$(SEED) \
	  $(CARGO) test --release --package kompox-manifests --test fuzz -- --nocapture conversion_panics

bench-convert: ## how long conversion takes; writes its table to docs/benchmarks.md
	$(CARGO) bench --package kompox-manifests --bench convert

cluster: parts ## a cluster for work by hand; prints its KUBECONFIG, Ctrl-C ends it
	$(CARGO) run --quiet --package kompox-tests --bin cluster -- $(ARGS)

deny: ## licences, bans and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --offline check bans licenses sources
