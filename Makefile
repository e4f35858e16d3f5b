# One environment, one check. `make` alone prints the targets.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env demo test slow lint types layers doctest docs bench check clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: .venv/.installed ## create .venv from the pinned requirements (once)

.venv/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	{ found=$$($(PYTHON) --version 2>&1) || found=missing; \
	echo "darkstate needs Python 3.11 to 3.13, but $(PYTHON) is $$found; name another one: make env PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "$(PYTHON) comes without the venv module; install it (Debian, Ubuntu: apt install python3-venv) and repeat." >&2; exit 1; }
	@echo "installing the pinned requirements into .venv (about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: env ## predict the published experiment of Krauter et al. (2011)
	@$(BIN)/darkstate predict labs/krauter2011.toml

test: env ## run the tests, slow ones left out
	@$(PYTEST) -n 2 -m "not slow"

# pytest ends with 5 when nothing is marked slow; that is no failure.
slow: env ## run the tests marked slow
	@$(PYTEST) -n 2 -m slow || [ $$? -eq 5 ]

lint: env ## check style and format
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check . || { echo "not formatted; run $(BIN)/ruff format ." >&2; exit 1; }

types: env ## check the types of src/darkstate
	@$(BIN)/mypy

layers: env ## check who imports whom
	@$(BIN)/lint-imports --no-logo

doctest: env ## run the examples in docstrings, README.md and docs/*.md
	@$(PYTEST) --doctest-modules src README.md docs

docs: env ## build the pages, warnings are errors
	@$(BIN)/sphinx-build -q -E -W -n --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: env ## run the benchmarks
	@for file in benchmarks/*.py; do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

check: lint types layers docs doctest bench slow test ## everything above: what CI runs

clean: ## remove what was built (.venv stays)
	@rm -rf build dist docs/_build docs/api docs/gallery
	@rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find src tests docs examples benchmarks validation -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
