# `make train` and `make test` do all their own set-up: they need python3 with venv.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/quickstart
CONFIG ?= experiments/configs/pskd_small.py
ROUNDS ?= 60
N ?= 2
DEVICES ?= 1
PY := $(VENV)/bin/python

.PHONY: train processes test lint format clean-venv

train: $(VENV)/.installed
	$(PY) -m experiments.run --config=$(CONFIG) --config.rounds=$(ROUNDS) \
		--workdir=$(RUN) --mode=train
	$(PY) -m experiments.run --workdir=$(RUN) --mode=report

# The same run on N processes of this machine, each with DEVICES CPU devices.
processes: $(VENV)/.installed
	$(PY) -m experiments.launch --processes=$(N) --devices=$(DEVICES) -- \
		--config=$(CONFIG) --config.rounds=$(ROUNDS) --workdir=$(RUN) --mode=train

test: $(VENV)/.installed lint
	$(PY) -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --no-compile --requirement requirements.txt
	$(PY) -m compileall -q -j 0 $(VENV)/lib  # on all cores, where pip takes one
	touch $@

clean-venv:
	rm -rf $(VENV)
