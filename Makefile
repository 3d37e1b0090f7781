.DEFAULT_GOAL := help
PYTHON ?= python3.11
UV := .uv/bin/uv
BIN := .venv/bin
# Tests wait for servers and signals more than they compute.
TOGETHER := -n $(or $(JOBS),3) --dist loadfile

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/ready ## make .venv with everything for development

.uv/bin/uv:
	@echo "setting up: uv"
	@$(PYTHON) -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

.venv/ready: pyproject.toml uv.lock | .uv/bin/uv
	@echo "setting up: packages from uv.lock (about 300 MB the first time)"
	@UV_PYTHON_DOWNLOADS=never $(UV) sync --quiet --frozen --all-extras --python $(PYTHON)
	@touch $@

demo: .venv/ready ## the main job end to end: servers, a real small model, the support example
	@$(BIN)/python -m examples.support.demo

test: .venv/ready ## run the tests (real PostgreSQL, Valkey, processes and signals)
	@$(BIN)/pytest $(TOGETHER)

faults: .venv/ready ## every fault, under load, with what each one costs (ROUNDS=1; about a quarter of an hour)
	@$(BIN)/pytest tests/faults --long --rounds $(or $(ROUNDS),1)

effects: .venv/ready ## workers killed and stopped at random points of tools that must happen once (KILLS=200 STOPS=100)
	@$(BIN)/pytest tests/effects --kills $(or $(KILLS),200) --stops $(or $(STOPS),100)

simulate: .venv/ready ## whole clusters in virtual time, disturbed by chance (SEEDS=1000, or SEED=123 to replay one)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

check: .venv/ready ## what CI runs: format, lint, types, layers and tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest $(TOGETHER)

format: .venv/ready ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready ## a short form of the benchmarks, written to build/bench.json
	@$(BIN)/python -m benchmarks

load: .venv/ready ## a minute each of 200 submissions and 100 starts a second, three times (about a quarter of an hour)
	@$(BIN)/python -m benchmarks --full --only steady

soak: .venv/ready ## very many tasks while everything is being killed, written to build/soak.json (TASKS=100000)
	@$(BIN)/python -m benchmarks.soak $(or $(TASKS),100000)

.PHONY: help setup demo test simulate effects faults check format bench load soak
