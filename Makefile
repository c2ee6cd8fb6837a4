# Every target sets up what it needs on a fresh machine: a .venv with the CPU build of torch.
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: run experiments test bench gpu lint lab
.DEFAULT_GOAL := run

$(READY): pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet torch==2.13.0 --editable '.[dev]'
	touch $@

run: $(READY)  ## all six notebooks on the embedded default; results/demo/
	$(PYTHON) -m medocr run demo

experiments: $(READY)  ## the findings: every claim's runs, two side by side; results/experiments/
	$(PYTHON) -m medocr run experiments --jobs 2

.PHONY: results
results: $(READY)  ## all committed results anew, from one clean commit: hours on two cores
	@test -z "$$(git status --porcelain)" || { echo "commit first: results are made from one clean commit"; exit 1; }
	$(PYTHON) -m medocr run demo --force
	$(PYTHON) -m medocr run demo-full --force
	$(PYTHON) -m medocr run experiments --force --jobs 2
	$(VENV)/bin/pip install --quiet --editable '.[bench]'
	$(PYTHON) -m tests.bench
	$(PYTHON) -m tests.test_results

test: lint  ## everything, with a small run of all six notebooks
	$(PYTHON) -m pytest

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

bench: $(READY)  ## figures for results/bench/
	$(VENV)/bin/pip install --quiet --editable '.[bench]'
	$(PYTHON) -m tests.bench

gpu: .venv-gpu/.ready  ## figures for results/gpu/, on a machine with CUDA: ten minutes a call
	.venv-gpu/bin/python -m tests.gpu

.PHONY: l4
l4: .venv-gpu/.ready  ## the published recipe at full size, on a machine with CUDA and network
	.venv-gpu/bin/python -m medocr run l4

.venv-gpu/.ready: pyproject.toml
	python3 -m venv .venv-gpu
	.venv-gpu/bin/pip install --quiet torch==2.13.0 --editable '.[gpu]'
	touch $@

lab: $(READY)  ## the notebooks in JupyterLab
	$(VENV)/bin/pip install --quiet --editable '.[lab]'
	$(VENV)/bin/jupyter lab notebooks
