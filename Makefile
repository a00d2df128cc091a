# The commands of this repository; `make help` lists them. Everything beyond Rust, Python 3 and Node is set up inside
# target/ by tests/setup, in pinned versions; only test-system installs Debian packages, as root.

STAGE := tests/setup/stage
# Make beside others: with slots of its own for what runs at the same time.
BESIDE := MAKEFLAGS= $(MAKE) --no-print-directory --keep-going

# Stages of `make test` that need the processors, one after the other; and those that mostly wait for servers, machines and
# deadlines, the longest first.
COMPUTING := test-rust simulation simulation-daemon fuzz-smoke bench-smoke
WAITING := test-system chaos-fixed monitoring kinesis conformance newer-server page otlp clients demo-smoke
NIGHTLY := without-kinesis nightly-simulation nightly-simulation-daemon nightly-chaos protections nightly-fuzz nightly-bench release-check nightly-system
# Other seeds each night.
TODAY := $(shell date +%Y%m%d)

# Every target is a command.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(MAKEFILE_LIST))

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

ifeq ($(DESTINATION),kinesis)
demo:
	@tests/kinesis/demo $(if $(KEEP),--keep)
else
demo: ## Copy a category, mirror a database, compare both sides; KEEP=1 stays up, DESTINATION=kinesis writes to an emulated Kinesis
	@programs=$$(tests/setup/programs --demo) && exec "$$programs/demo" $(if $(KEEP),--keep)
endif

check: ## Formatting, lints, licences, pages and structure: what CI demands beside the tests
	@$(STAGE) format cargo fmt --all --check
	@$(STAGE) clippy env CUSTOM_LIBFUZZER_PATH=target/none cargo clippy --workspace --all-targets --features fuzz/libfuzzer --locked -- -D warnings
	@$(STAGE) demo-build cargo check --locked --package ditto --package devstore --package demo --no-default-features --bins
	@$(STAGE) dependencies tests/setup/cargo-deny --locked --workspace check licenses bans sources
	@$(STAGE) documents --needs python3 tests/setup/docs
	@$(STAGE) citations --needs python3 tests/setup/citations
	@$(STAGE) architecture --needs python3 tests/setup/architecture
	@$(STAGE) packaging --needs python3 packaging/check
	@$(STAGE) protections tests/chaos/protections/run --check
	@$(STAGE) stages --tests --needs python3 python3 -B -m unittest tests/setup/test_stage.py

test: ## All tests, and what each stage took; those that wait run beside those that compute, each prints at its end
	@tests/setup/table $(MAKE) --no-print-directory stages

# All is built first, at once, so that no stage waits for cargo's lock, or for what another one compiles.
stages: build
	@export PROGRAMS=$$(tests/setup/programs) && $(BESIDE) --jobs=2 computing waiting

build:
	@$(STAGE) build cargo build --workspace --bins --tests --locked

computing:
	@$(BESIDE) --output-sync=target $(COMPUTING)

waiting:
	@$(BESIDE) --output-sync=target --jobs=3 $(WAITING)

nightly: ## What takes long and finds little, with other seeds each night; hours. Each part is a command: see CONTRIBUTING.md
	@tests/setup/table $(MAKE) --no-print-directory --keep-going $(NIGHTLY)

test-rust: ## Unit, integration and process tests
	@$(STAGE) cargo-test --tests cargo test --workspace --locked

newer-server: ## The integration tests between servers of the newer version
	@$(STAGE) newer-server --tests env DEVSTORE_SERVER=26.1.0 cargo test --workspace --locked --test integration

without-kinesis: ## The tests of a ditto that is built without Kinesis
	@$(STAGE) without-kinesis --tests cargo test --locked --package ditto --package devstore --package demo --no-default-features

simulation: ## The core under 100,000 random schedules, in the build of the other tests
	@$(STAGE) simulation make --no-print-directory simulate PROFILE=

simulation-daemon: ## The client and the loop in virtual time, 100 seeds, in the build of the other tests
	@$(STAGE) simulation-daemon make --no-print-directory simulate-daemon SEEDS=100

conformance: ## The development server against the recordings of two real Event Stores, and other people's clients
	@$(STAGE) conformance --needs node --needs npm tests/conformance/run
	@$(STAGE) kurrentdbclient --tests --needs python-venv tests/conformance/clients/run kurrentdbclient
	@$(STAGE) db-client --tests --needs node --needs npm tests/conformance/clients/run db-client

demo-smoke:
	@$(STAGE) demo make --no-print-directory demo

clients: ## ditto between two servers, with a client that nobody here wrote on both sides
	@$(STAGE) clients --tests --needs python-venv tests/clients/run

kinesis: ## ditto to a Kinesis that nobody here wrote, with the faults that it does not make by itself
	@$(STAGE) kinesis --tests --needs python-venv tests/kinesis/run

