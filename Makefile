# What each target does: make help
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where this is set, every process compiles everything anew: four workers of tests, each `liftos` command.
unexport PYTHONDONTWRITEBYTECODE

help:  ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: $(VENV)/.runtime .web/.built  ## set up whatever is missing, then start LiftOS and print its address
	@exec $(BIN)/liftos serve

setup: $(VENV)/.dev .web/.built  ## everything for working on the code: tools, browser, built page
	@$(BIN)/python scripts/find_chromium.py

$(VENV)/bin/python:
	@$(PYTHON) scripts/check_python.py
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock requirements/build.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing locked dependencies (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/runtime.lock -r requirements/build.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	@echo "Installing locked tools for tests and checks (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

.web/.built: page
.PHONY: page
page: $(VENV)/.runtime  ## build the web page when its sources changed
	@$(BIN)/python scripts/build_page.py

# Two runs: the browser driver keeps an event loop of its own, which async tests cannot share. More
# workers than cores: tests wait for their databases and servers half of the time. Neighbours stay
# in one worker, because they share what is dear to make.
test: setup  ## the whole test suite, browser tests included
	@$(BIN)/python -m pytest -n 4 --dist worksteal --ignore tests/journeys
	@$(BIN)/python -m pytest -n 3 --dist loadfile tests/journeys

test-faults: $(VENV)/.dev .web/.built  ## the whole fault matrix and the soak: kills, storms, full disks, restarts
	@FAULTS=all $(BIN)/python -m pytest -n 2 -o faulthandler_timeout=1200 tests/faults

test-fast: $(VENV)/.dev  ## unit and architecture tests only
	@$(BIN)/python -m pytest -n 2 tests/unit tests/architecture

check: $(VENV)/.dev  ## format, lint, types, import rules, spelling, security scans, migrations without drift
	@$(BIN)/ruff check liftos_app tests scripts benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit -q -c pyproject.toml -ll -r liftos_app scripts
	@$(BIN)/python scripts/secret_scan.py
	@$(BIN)/codespell liftos_app tests scripts docs README.md CHANGELOG.md
	@$(BIN)/python -m pytest tests/architecture

bench: setup  ## measure: sync throughput, start, memory, page weight, event latency (docs/benchmarks.md)
	@$(BIN)/python -m benchmarks

demo: $(VENV)/.runtime  ## connect and sync the sandbox's platforms from the command line
	@$(BIN)/liftos demo

lock: $(VENV)/.dev  ## resolve requirements/*.in anew into the hash-locked files
	@$(BIN)/python scripts/lock.py

platform-docs: $(VENV)/.runtime  ## write the generated part of docs/platforms from the connectors
	@$(BIN)/python scripts/platform_docs.py

image:  ## build the container image from the same stages as `make stage`
	docker build -t liftos .

stage: $(VENV)/.runtime .web/.built  ## lay out the run-time tree of the container in build/stage
	@$(BIN)/python scripts/stage.py build/stage

clean:  ## remove everything that can be made again (not .liftos)
	rm -rf $(VENV) .web build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info

.PHONY: help run setup test test-faults test-fast check bench demo lock platform-docs image stage clean
