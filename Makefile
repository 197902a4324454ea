# Two commands matter: `make demo` and `make test`. Each does all of its own set-up.
# Written for GNU make 3.81 (macOS) and newer; needs Python 3.11 or newer and nothing else.

PYTHON ?= python3
PYTEST_ARGS ?= -n 2 --dist worksteal
PART ?=

BIN := .venv/bin
SET_UP := $(PYTHON) scripts/set_up.py
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help demo test check soak bench docs format lock clean distclean

help: ## Show this list
	@echo "Pairmark: what make can do here"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Assess 35 real texts with recorded human votes; writes out/demo/
	@$(SET_UP) run
	PAIRMARK_HOME="$(CURDIR)/.cache/demo" $(BIN)/pairmark assess examples/ukpconvarg1-t31/texts.csv \
		--judge replay:examples/ukpconvarg1-t31/votes.csv \
		--compare published_rank_score --smaller-is-better --seed 1 --name demo --out out/demo

test: ## Run the tests (PYTEST_ARGS=-x runs them in one process, up to a failure)
	@$(SET_UP) dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: ## Style, types, layers, generated pages, rules of the tree
	@$(SET_UP) dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python scripts/check_tree.py
	$(BIN)/python scripts/generate_reference.py --check

soak: ## Every test at full size; writes tests/soak.json (PART=tests/unit/stats for a part)
	@$(SET_UP) dev
	PAIRMARK_SOAK=1 $(BIN)/python -m pytest $(PYTEST_ARGS) -m "not benchmark" $(PART)
	$(BIN)/python scripts/generate_reference.py

bench: ## Measure, beside peers and limits; writes results.json (PART=tests/benchmarks/test_fit.py)
	@$(SET_UP) bench
	$(BIN)/python -m pytest -m benchmark -s $(or $(PART),tests/benchmarks)
	$(BIN)/python scripts/generate_reference.py

docs: ## Rewrite the generated pages of docs/
	@$(SET_UP) dev
	$(BIN)/python scripts/generate_reference.py

format: ## Put the source into its format
	@$(SET_UP) dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Resolve requirements/*.txt again (UPGRADE=1 for newer versions)
	@$(SET_UP) run
	$(LOCK) requirements/uv.in --output-file requirements/uv.txt
	$(LOCK) pyproject.toml --group build --output-file requirements/run.txt
	$(LOCK) pyproject.toml --extra kafka --group build --output-file requirements/worker.txt
	$(LOCK) pyproject.toml --extra audit --extra kafka --extra llm --extra mysql --group dev --output-file requirements/dev.txt
	$(LOCK) pyproject.toml --extra audit --extra kafka --extra llm --extra mysql --group bench --output-file requirements/bench.txt

clean: ## Remove what runs have left (results, caches, the demo's database)
	rm -rf out build dist .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the environment as well
	rm -rf .venv
