# Commands of prefens. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= runs
PORT ?= 5000
MODEL ?=
ARGS ?=
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install quickstart train tune import blend predict report serve ui server kaggle test test-random test-slow lint format docs docs-serve benchmark clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  ARGS='...' passes settings on, RUNS=DIR names the store (default: runs)"

install: $(READY) ## make .venv and install prefens with its development tools

$(READY): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	@touch $@

quickstart: $(READY) ## train a small ensemble on generated pairs, blend it, predict: no downloads
	$(BIN)/python -m prefens.train -m experiment=quickstart $(ARGS)
	$(BIN)/python -m prefens.blend tracking.root=runs/quickstart out=runs/quickstart
	$(BIN)/python -m prefens.predict data=synthetic data.seed=1 data.rows=200 tracking.root=runs/quickstart out=.
	$(BIN)/python -m prefens.report data=synthetic tracking.root=runs/quickstart out=runs/quickstart
	@echo "Open runs/quickstart/report.html; compare the members in MLflow: make ui RUNS=runs/quickstart"

train: $(READY) ## train members: make train ARGS="-m data.path=train.csv backbone=style,tfidf,minilm-l6"
	$(BIN)/python -m prefens.train tracking.root=$(RUNS) $(ARGS)

tune: $(READY) ## search over a recipe: make tune ARGS="data.path=train.csv 'space={backbone.bits: [16, 18]}'"
	$(BIN)/python -m prefens.tune tracking.root=$(RUNS) $(ARGS)

import: $(READY) ## put probabilities made elsewhere into the store: make import ARGS="path=oof.csv"
	$(BIN)/python -m prefens.import_oof tracking.root=$(RUNS) $(ARGS)

blend: $(READY) ## blend every complete member: make blend ARGS="blender=all"
	$(BIN)/python -m prefens.blend tracking.root=$(RUNS) $(ARGS)

predict: $(READY) ## write submission.csv: make predict ARGS="data.path=test.csv"
	$(BIN)/python -m prefens.predict tracking.root=$(RUNS) $(ARGS)

report: $(READY) ## write report.html and model_card.md: make report ARGS="data.path=train.csv"
	$(BIN)/python -m prefens.report tracking.root=$(RUNS) $(ARGS)

serve: $(READY) ## answer POST /invocations on 127.0.0.1:PORT with the latest blend's model, or MODEL=DIR
	$(BIN)/python -m prefens.serve tracking.root=$(RUNS) port=$(PORT) $(if $(MODEL),model=$(MODEL)) $(ARGS)

ui: $(READY) ## compare members in the MLflow UI on 127.0.0.1:PORT
	$(BIN)/python -m prefens.ui tracking.root=$(RUNS) port=$(PORT) $(ARGS)

server: $(READY) ## MLflow over PostgreSQL on 127.0.0.1:PORT, for sweeps of many processes
	$(BIN)/python -m prefens.server tracking.root=$(RUNS) port=$(PORT) $(ARGS)

kaggle: $(READY) ## bundle wheel, stored members and a notebook that predicts without internet
	$(BIN)/python -m prefens.kaggle tracking.root=$(RUNS) $(ARGS)

test: $(READY) ## the test suite, under 5 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow and not server and not browser and not ray" $(ARGS)

test-random: $(READY) ## the property tests on fresh examples; a failure prints how to repeat it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile=random $(ARGS)

test-slow: $(READY) ## tests that need more time or a real service
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "slow and not server and not browser and not ray" $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "server or browser or ray" $(ARGS)

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## the documentation as a site in build/docs, readable offline; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(READY) ## show the documentation on 127.0.0.1:8000 while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

benchmark: $(READY) ## loading, folds and cheap members at the competition's size (about 15 minutes)
	$(BIN)/python experiments/benchmarks/data.py $(ARGS)

clean: ## remove what tools left behind, not the results
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
