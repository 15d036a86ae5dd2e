# Two commands on a fresh machine: make run, make test. Debian 12 with Rust, cc and make is enough for both.

export PATH := $(CURDIR)/target/tools/bin:$(HOME)/.cargo/bin:$(PATH)
HATIF = target/release/hatif
ARGS ?=

.PHONY: help run test bench lint audit release torture soak prompts

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

run:  ## build and start the demo tenant; ARGS="--demo-calls 0" adds options
	@tests/tools/install.sh run || echo 'without espeak-ng the demo prompts are tones' >&2
	cargo build --release
	exec $(HATIF) serve --dev $(ARGS)

test:  ## install the test tools, build, run every check; ends with "N passed, N failed"
	@tests/tools/run.sh

bench:  ## all benchmarks: the tables of docs/performance.md
	@tests/tools/install.sh bench
	cargo bench

lint:  ## format and clippy only
	@tests/tools/run.sh fmt clippy shell

audit:  ## licences, bans, sources, and known vulnerabilities where their list can be fetched
	@tests/tools/run.sh deny
	@cargo deny --log-level error check advisories || echo 'advisories: not checked (the list could not be fetched) or not clean: see above'

release:  ## one binary: target/release/hatif
	cargo build --release
	@ls -l $(HATIF) && $(HATIF) --version

torture:  ## hard messages (the scoreboard of docs/security.md) and 200 seeds of the virtual world; SEEDS=, HOURS=
	@tests/tools/torture.sh $(or $(SEEDS),200) $(or $(HOURS),1)

soak:  ## 10,000 random days on the floor, then an hour of robot calls with an eye on memory and ports; DAYS=, MINUTES=, CALLS=
	@tests/tools/install.sh test
	@tests/tools/days.sh $(or $(DAYS),10000)
	@tests/tools/soak.sh $(or $(MINUTES),60) $(or $(CALLS),60)

prompts:  ## speak every prompt of ivr-scripts/prompts.toml into prompts/LANGUAGE/ID.wav
	@tests/tools/install.sh run
	cargo build --release
	$(HATIF) prompts make --dir prompts --manifest ivr-scripts/prompts.toml
