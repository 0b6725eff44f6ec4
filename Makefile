# make app     the page, on http://127.0.0.1:7860
# make test    all tests
# make bench   the benchmarks of the example questions and of the sandbox
# make files-report MESSY=DIR   how many messy files are read right
# Each sets up all that it needs in .venv; a second call starts at once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup app test lint bench files-report

MESSY ?= data/messy

setup: .venv/app

.venv/app: requirements-cpu.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DataSense needs Python 3.11 or newer; set PYTHON.")'
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements-cpu.txt
	touch $@

.venv/dev: .venv/app requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@

app: .venv/app
	$(BIN)/python app.py

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/app
	$(BIN)/python -m sandbox bench
	$(BIN)/python -m benchmarks.examples --gallery
	$(BIN)/python -m benchmarks.examples

files-report: .venv/app
	$(BIN)/python -m benchmarks.files $(MESSY) --list
