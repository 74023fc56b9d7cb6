# Every target sets up what it needs; nothing is installed outside the virtual environment.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# How often, and how many seconds, each load of a benchmark is measured.
ROUNDS ?= 5
SECONDS ?= 3
BENCH_OPTIONS = --rounds $(ROUNDS) --seconds $(SECONDS)

# How many builds are imported and exported.
BUILDS ?= 1000000

.PHONY: help run test stop-test torture torture-repairs bulk fuzz openapi dist lint bench bench-growth bench-repairs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

run: $(VENV)/installed ## set up and serve on SQLite, with the sample build and a curl to paste
	@exec $(BIN)/python app.py serve --sample

test: $(VENV)/installed-dev ## set up and run the whole suite
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

stop-test: $(VENV)/installed-dev ## stop a service under load, fifty times
	BUILD_ADMIN_TEST_STOPS=50 $(BIN)/python -m pytest tests/test_server.py -k stop_under_load

torture: $(VENV)/installed-dev ## kill the service and PostgreSQL under load, three hundred times
	PYTHONPATH=.:tests $(BIN)/python tests/torture.py

torture-repairs: $(VENV)/installed-dev ## kill the service and PostgreSQL in the middle of repairs of 10,000 builds, a hundred times
	PYTHONPATH=.:tests $(BIN)/python tests/torture_repairs.py

bulk: $(VENV)/installed-dev ## import, export and move BUILDS=1000000 builds, and measure it; takes a quarter of an hour
	PYTHONPATH=.:tests $(BIN)/python tests/bulk.py --builds $(BUILDS)

fuzz: $(VENV)/installed-dev ## try many thousand made-up requests; takes minutes
	BUILD_ADMIN_TEST_EXAMPLES=500 $(BIN)/python -m pytest tests/test_openapi.py tests/test_properties.py tests/test_model.py tests/test_fuzz.py

openapi: $(VENV)/installed-dev ## make resources/openapi.json from the routes and schemas
	$(BIN)/python -m build_admin.openapi

dist: $(VENV)/installed ## make dist/: a wheel, and build-admin.pyz, the whole service in one file
	rm -rf dist build
	$(PIP) wheel --no-deps --wheel-dir dist .
	$(BIN)/python tools/make_pyz.py dist/*.whl dist/build-admin.pyz

lint: $(VENV)/installed-dev ## style, imports, security pass and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .cache/types && ln -sfn ../.. .cache/types/build_admin
	$(BIN)/mypy --exclude 'build_admin/(benchmarks|build|dist|tests|tools)/' -p build_admin
	$(BIN)/mypy --explicit-package-bases benchmarks tests tools

bench: $(VENV)/installed-dev $(BENCH_VENV)/installed ## compare with the ceiling and with peers, ten minutes; ROUNDS=5 SECONDS=3
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) compare --peers-python $(BENCH_VENV)/bin/python

bench-growth: $(VENV)/installed-dev ## the same service with up to a million builds, and with three processes
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) growth

bench-repairs: $(VENV)/installed-dev ## repairs of 10,000 builds beside as many overwrites, and lists of up to a million
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS) repairs

clean: ## remove what the other targets made; data/ is yours and stays
	rm -rf $(VENV) $(BENCH_VENV) .cache build dist *.egg-info .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment, where the Python is not too old for one.
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
