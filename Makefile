PYTHON ?= python3
VENV ?= .venv

.PHONY: tune test lint setup

# The main job on the CPU backend.
tune: $(VENV)/.ready
	$(VENV)/bin/npu-tune --model mobilenet_v2 --trials 40

# Everything that CI checks.
test: lint
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "npu-tune needs Python 3.10 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[cpu,dev]'
	touch $@
