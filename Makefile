# Every target sets up what it needs: a virtual environment in .venv, with the tested versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# Studies are called like their folders of results.
.PHONY: help ladder optimizer_comparison regularizer_comparison fair_ladder double_descent weight_decay calibration \
	test test-slow test-versions coverage fuzz mutants lint docs benchmark scaling clean

help:
	@echo "make ladder      the seven-rung ladder on MNIST-1D, 3 seeds, with its table and figures (about 7 minutes)"
	@echo "make optimizer_comparison, make regularizer_comparison, make fair_ladder"
	@echo "                 the comparisons on MNIST-1D, tuned (half an hour to 2 hours each)"
	@echo "make double_descent, make weight_decay"
	@echo "                 test error over width (about 20 minutes); a small GPT with and without decay (about 30)"
	@echo "make calibration how often conclusions of simulated studies are false (about half an hour)"
	@echo "make test        the tests"
	@echo "make test-slow   those that take longest: whole studies, interrupted and resumed"
	@echo "make test-versions  the tests with every other Python that is here and works"
	@echo "make fuzz        random words, studies, run directories and data files, for MINUTES=10, from SEED=0 on"
	@echo "make mutants     a sample of COUNT=200 faults, put into the code one at a time: do the tests see them?"
	@echo "make coverage    the tests, with the lines they do not reach"
	@echo "make lint        formatting, static checks and types"
	@echo "make docs        the documentation's pages, in site/"
	@echo "make benchmark   speed ratios, measured side by side"
	@echo "make scaling     a step on 2 processes, and by its costs on up to 64"
	@echo "make clean       remove the environment and caches; results stay"

# torch goes first and by itself, so that its pinned version, from wherever pip is set up to find it, is what all else
# is resolved against.
$(READY): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	touch $(READY)

ladder: $(READY)
	$(BIN)/python scripts/geiping_ladder.py

optimizer_comparison regularizer_comparison fair_ladder: $(READY)
	$(BIN)/python scripts/$@.py

double_descent: $(READY)
	$(BIN)/python scripts/double_descent.py model_wise

weight_decay: $(READY)
	$(BIN)/python scripts/weight_decay.py schedule

calibration: $(READY)
	$(BIN)/python scripts/calibration.py simulations

test: $(READY)
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# Other versions of Python have an environment each; torch and the rest are installed into it.
VERSIONS := 3.12 3.13
test-versions:
	@for version in $(VERSIONS); do export PYENV_VERSION=$$version; \
		if python$$version -c "" 2>/dev/null; then $(MAKE) test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
		else echo "python$$version is not here: not tested"; fi; \
	done

MINUTES ?= 10
SEED ?= 0
fuzz: $(READY)
	$(BIN)/python tests/fuzz/run.py --minutes $(MINUTES) --seed $(SEED)

COUNT ?= 200
mutants: $(READY)
	$(BIN)/python tests/mutants/run.py --count $(COUNT) --seed $(SEED)

coverage: $(READY)
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages' own tools come on top of the environment, where they are wanted.
$(VENV)/docs: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $(VENV)/docs

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmark: $(READY)
	$(BIN)/python scripts/benchmark.py --json results/benchmark.json

scaling: $(READY)
	$(BIN)/python scripts/benchmark.py --ranks 2 --json results/scaling.json --figure results/scaling.png

clean:
	rm -rf $(VENV) .venv-* build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
