# `make` alone lists the targets. `make demo DURATION=90 REPORT=report.json FAULTS=1` passes its settings on.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))) python3)
PY := .venv/bin/python
UV := UV_SYSTEM_CERTS=1 .venv/bin/uv
SPARK40 := var/spark40/bin/python
SPARK40_VERSION ?= 4.0.0
SHARED ?= ../shared
export DURATION REPORT FAULTS LIFE ONLY VAR PORT_BASE

.PHONY: help setup browser demo test test-long test-spark40 check bench peers verify real faults screenshots clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/'
setup: ## everything that a fresh clone needs, fetched once
	@command -v $(PYTHON) >/dev/null || { echo 'Python is missing. Install it: sudo apt-get update && sudo apt-get install -y python3 python3-venv'; exit 1; }
	@$(PYTHON) -m infra.setup
demo: setup ## the whole path, live, on this machine
	@$(PY) -m infra.demo
browser: setup ## Chromium, for the ward page's tests and pictures
	@$(PYTHON) -m infra.setup browser
test: browser ## the tests, but the long ones
	@$(PY) -m pytest -m 'not long'
test-long: browser ## those that bring a whole cluster up for one claim
	@$(PY) -m pytest -m long
test-spark40: setup ## the scoring tests on the Spark that EMR runs, in an environment of their own
	@mkdir -p var
	@$(UV) export -q --frozen --no-hashes --extra cloud --extra infra --group dev --no-emit-project --no-emit-package pyspark --no-emit-package py4j -o var/spark40.txt
	@$(UV) venv -q --allow-existing --python $(PY) var/spark40
	@$(UV) pip install -q --python $(SPARK40) -r var/spark40.txt pyspark==$(SPARK40_VERSION)
	@$(SPARK40) -m pytest -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning tests/cloud/test_score_columns.py tests/cloud/test_score_resume.py tests/cloud/test_score_spark.py
check: setup ## lint, types, import rules, docs and hazards
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && .venv/bin/lint-imports && $(PY) -m tests.docs.checks
bench: browser ## measure, into bench.json: ONLY=state
	@$(PY) -m tests.bench.measure bench
peers: setup ## the same work through others and through ours, into peers.json: ONLY=bridge
	@$(PY) -m tests.bench.measure peers
verify: setup ## check against recordings and reference documents: SHARED=../shared
	@$(PY) -m tests.verify.recordings $(SHARED)
real: setup ## HL7's FHIR validator on what the ward page serves; fetches 145 MB once, needs a JDK
	@$(PY) -m pytest -rP tests/real/fhir_validator.py
faults: setup ## storms of kills, cuts and bad input, into faults.json: ONLY=edge
	@$(PY) -m tests.bench.measure faults
screenshots: browser ## pictures of the ward page, into docs/images
	@$(PY) -m tests.console.pictures
pi: setup ## a bare Debian becomes a gateway, as root; aarch64; IoT Core's limits: some minutes
	@$(PY) -m pytest tests/pi/install_in_root.py tests/pi/on_aarch64.py tests/pi/on_iot_core.py
clean: ## end what runs here and remove what was made, but the shared cache
	@test ! -x $(PY) || $(PY) -m infra.local down
	@rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench.json peers.json faults.json report.json
