# Every target sets up what it needs; nothing is installed outside the virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help run test lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: $(VENV)/installed ## set up and serve on SQLite, with the sample build and a curl to paste
	@exec $(BIN)/python app.py serve --sample

test: $(VENV)/installed-dev ## set up and run the whole suite
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev ## style, imports, security pass and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

clean: ## remove what the other targets made; data/ is yours and stays
	rm -rf $(VENV) .cache build dist *.egg-info .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/installed
