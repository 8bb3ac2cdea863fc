# Everything a person types; `make` alone lists it.
VENV ?= .venv
PYTHON ?= python3
OUT ?= runs/demo
BIN := $(VENV)/bin

.PHONY: help demo test test-ladder check format table docs clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[cpu]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[cpu,dev]'
	@touch $@

demo: $(VENV)/.installed ## sample world, every stage, leaderboard and report (7 minutes on 2 cores with AMX, longer on others)
	$(BIN)/stylecast sample --out $(OUT)/world
	$(BIN)/stylecast run $(OUT)/world/posts.csv --recipe demo --nproc 2 --out $(OUT)/run

test: $(VENV)/.installed-dev ## the tests, files side by side on as many cores as there are (8 at most)
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadgroup

test-ladder: ## the tests of the extra `ladder`, in an environment of its own: statsforecast holds pandas below 3
	$(PYTHON) -m venv $(VENV)-ladder
	$(VENV)-ladder/bin/pip install --quiet --disable-pip-version-check --editable '.[cpu,dev,ladder]'
	$(VENV)-ladder/bin/pytest -m ladder tests/rank

check: $(VENV)/.installed-dev ## lint, formatting, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/stylecast/test_imports.py

format: $(VENV)/.installed-dev ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

table: $(VENV)/.installed ## the README's table of results on the sample world
	$(BIN)/python benchmarks/sample.py --world $(OUT)/world --run $(OUT)/run

$(VENV)/.installed-docs: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[cpu,docs]'
	@touch $@

docs: $(VENV)/.installed-docs ## the documentation, into site/ (its search: python -m http.server -d site)
	$(BIN)/mkdocs build --strict
	@! grep -rE '<(script|img|iframe)[^>]* src="https?:|<link[^>]* href="https?:' site --include='*.html' # all from here

clean: ## remove the environment and the caches, never runs/
	rm -rf $(VENV) $(VENV)-ladder .mypy_cache .ruff_cache .pytest_cache site
