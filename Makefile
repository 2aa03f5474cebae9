# Two commands do everything: `make replicate` and `make test`. With uv or without.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STUDIES := analyses/mlb_managers

.PHONY: help replicate test lint unit simulate bench dictionary cases constraints clean

help:
	@echo "make replicate   set up, run the studies on the shipped data, verify every number"
	@echo "make test        set up, then linters, types, layers and all tests"
	@echo "make simulate    the long simulations of bias, coverage and size"
	@echo "make bench       speed and memory against peers that are installed, as ratios"
	@echo "make dictionary  write data_dictionary/ anew from the schemas"
	@echo "make cases       write docs/cases.md anew from tests/spec/cases"
	@echo "make constraints resolve constraints.txt anew (needs uv)"

$(READY): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python '>=3.11' $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --constraint constraints.txt -e '.[dev]'; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit("churnstats needs Python 3.11 or newer; say which with make PYTHON=python3.12") if sys.version_info < (3, 11) else None' && \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -e '.[dev]'; \
	fi
	@touch $@

replicate: $(READY)
	@for study in $(STUDIES); do \
	  $(BIN)/churnstats run $$study && $(BIN)/churnstats verify $$study || exit 1; \
	done

test: lint unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

simulate: $(READY)
	$(BIN)/python -m pytest -m slow -s --durations=0

bench: $(READY)
	$(BIN)/python benchmarks/run.py

dictionary: $(READY)
	$(BIN)/python scripts/build_data_dictionary.py

cases: $(READY)
	$(BIN)/python scripts/render_cases.py

constraints:
	uv pip compile pyproject.toml --all-extras --universal --no-header --no-annotate --quiet --output-file constraints.txt

clean:
	rm -rf $(VENV) build dist analyses/*/results .mypy_cache .pytest_cache .ruff_cache .hypothesis
