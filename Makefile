# make setup | test | lint. Each sets up all that it needs; a second call starts at once.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup test lint

setup: .venv/ready

.venv/ready: requirements-cpu.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

test: .venv/ready
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
