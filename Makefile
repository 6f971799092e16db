# make demo and make test need nothing but make, bash and a package manager: scripts/setup does
# the rest, and does only what has changed since the last time.
.DEFAULT_GOAL := help
.PHONY: help demo test setup setup-dev build check wheel bench gen lock clean

SAMPLE := pcaps/rome-incident.pcapng

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## set everything up, analyse a sample capture, print what was found
	@.venv/bin/outgate analyze $(SAMPLE)
	@echo "outgate is in .venv/bin: export PATH=\"$(CURDIR)/.venv/bin:\$$PATH\"" >&2

test: setup-dev ## set everything up, run every check and every test
	@scripts/check
	@scripts/test

setup: ## install what is missing and build outgate into .venv
	@scripts/setup

setup-dev: ## the same, with what the checks and tests need
	@scripts/setup --dev

check: setup-dev ## formatting, lint, types, layers, spelling
	@scripts/check

build: setup-dev ## build a wheel into dist/
	@scripts/build

wheel: build ## install the wheel into an empty environment and try it there
	@scripts/check-wheel

bench: setup-dev ## measure speed beside other tools; bench/README.md says how to read it
	@.venv/bin/python -m bench.run

gen: setup-dev ## rewrite every generated file
	@scripts/gen

lock: setup-dev ## pin the newest allowed versions in requirements/ and Cargo.lock
	@scripts/lock

clean: ## remove everything that was built or installed here
	rm -rf .venv target build dist bench/data analyzer/_core*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
