PYTHON ?= python3
VENV ?= .venv

TORCH_NPU := .torch_npu
ARCH ?= $(shell uname -m)

.PHONY: tune test lint setup bundle

# The main job on the CPU backend.
tune: $(VENV)/.ready
	$(VENV)/bin/npu-tune --model mobilenet_v2 --trials 40

# Everything that CI checks.
test: lint $(TORCH_NPU)/.ready
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

setup: $(VENV)/.ready $(TORCH_NPU)/.ready

# An offline wheelhouse with an install script: make bundle ARCH=aarch64 PYTHON=3.11
bundle:
	bundle/make.sh $(ARCH) $(if $(filter 3.%,$(PYTHON)),$(PYTHON),3.11)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "npu-tune needs Python 3.10 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[dev]' torch==2.7.1 torchvision==0.22.1
	touch $@

# Only the NPU tests put this folder on their path, so that one torch serves CPU and NPU.
$(TORCH_NPU)/.ready: $(VENV)/.ready
	$(VENV)/bin/pip install --quiet --no-deps --upgrade --target $(TORCH_NPU) torch_npu==2.7.1
	touch $@
