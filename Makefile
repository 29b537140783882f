# One target per CI job; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?=
INSTALLED := $(VENV)/.installed
WITH_TORCH := $(VENV)/.torch-$(TORCH)
STAMP := $(if $(TORCH),$(WITH_TORCH),$(INSTALLED))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types docs bench contest fuzz soak clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint --group docs
	@touch $@

$(WITH_TORCH): $(INSTALLED)
	$(BIN)/python -m pip install --quiet torch==$(TORCH) 'transformers>=4.46'
	@touch $@

setup: $(STAMP) ## make the environment: TORCH=2.13.0 adds torch and transformers, which some tests compare with

demo: $(STAMP) ## the main job on real models against an embedded MLflow (leaves .demo/)
	$(BIN)/gate demo --directory .demo

test: $(STAMP) ## every test, one process per core
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope

lint: $(STAMP) ## style, and the contracts between the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP) ## mypy --strict, for every Python we support
	@for version in 3.11 3.12 3.13; do \
	  echo "mypy for Python $$version"; $(BIN)/mypy --python-version $$version || exit 1; done
	@# numpy's current stubs need Python 3.11: for 3.10 its types are unknown, so Any may be returned
	@echo "mypy for Python 3.10"; $(BIN)/mypy --python-version 3.10 --no-warn-return-any

docs: $(STAMP) ## the pages made from code are current; the site builds without a warning into site/
	$(BIN)/python -m docs.generate --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

bench: $(STAMP) ## measure speed and memory side by side; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

contest: $(STAMP) ## train 272 small networks and study them (half an hour); writes docs/explanation/mini-contest.md
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet torch==$(or $(TORCH),2.13.0)
	$(BIN)/python -m benchmarks.contest

fuzz: $(STAMP) ## damage models and read them, SECONDS_EACH=60 for each format; too long for CI
	$(BIN)/python -m tests.fuzz --seconds $${SECONDS_EACH:-60}

soak: $(STAMP) ## kill a watcher through 200 checks, too long for CI: CHECKS=200
	$(BIN)/python -m tests.soak --checks $${CHECKS:-200}

clean: ## remove the environment and what the demo left
	rm -rf $(VENV) .demo site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
