# Every target sets up what it needs. Nothing is installed outside the virtual environments.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# How many times each load of a benchmark is measured, and for how many seconds each time.
ROUNDS ?= 5
SECONDS ?= 3
BENCH_OPTIONS = --rounds $(ROUNDS) --seconds $(SECONDS)

# How many builds `make bulk` imports and exports.
BUILDS ?= 1000000

.PHONY: help run test test-windows stop-test torture torture-repairs soak bulk fuzz openapi screenshots dist lint bench bench-growth bench-repairs bench-lists bench-bulk bench-hot clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

run: $(VENV)/installed ## serve on SQLite with the sample build, and print a curl command to paste
	@exec $(BIN)/python app.py serve --sample

test: $(VENV)/installed-dev ## run the whole test suite
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-windows: $(VENV)/installed-dev ## run the test suite with Windows' Python under Wine; OPTIONS are passed to pytest
	PYTHONPATH=.:tests $(BIN)/python tests/windows.py --numprocesses 3 --dist loadfile $(OPTIONS)

stop-test: $(VENV)/installed-dev ## stop a service under load, fifty times
	BUILD_ADMIN_TEST_STOPS=50 $(BIN)/python -m pytest tests/test_server.py -k stop_under_load

torture: $(VENV)/installed-dev ## kill the service and PostgreSQL under load, three hundred times
	PYTHONPATH=.:tests $(BIN)/python tests/torture.py

torture-repairs: $(VENV)/installed-dev ## kill the service and PostgreSQL during repairs of 10,000 builds, a hundred times
	PYTHONPATH=.:tests $(BIN)/python tests/torture_repairs.py

soak: $(VENV)/installed-dev ## send half a million mixed requests on each store, and check memory, files and histories
	PYTHONPATH=.:tests $(BIN)/python tests/soak.py

bulk: $(VENV)/installed-dev ## measure import, export and transfer of BUILDS=1000000 builds; takes a quarter of an hour
	PYTHONPATH=.:tests $(BIN)/python tests/bulk.py --builds $(BUILDS)

fuzz: $(VENV)/installed-dev ## run the property tests with many generated requests; takes minutes
	BUILD_ADMIN_TEST_EXAMPLES=500 $(BIN)/python -m pytest tests/test_openapi.py tests/test_properties.py tests/test_model.py tests/test_fuzz.py

openapi: $(VENV)/installed-dev ## make resources/openapi.json from the routes and schemas
	$(BIN)/python -m build_admin.openapi

screenshots: $(VENV)/installed-dev ## make docs/page/, screenshots of the page; needs chromium
	PYTHONPATH=.:tests $(BIN)/python tests/screenshots.py

dist: $(VENV)/installed ## make dist/: a wheel, and build-admin.pyz, the service in a single file
	rm -rf dist build
	$(PIP) wheel --no-deps --wheel-dir dist .
	$(BIN)/python tools/make_pyz.py dist/*.whl dist/build-admin.pyz

lint: $(VENV)/installed-dev ## check style, imports, security rules and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .cache/types && ln -sfn ../.. .cache/types/build_admin
	$(BIN)/mypy --exclude 'build_admin/(benchmarks|build|dist|tests|tools)/' -p build_admin
	$(BIN)/mypy --explicit-package-bases benchmarks tests tools

bench: $(VENV)/installed-dev $(BENCH_VENV)/installed ## compare with the fastest possible server and with peers; ten minutes; ROUNDS=5 SECONDS=3
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) compare --peers-python $(BENCH_VENV)/bin/python

bench-growth: $(VENV)/installed-dev ## measure the service with up to a million builds, and with three processes
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) growth

bench-repairs: $(VENV)/installed-dev ## compare repairs of 10,000 builds with as many overwrites
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) repairs

bench-lists: $(VENV)/installed-dev ## measure the first page by each filter and each two of up to a million builds
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) lists

bench-bulk: $(VENV)/installed-dev $(BENCH_VENV)/installed ## compare import and export with sqlite-utils, sqlite3 and COPY
	$(BIN)/python -m benchmarks.bulk --rounds $(ROUNDS) --sqlite-utils $(BENCH_VENV)/bin/sqlite-utils

bench-hot: $(VENV)/installed-dev ## compare overwrites of a single build on PostgreSQL with pgbench
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) hot

clean: ## remove what the other targets made, except data/
	rm -rf $(VENV) $(BENCH_VENV) .cache build dist *.egg-info .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Makes a virtual environment, or says that the Python is too old.
MAKE_VENV = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; \
$(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.11")' && $(PYTHON) -m venv

$(VENV)/installed: setup.cfg constraints.txt
	@$(MAKE_VENV) $(VENV)
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: setup.cfg constraints.txt
	@$(MAKE_VENV) $(VENV)
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(BENCH_VENV)/installed: benchmarks/requirements.txt
	@$(MAKE_VENV) $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
