# Everything here sets up what it needs: a virtual environment from the lock files, and the outside
# programs (Prometheus, Alertmanager, Postgres, Redis, and what tests need besides) from the PATH or
# from Debian's packages, unpacked into a private cache.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
KEEP ?=
ROUNDS ?=
SERVICE ?= payment-service
SCENARIO ?=
QUICK ?=
SECONDS ?=
FILE ?=
SINCE ?=
LIST ?= morning
REPLACE ?=
UPLOAD ?=
PYTEST_ARGS ?=

# Merging starts the script anew by its own name, so that it has to find its Python by itself.
FUZZ := PATH="$(CURDIR)/$(BIN):$$PATH" tests/probers/fuzz_response.py -timeout=5 -rss_limit_mb=1024 -max_len=4096

.DEFAULT_GOAL := help
.PHONY: help demo run rules check mutate test image-root lint bench soak chaos fuzz pictures clean lock \
	doctor backup restore archive report test-email test-slack test-pagerduty \
	checklist checklist-morning checklist-weekly checklist-monthly checklist-handoff incidents

help: ## Show what can be done
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: $(VENV)/demo.stamp ## Break a service and watch the page arrive (SCENARIO=<alert> makes another fire, KEEP=1 leaves it running, ROUNDS=20 measures)
	@$(BIN)/python -m programs --for-demo
	@exec $(BIN)/python -m demo --service $(SERVICE) $(if $(KEEP),--keep) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SCENARIO),--scenario $(SCENARIO))

run: $(VENV)/runtime.stamp ## Run the exporter (settings from the environment, port 3017)
	@exec $(BIN)/python -m exporter serve

rules: $(VENV)/demo.stamp ## Compile config.py into rules, routes and dashboards, prove and write them
	@exec $(BIN)/python -m rules

check: $(VENV)/demo.stamp ## Prove that the generated files are what config.py says; write nothing
	@exec $(BIN)/python -m rules --check

mutate: $(VENV)/demo.stamp ## Change every rule in every way and see that its unit tests notice
	@exec $(BIN)/python -m rules mutate

test: lint ## Run everything that CI runs
	@$(BIN)/python -m programs
	@$(BIN)/python -m rules --check
	@exec $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

image-root: $(VENV)/dev.stamp ## Build the container's image without an engine and run it (needs root, takes minutes)
	@MONITORING_IMAGE=$(CURDIR)/.cache/image $(BIN)/python -m pytest --timeout 3000 -q tests/deploy/test_image.py

lint: $(VENV)/dev.stamp ## Check style and types
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

bench: $(VENV)/dev.stamp ## Measure ours against the peers, write docs/performance.md (QUICK=1: only look)
	@exec $(BIN)/python -m bench $(if $(QUICK),--quick)

soak: $(VENV)/dev.stamp ## Probe what fails at random for half an hour, write docs/soak.md (SECONDS=3600: longer)
	@exec $(BIN)/python -m bench.soak $(if $(SECONDS),--seconds $(SECONDS))

chaos: $(VENV)/dev.stamp ## Kill exporters and Postgres while 1,000 alerts start and end, write docs/chaos.md
	@$(BIN)/python -m programs
	@exec $(BIN)/python -m demo.chaos

fuzz: $(VENV)/dev.stamp $(VENV)/fuzz.stamp ## Fuzz the reader of HTTP answers for ten minutes (SECONDS=3600: longer)
	@mkdir -p .cache/fuzz/corpus .cache/fuzz/found
	@$(FUZZ) -max_total_time=$(or $(SECONDS),600) -dict=tests/probers/response.dict \
		-artifact_prefix=.cache/fuzz/found/ -print_final_stats=1 .cache/fuzz/corpus tests/probers/corpus
	@$(FUZZ) -merge=1 tests/probers/corpus .cache/fuzz/corpus

doctor: $(VENV)/runtime.stamp ## Look for what is wrong with the service and what it needs, and say what to do
	@exec $(BIN)/python -m exporter doctor

backup: $(VENV)/runtime.stamp ## Back up the ledger's store, verified (UPLOAD='aws s3 cp {file} s3://…' sends it away)
	@exec $(BIN)/python -m exporter backup $(if $(UPLOAD),--upload-hook '$(UPLOAD)')

restore: $(VENV)/runtime.stamp ## Restore FILE=… into the ledger's store (REPLACE=1 overwrites one with history)
	@exec $(BIN)/python -m exporter restore $(if $(REPLACE),--replace) '$(FILE)'

archive: $(VENV)/runtime.stamp ## Move old metrics and ended alerts to the archives now
	@exec $(BIN)/python -m exporter archive

checklist: checklist-$(LIST) ## Go through a checklist (LIST=morning, weekly, monthly or handoff)

checklist-morning checklist-weekly checklist-monthly checklist-handoff: checklist-%: $(VENV)/runtime.stamp
	@exec $(BIN)/python -m exporter checklist $*

incidents: $(VENV)/runtime.stamp ## List open incidents and post-mortems that are due
	@exec $(BIN)/python -m exporter incident list

report: $(VENV)/runtime.stamp ## Report alerts, availability and error budgets (SINCE=30d, FILE=report.html)
	@exec $(BIN)/python -m exporter report $(if $(SINCE),--since $(SINCE)) $(if $(FILE),--output '$(FILE)')

test-email test-slack test-pagerduty: test-%: $(VENV)/runtime.stamp
	@exec $(BIN)/python -m exporter test-notifications --channel $*

test-email: ## Send a test by email, through Alertmanager and directly (test-slack, test-pagerduty likewise)

pictures: $(VENV)/dev.stamp ## Take pictures of the console in the running demo, for docs/pictures
	@exec $(BIN)/python -m demo.pictures

clean: ## Remove the virtual environment and caches of this checkout
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

lock: ## Resolve the dependencies of pyproject.toml anew and pin them in lock/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@for lock in "runtime:" "demo:--extra rules --extra demo" "dev:--extra rules --extra demo --extra dev" \
		"fuzz:--extra fuzz"; do \
		$(BIN)/uv pip compile pyproject.toml $${lock#*:} --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade \
		--output-file lock/$${lock%%:*}.txt; done

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is not on the PATH: install it (Debian: apt install python3 python3-venv), or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: lock/%.txt | $(VENV)/bin/python
	@echo "Installing what $< locks"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