page: ## The status page in a browser; screenshots in target/page
	@$(STAGE) page --tests --needs node --needs npm --needs apt-get tests/page/run

otlp: ## The log at a receiver of OTLP that nobody here wrote the decoding of
	@$(STAGE) otlp --tests --needs python-venv --needs openssl tests/otlp/run

monitoring: ## The alerts and the dashboard against a Prometheus that scrapes a ditto in trouble
	@$(STAGE) alert-rules --needs apt-get packaging/monitoring/test
	@$(STAGE) monitoring --tests --needs python3 --needs openssl --needs apt-get tests/monitoring/run

simulate: PROFILE = --release simulation
simulate: ## The same, optimised, with SEEDS schedules (100000 if not given) from the seed FIRST (0) on, and a fiftieth of mirrors
	@programs=$$(tests/setup/programs $(PROFILE)) && first=$(or $(FIRST),0) seeds=$(or $(SEEDS),100000) \
	  && "$$programs/simulation" --seeds $$seeds --first $$first && exec "$$programs/simulation" --mirrors --seeds $$((seeds / 50)) --first $$first

nightly-simulation:
	@$(STAGE) simulation make --no-print-directory simulate SEEDS=1000000 FIRST=$(TODAY)000000

simulate-daemon: ## ditto's own client and loop between development servers, in virtual time: SEEDS of them (1000 if not given) from FIRST on, SEED=x again, MISTAKE=name
	@programs=$$(tests/setup/programs) && exec "$$programs/virtual-time" $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0)) $(if $(MISTAKE),--mistake $(MISTAKE))

nightly-simulation-daemon:
	@$(STAGE) simulation-daemon make --no-print-directory simulate-daemon SEEDS=10000 FIRST=$(TODAY)000000

chaos: ## The real program while everything goes wrong: SEEDS of them (20 if not given), or SEED=x again; SERVER=23.10.4 or 26.1.0, TIME_SCALE, JOBS
	@tests/chaos/run $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),20)) $(if $(SERVER),--server $(SERVER)) $(if $(TIME_SCALE),--time-scale $(TIME_SCALE)) $(if $(JOBS),--jobs $(JOBS))

chaos-fixed:
	@$(STAGE) chaos tests/chaos/run --fixed

nightly-chaos:
	@$(STAGE) chaos tests/chaos/run --first $(TODAY)00 --seeds 20

mutants: ## Changes in the core that its tests must notice: COUNT of them (all if not given) in the order of SEED, SHARD=k/n, ONLY=text, JOBS at once
	@tests/mutants/run --seed $(or $(SEED),0) $(if $(COUNT),--count $(COUNT)) $(if $(SHARD),--shard $(SHARD)) $(if $(ONLY),--only '$(ONLY)') $(if $(JOBS),--jobs $(JOBS))

fuzz: ## Inputs that break a promise, looked for by libFuzzer: SECONDS for each target (60 if not given), TARGET, SEED, WHOLE=1
	@tests/fuzz/run $(if $(WHOLE),--whole) $(or $(SECONDS),60) $(TARGET)

fuzz-smoke:
	@$(STAGE) fuzz --needs c++ env SEED=1 tests/fuzz/run 5

nightly-fuzz:
	@$(STAGE) fuzz --needs c++ tests/fuzz/run --whole 600

protections: ## Proof that the chaos test can fail: ditto without each of its protections fails a seed
	@$(STAGE) protections tests/chaos/protections/run

bench: ## ditto against one event at a time and against what the servers can do; SCENARIO=…, FULL=1
	@tests/bench/run $(if $(FULL),--full) $(if $(SCENARIO),--scenario '$(SCENARIO)')

bench-smoke: ## Every competitor of the benchmark once, briefly: does it still measure?
	@$(STAGE) bench-smoke tests/bench/run --unoptimised --scenario smoke --window 1 --runs 1 --out target/bench-smoke

nightly-bench:
	@$(STAGE) bench tests/bench/run

test-system: ## The Debian package on booted machines, containers: needs root on Debian
	@$(STAGE) system --tests --needs root-on-debian tests/system/run
	@$(STAGE) containers --needs node --needs npm --needs curl tests/system/containers

nightly-system: ## The same as in a release, optimised, on machines of both Debian releases
	@$(STAGE) system --tests --needs root-on-debian tests/system/run --optimised bookworm trixie

dist: ## The source of a release with all its dependencies, in target/dist
	@packaging/release/dist target/dist --tar

deb: ## The Debian package and its -dbgsym, in target/deb
	@packaging/release/deb

release-check: ## Two builds of the package in two folders, compared byte by byte
	@$(STAGE) release-check packaging/release/check
