PYTHON ?= python3
VENV ?= .venv

NPU_SITE := .torch_npu
ARCH ?= $(shell uname -m)

# For test-npu: versions, the interpreter for them, more options of pip (for example an index).
TORCH ?= 2.7.1
TORCH_NPU ?= 2.7.1
WORKER_PYTHON ?= $(VENV)/bin/python
PIP_OPTIONS ?=
OTHER := .envs/$(TORCH_NPU)
ENGINES := .envs/engines

# Tests at once: many wait for a process or a deadline, so more than processors. By files: what the tests of one file share, no other process waits for; in their
# order: the longest are not the last.
JOBS ?= 4
PYTEST := $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: tune test test-npu test-engines lint setup bundle

# The main job on the CPU backend.
tune: $(VENV)/.ready
	$(VENV)/bin/npu-tune --model mobilenet_v2 --trials 40

# Everything that CI checks.
test: lint $(NPU_SITE)/.ready
	$(PYTEST)

# The NPU tests on another torch_npu: make test-npu TORCH=2.1.0 TORCH_NPU=2.1.0.post17
test-npu: $(VENV)/.ready $(OTHER)/.ready
	NPU_TUNE_TORCH_NPU=$(abspath $(OTHER)/site) NPU_TUNE_TORCH_PYTHON=$(abspath $(OTHER)/venv)/bin/python \
		$(PYTEST) tests/real/npu

# The engines, in an environment of their own: it sees the torch of the other one.
test-engines: $(ENGINES)/.ready
	$(ENGINES)/bin/python -m pytest -n 2 --dist loadfile tests/engines

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

setup: $(VENV)/.ready $(NPU_SITE)/.ready

# An offline wheelhouse with an install script: make bundle ARCH=aarch64 PYTHON=3.11
bundle:
	bundle/make.sh $(ARCH) $(if $(filter 3.%,$(PYTHON)),$(PYTHON),3.11)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "npu-tune needs Python 3.10 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[dev]' torch==2.7.1 torchvision==0.22.1
	touch $@

# Only the NPU tests put this folder on their path, so that one torch serves CPU and NPU.
$(NPU_SITE)/.ready: $(VENV)/.ready
	$(VENV)/bin/pip install --quiet --no-deps --upgrade --target $(NPU_SITE) torch_npu==2.7.1
	touch $@

# torch before 2.3 was built for numpy 1.
$(OTHER)/.ready: $(VENV)/.ready
	$(WORKER_PYTHON) -m venv $(OTHER)/venv
	$(OTHER)/venv/bin/pip install --quiet $(PIP_OPTIONS) torch==$(TORCH) pyyaml \
		$(if $(filter 2.0.% 2.1.% 2.2.%,$(TORCH)),'numpy<2',numpy)
	$(OTHER)/venv/bin/pip install --quiet $(PIP_OPTIONS) --no-deps --upgrade --target $(OTHER)/site \
		torch_npu==$(TORCH_NPU)
	touch $@

$(ENGINES)/.ready: $(VENV)/.ready
	$(PYTHON) -m venv $(ENGINES)
	$(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$($(ENGINES)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth
	$(ENGINES)/bin/pip install --quiet $(PIP_OPTIONS) -e '.[dev,engines]'
	touch $@
