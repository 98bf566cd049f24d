# Everything a person types. Needs Python >= 3.11 and make; whatever else is needed is fetched.

# A Python built without optimisations, as pyenv does by default, made a message cost 17 to 40 % more CPU. Those of a
# system have them.
# Not a system's that is newer than 3.13: packages may lack wheels for it.
OPTIMISED := import ensurepip, sys, sysconfig, venv; flags = sysconfig.get_config_var("CONFIG_ARGS") or ""; \
  sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) \
  or not ("--enable-optimizations" in flags or sys.base_prefix == "/usr"))
ifndef PYTHON
PYTHON := $(shell for p in python3 /usr/bin/python3; do $$p -c '$(OPTIMISED)' 2>/dev/null && echo $$p && exit; done; echo python3)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help setup jars kube-tools otelcol image sbom demo test test-long test-image test-k8s lint bench scale bench-smpp \
  chaos explore fuzz docs lock clean

help: ## list these commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: $(STAMP) ## make the environment in .venv; after it, .venv/bin/smsgw is there

# A file in .venv says that it is complete: after an interruption the next run takes it up again, and a second run does
# nothing. Packages come by the user's own pip configuration; the lock holds their hashes. Without --no-compile it takes
# 48 s instead of 27: most of what pip would compile is never imported, and the rest is compiled on first use.
$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed, and '$(PYTHON)' is not one: try make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 2; }
	@echo "Installing the locked packages into $(VENV), with $$($(BIN)/python -V) of" \
	  "$$($(BIN)/python -c 'import sys; print(sys.base_prefix)') (about a minute, once)"
	@$(PIP) install --quiet --no-compile --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Apart from the tests, because a slow line must not count against the time limit of the first of them.
jars: setup ## fetch the jars of the embedded Kafka and of jSMPP (tests) into the user's cache folder (once)
	@$(BIN)/python -m shared.local.kafka_jars
	@$(BIN)/python -m tests.jsmpp

# From the Go module proxy, into the folder that the tests look in; a kustomize in the path will do as well.
CACHE := $(or $(SMSGW_CACHE_DIR),$(HOME)/.cache/smsgw)
kube-tools: ## build kustomize, which the tests of the manifests use (needs Go)
	@test -x $(CACHE)/bin/kustomize || GOBIN=$(CACHE)/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1

otelcol: ## build an OpenTelemetry collector, through which one of the longest tests sends (needs Go; minutes)
	@test -x $(CACHE)/bin/otelcol || { mkdir -p build/otelcol $(CACHE)/bin && cd build/otelcol && \
	  nice go run go.opentelemetry.io/collector/cmd/builder@v0.165.0 --config ../../tests/otelcol_builder.yaml && \
	  cp dist/otelcol $(CACHE)/bin/; }

image: ## build the image smsgw:local (needs Docker)
	@docker build --file compose/Dockerfile --tag smsgw:local .

# The lock says what the image installs; the tool is needed for this alone, so it has an environment of its own.
sbom: ## write build/smsgw.cdx.json: the Python packages of the image, by name, version and hash (CycloneDX)
	@$(PYTHON) -m venv build/cyclonedx && build/cyclonedx/bin/python -m pip install --quiet --disable-pip-version-check \
	  cyclonedx-bom==7.3.1
	@build/cyclonedx/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file build/smsgw.cdx.json requirements.lock
	@echo build/smsgw.cdx.json

demo: setup ## everything embedded, real traffic, live progress, a report at the end
	@exec $(BIN)/python -m services.cli demo $(ARGS)

test: lint jars ## linters, type checks and all tests, on a real Kafka and a real ClickHouse
	@exec $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: jars ## the longest tests: chaos, scaling, wrong clocks, bombs, take-overs
	@exec $(BIN)/python -m pytest -q -m long $(ARGS)

test-image: setup jars ## image and compose file on a real engine, reconciled (DOCKER_HOST, else one from packages)
	@exec $(BIN)/python -m tests.image

test-k8s: setup jars ## the manifests on a real cluster: killed, updated, scaled, drained (KUBECONFIG, else from packages)
	@exec $(BIN)/python -m tests.cluster

lint: setup ## ruff and mypy --strict, over sources and tests
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

bench: setup jars ## end-to-end benchmark: messages/s, latency, CPU by process
	@exec $(BIN)/python -m tests.bench $(ARGS)

scale: setup jars ## 1, 2, 4 instances of each service under load: CPU a message, pauses, binds, tps; nothing lost
	@exec $(BIN)/python -m tests.bench.scale $(ARGS)

bench-smpp: setup ## the SMPP core against its aims: codec, one bind on loopback, other sessions beside it
	@$(BIN)/python -m tests.bench.bench_smpp_codec
	@exec $(BIN)/python -m tests.bench.bench_smpp_session --peers ours,smpplib,aiosmpplib $(ARGS)

ROUNDS ?= 10
SEED ?= 1
chaos: setup jars ## the gateway under load while its parts die, sleep and lose their links (ROUNDS=n SEED=s)
	@exec $(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) $(ARGS)

explore: setup ## property and stateful tests with other examples than the fixed ones of make test
	@exec $(BIN)/python -m pytest -q --numprocesses 2 --hypothesis-profile explore tests/unit tests/contract tests/property tests/stateful $(ARGS)

fuzz: setup ## a million mutated PDUs against the SMPP core (ARGS="--count N --seed N")
	@exec $(BIN)/python -m tests.bench.bench_smpp_fuzz $(ARGS)

# uv is needed for this alone, so it has an environment of its own. Hashes yes, addresses no: the locks go anywhere.
LOCK := build/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command "make lock"
docs: setup ## write docs/metrics.md anew, from the list of metrics
	@$(BIN)/python -m shared.process.metrics_page

lock: ## resolve the locks again (UPGRADE=--upgrade takes the newest versions)
	@$(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCK) $(UPGRADE) --output-file requirements.lock
	@$(LOCK) $(UPGRADE) --extra dev --extra local --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove the environment and every cache in this folder; data directories (.smsgw) stay
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
