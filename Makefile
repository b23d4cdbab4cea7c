# Two commands on a fresh machine: `make demo` reproduces a table, `make test` checks everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One thread per process and one process per core: small products gain nothing from a second thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --durations=20

.PHONY: demo test test-slow lint types check golden structure report sums clean

demo: $(VENV)/installed
	$(BIN)/attnrepro table hierarchical --yes

test: $(VENV)/developed lint types
	$(PYTEST) -m "not slow and not gpu and not sanitizer and not network"

test-slow: $(VENV)/developed
	$(PYTEST) -m "slow and not gpu and not sanitizer and not network"

lint: $(VENV)/developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/developed
	$(BIN)/mypy

check: test test-slow

golden: $(VENV)/developed
	ATTNREPRO_REGEN=1 $(BIN)/python -m pytest -q tests/paper_tables/test_tables_golden.py tests/paper_tables/test_claims_golden.py tests/docs/test_documents.py

# Exact sizes of every row and variant: after a new row, or a change of a network that is meant.
structure: $(VENV)/installed
	$(BIN)/attnrepro bench --cpu --suite structure --out paper_tables/measured/structure.csv
	$(MAKE) sums

report: $(VENV)/installed
	$(BIN)/attnrepro report --markdown

# After an edit of published values or committed measurements: their checksums anew.
sums:
	cd paper_tables/published && sha256sum *.csv > SHA256SUMS
	cd paper_tables/measured && sha256sum structure.csv > SHA256SUMS

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/developed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
