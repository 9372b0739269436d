# Needs python3.11, make and a network to package registries; everything else is installed into .venv and the user's
# cache folder (COMMONWEAL_CACHE moves it).
PYTHON ?= python3.11
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.PHONY: help install demo test faults bench check lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@$(PYTHON) -c "import re; [print(f'make {n:<9}{t}') for n, t in re.findall(r'^(\w+):.*?## (.*)', open('Makefile').read(), re.M)]"

install: ## create .venv with exactly the locked packages; instant when nothing changed
	@$(PYTHON) -m infra.install.environment

demo: install ## start the stack, run the main job to its end, say where to look
	@$(BIN)/python -m infra.install --no-browser
	@$(BIN)/python -m infra.demo

test: install ## run the tests, two at a time, on a stack of its own; or pytest with ARGS
	@$(BIN)/python -m infra.install
	@$(BIN)/pytest $(or $(ARGS),-n 2)

faults: install ## 100,000 events and 100 faults on a stack of its own, up to an hour; writes docs/faults.md; ARGS: --seed, --minutes, …
	@$(BIN)/python -m infra.install --no-browser
	@$(BIN)/python -m tests.faults $(ARGS)

bench: install ## measure beside a peer: rows without a result of this code, or ARGS="P1 …"; writes benchmarks/results and docs/benchmarks.md
	@$(BIN)/python -m infra.install --no-browser
	@$(BIN)/python -m benchmarks $(ARGS)

check: install ## lint, types, import directions, roofs on files and functions, stale pages, the cluster's manifests
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m infra.check
	@$(BIN)/python -m infra.docs --check
	@$(BIN)/python -m infra.kubernetes --check
	@$(BIN)/commonweal contract pages

lock: install ## write all locks anew; versions stay unless their input says otherwise (then read the diff)
	@$(COMPILE) requirements.in --output-file requirements.lock
	@echo uv | $(COMPILE) --no-annotate --constraint requirements.lock - --output-file infra/install/uv.lock
	@$(BIN)/python -m infra.install.locks

clean: ## remove .venv and tools' caches; the cache folder and .run stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
