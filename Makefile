# `make demo` and `make test` do all of their set-up themselves: a virtual environment from locked,
# hash-pinned packages, and a control plane that is found or built once.

PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
  $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# Each worker has an API server of its own; a file's tests stay together (tests/support/schedule.py).
PYTEST ?= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 5
# Of two processors. Tests of processes mostly wait: one worker more keeps the processors busy.
WORKERS = 2
test-all test-deep: WORKERS = 3

# Some machines set it. The tests start hundreds of processes: without bytecode each would compile
# all that it imports, and each worker would rewrite the assertions of all tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-all test-deep check static fast format generate judge judges lock clean prove-minors chart image sbom prove-image prove-install prove-rights prove-docs guide bench-preflight bench-migrate prove-diff prove-import prove-limits prove-faults prove-failover prove-memory prove-judge prove-judges prove-models prove-roundtrip prove-yaml prove-lint prove-storage-switch prove-migrate prove-hostile prove-commands prove-drain prove-soak prove-rotation prove-rotation-model prove-diagnose prove-expiry prove-tenants prove-situations prove-sources bench-schemagen bench-cel bench-judge bench-conversion bench-webhooks bench-admission bench-watch bench-controllers

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: $(INSTALLED)  ## Demo: a real API server defaults, converts and refuses AgentRuns, and agents run
	@$(BIN)/agentctl demo

dev: $(INSTALLED)  ## Run API server, webhooks and controller, and print how to use kubectl with them
	@$(BIN)/agentctl dev

test: judges stores  ## Everything: checks, all tests, the end-to-end ones on a real API server
	$(BIN)/python -m controllers.devcluster build --jobs
	$(BIN)/python -m controllers.devcluster build helm
	@$(MAKE) --no-print-directory --jobs 2 static test-all

test-deep: judges stores  ## All tests with all draws and cases, of which `make test` takes a sample
	$(BIN)/python -m controllers.devcluster build --jobs
	$(BIN)/python -m controllers.devcluster build helm
	$(BIN)/python -m controllers.devcluster judge 1.29 1.30 1.31 1.32 1.33 1.34 1.35 1.36
	KUBEWRIGHT_DEEP=1 $(PYTEST)

check: judges stores  ## Format, lint, types, import contracts, generated files, fast unit tests
	@$(MAKE) --no-print-directory --jobs 2 static fast

# Beside the tools, one for each directory: it outlives a clean checkout, as they do.
TYPES = "$(or $(KUBEWRIGHT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubewright)/types$(subst /,-,$(CURDIR))"
static:
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --cache-dir $(TYPES)
	$(BIN)/lint-imports --no-cache
	$(BIN)/schemagen generate crds:api --out crds/generated --check
	$(BIN)/python -m controllers.agentctl.chart --check

fast:
	$(PYTEST) -m "not e2e and not slow"

test-all:
	$(PYTEST)

format: $(INSTALLED)  ## Format, and apply lint fixes
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

generate: chart  ## Generate the CRDs from the models, and the chart
	$(BIN)/schemagen generate crds:api --out crds/generated

chart: $(INSTALLED)  ## Generate the Helm chart and docs/rbac.md from rights, values and the Api
	@$(BIN)/python -m controllers.agentctl.chart

GUIDE := crds:api v1alpha1 v1beta1 --examples crds/samples --policy deprecation.md --migrate 'agentctl migrate' --out docs/migration-guide.md
guide: $(INSTALLED)  ## Generate docs/migration-guide.md from both versions of the Agents Platform
	$(BIN)/schemagen guide $(GUIDE)

IMAGE_TAG ?= latest
image:  ## Build the images kubewright/agents and kubewright/agent-runner with Docker
	docker build --file .image/Dockerfile --target main --tag kubewright/agents:$(IMAGE_TAG) .
	docker build --file .image/Dockerfile --target runner --tag kubewright/agent-runner:$(IMAGE_TAG) .

FILL := PYTHON=$(CURDIR)/$(BIN)/python .image/fill
# As the images are filled without Docker; the base image has an SBOM of its own.
sbom: judge  ## Write the SPDX documents of wheel and images to dist/sbom (a minute)
	@rm -rf build/sbom && mkdir -p build/sbom dist/sbom
	@KUBEWRIGHT_JUDGE=$$($(BIN)/python -m controllers.devcluster judge | tail -n 1) \
	  $(BIN)/python -m hatchling build --target wheel --directory build/sbom > /dev/null
	@$(FILL) main build/sbom/*.whl .requirements/image.txt $(CURDIR)/build/sbom/agents
	@$(FILL) runner build/sbom/*.whl .requirements/runner.txt $(CURDIR)/build/sbom/agent-runner
	@for image in agents agent-runner; do \
	  cp build/sbom/$$image/sbom.spdx.json dist/sbom/$$image.spdx.json || exit 1; done
	@$(BIN)/python -m zipfile --extract build/sbom/*.whl build/sbom/wheel
	@cp build/sbom/wheel/*.dist-info/sboms/kubewright.spdx.json dist/sbom/
	@rm -rf build/sbom
	@ls dist/sbom/*.spdx.json

judge: $(INSTALLED)  ## Build the judge, the API server's own validation that schemagen runs
	@$(BIN)/python -m controllers.devcluster judge

# The newest one, and one older: what tests ask.
judges: judge
	@$(BIN)/python -m controllers.devcluster judge 1.34

# Long proofs and benchmarks; the tests include a short version of each.
N ?= 100000
SEED ?= 0
prove-judges: $(INSTALLED)  ## Compare models, judge and a real API server on N objects of SEED (half an hour)
	$(BIN)/schemagen judge crds:api tests.support.foundry:api --number $(N) --seed $(SEED)

prove-models: N = 20000
prove-models: PART = 1/1
prove-models: SERVER = 200
prove-models: $(INSTALLED)  ## Generate N modules of models: refused with an error, or validated alike (an hour)
	@$(BIN)/python -m tests.bench.prove_models --number $(N) --seed $(SEED) --part $(PART) --server $(SERVER)

prove-diff: N = 2000
prove-diff: PART = 1/1
prove-diff: $(INSTALLED)  ## Generate N pairs of CRDs: what breaks is told, and what is told breaks (half an hour)
	@$(BIN)/python -m tests.bench.prove_diff --number $(N) --seed $(SEED) --part $(PART) --server

prove-import: PART = 1/1
prove-import: CRDS = tests/data/crds
prove-import: N = 500
prove-import: $(INSTALLED)  ## Import the CRDs in CRDS: generated again exactly, N objects of each judged alike
	@$(BIN)/python -m tests.bench.prove_import --crds $(CRDS) --objects $(N) --seed $(SEED) --part $(PART)

prove-judge: $(INSTALLED)  ## Compare judge and API server on 1,000 CRDs and 10,000 objects of SEED (6 minutes)
	$(BIN)/python tests/bench/prove_judge.py --objects 10000 --crds 1000 --seed $(SEED)

prove-minors: KUBERNETES = 1.29..1.37
prove-minors: $(INSTALLED)  ## Compare the judges of all minor versions with public reports (half an hour of builds, once)
	@$(BIN)/python -m tests.bench.prove_minors --kubernetes $(KUBERNETES)

prove-roundtrip: N = 200000
prove-roundtrip: PART = 1/1
prove-roundtrip: $(INSTALLED)  ## N round trips of objects of three APIs through each version, or a PART such as 2/4 (an hour)
	@$(BIN)/schemagen roundtrip crds:api tests.support.foundry:api tests.support.harbor:api \
	  --number $(N) --seed $(SEED) --part $(PART)

prove-yaml: N = 200000
prove-yaml: PART = 1/1
prove-yaml: $(INSTALLED)  ## Compare reading and writing of N YAML documents with kubectl's parser (15 minutes)
	@$(BIN)/python -m tests.bench.prove_yaml --number $(N) --seed $(SEED) --part $(PART)

prove-lint: N = 2000
prove-lint: PART = 1/1
prove-lint: $(INSTALLED)  ## Compare lint and a real API server on N webhook configurations of SEED (2 minutes)
	@$(BIN)/python -m tests.bench.prove_lint --number $(N) --seed $(SEED) --part $(PART)

prove-storage-switch: N = 10000
prove-storage-switch: $(INSTALLED)  ## Rewrite N AgentRuns in the other storage version, and back (minutes)
	$(BIN)/python -m tests.bench.prove_storage_switch --number $(N) --seed $(SEED)

prove-migrate: N = 20000
prove-migrate: PART = 1/1
prove-migrate: TOGETHER = 20000
prove-migrate: $(INSTALLED)  ## Migrate N objects (TOGETHER in a cluster) with kills, a restart, an absent webhook, writers
	@$(BIN)/python -m tests.bench.prove_migrate --number $(N) --together $(TOGETHER) --seed $(SEED) --part $(PART)

prove-hostile: N = 100000
prove-hostile: SEED = 0
prove-hostile: TRANSPORT = lean
prove-hostile: $(INSTALLED)  ## Send N invalid requests to the webhook server and monitor it (10 minutes)
	@$(BIN)/python -m tests.bench.prove_hostile --number $(N) --seed $(SEED) --transport $(TRANSPORT)

prove-commands: N = 2000
prove-commands: PART = 1/1
prove-commands: $(INSTALLED)  ## Corrupt modules, arguments and files N times: no command shows a traceback (40 minutes)
	@$(BIN)/python -m tests.bench.prove_commands --number $(N) --seed $(SEED) --part $(PART)

prove-drain: ROUNDS = 10
prove-drain: $(INSTALLED)  ## Restart three replicas under load, ROUNDS times, without a failed request (5 minutes)
	@$(BIN)/python -m tests.bench.prove_drain --rounds $(ROUNDS)

prove-soak: MINUTES = 30
prove-soak: SEED = 0
prove-soak: $(INSTALLED)  ## Load a server with fault injection for MINUTES; a fault must explain every error
	@$(BIN)/python -m tests.bench.prove_soak --minutes $(MINUTES) --seed $(SEED)

prove-rotation: ROTATIONS = 20
prove-rotation: $(INSTALLED)  ## Rotate CAs under load, ROTATIONS times, then as often with kills (8 minutes)
	@$(BIN)/python -m tests.bench.prove_rotation --rotations $(ROTATIONS)

prove-rotation-model: $(INSTALLED)  ## Explore all interleavings of a rotation, and of seeded bugs (8 minutes)
	@$(BIN)/python -m tests.bench.prove_rotation_model

prove-diagnose: ROUNDS = 5
prove-diagnose: $(INSTALLED)  ## Plant every fault of agentctl diagnose, and measure it ROUNDS times (2 minutes)
	@$(BIN)/python -m tests.bench.prove_diagnose --rounds $(ROUNDS)

prove-expiry: HOURS = 6
prove-expiry: SEED = 0
prove-expiry: $(INSTALLED)  ## Simulate two years of every certificate source in steps of HOURS (10 minutes)
	@$(BIN)/python -m tests.bench.prove_expiry --hours $(HOURS) --seed $(SEED)

prove-tenants: ROUNDS = 12
prove-tenants: SEED = 0
prove-tenants: PART = 1/1
prove-tenants: $(INSTALLED)  ## A hostile tenant, ROUNDS times: runs of another tenant keep their SLOs (40 minutes)
	@$(BIN)/python -m tests.bench.prove_tenants --rounds $(ROUNDS) --seed $(SEED) --part $(PART)

prove-situations: PART = 1/1
prove-situations: ONLY = *
prove-situations: $(INSTALLED)  ## Cluster events at every point of a run, or ONLY those that match (an hour)
	@$(BIN)/python -m tests.bench.prove_situations --seed $(SEED) --part $(PART) --only '$(ONLY)'

prove-limits: N = 1000
prove-limits: $(INSTALLED)  ## Two leaders at once and N runs: no limit is exceeded at any revision (5 minutes)
	@$(BIN)/python -m tests.bench.prove_limits --number $(N)

prove-sources: ISSUES = 1000
prove-sources: SEED = 0
prove-sources: $(INSTALLED)  ## Lose, reorder and forge deliveries of ISSUES issues; 500/s; kill the receiver (5 minutes)
	@$(BIN)/python -m tests.bench.prove_sources --issues $(ISSUES) --seed $(SEED)

prove-faults: ROUNDS = 10
prove-faults: SEED = 0
prove-faults: $(INSTALLED)  ## Crash a controller at every write, then inject faults of SEED (10 minutes)
	@$(BIN)/python -m tests.bench.prove_faults --rounds $(ROUNDS) --seed $(SEED)

prove-failover: ROUNDS = 5
prove-failover: $(INSTALLED)  ## Stop, kill and suspend the leader, ROUNDS times each (5 minutes)
	@$(BIN)/python -m tests.bench.prove_failover --rounds $(ROUNDS)

prove-memory: ROUNDS = 3
prove-memory: stores  ## Stop, pause, re-key and switch real stores, ROUNDS times: right within two probe intervals (5 minutes)
	@$(BIN)/python -m tests.bench.prove_memory --rounds $(ROUNDS)

# Stores of Memories for the tests: where they are missing, Debian's are installed.
STORES := postgresql redis-server
.PHONY: stores
stores: $(INSTALLED)
	@command -v redis-server >/dev/null && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
	  command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { echo 'expected PostgreSQL and redis-server,' \
	  'got none and no right to install them; install them (Debian: apt-get install $(STORES))'; exit 1; }; \
	  apt-get update -qq && apt-get install --yes -qq --no-install-recommends $(STORES); }

prove-image: $(INSTALLED)  ## Fill the images without Docker, start them read-only, measure them (5 minutes)
	@$(BIN)/python -m tests.bench.prove_image

prove-install: $(INSTALLED)  ## Install, upgrade, roll back and uninstall the chart with helm (2 minutes)
	$(BIN)/python -m controllers.devcluster build --jobs
	$(BIN)/python -m controllers.devcluster build helm
	KUBEWRIGHT_DEEP=1 $(BIN)/python -m pytest -m e2e -rP tests/e2e/test_install.py

prove-rights: PART = 1/1
prove-rights: $(INSTALLED)  ## End-to-end tests under the declared rights: 0 denied, 0 unused (under an hour)
	$(BIN)/python -m controllers.devcluster build --jobs
	$(BIN)/python -m controllers.devcluster build helm
	@$(BIN)/python -m tests.bench.prove_rights --part $(PART)

# A browser is too large for every test run: where it is missing, Debian's is installed.
BROWSER := chromium chromium-driver
prove-docs: $(INSTALLED)  ## Read the pages of docs and guide in a headless Chromium, installed if missing
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { echo 'expected chromium and' \
	  'chromedriver on PATH, got none and no right to install them;' \
	  'install them (Debian: apt-get install $(BROWSER))'; exit 1; }; \
	  apt-get update -qq && apt-get install --yes -qq --no-install-recommends $(BROWSER) fonts-dejavu-core; }
	$(BIN)/python -m pytest -m browser -rP tests/schemagen/pages

bench-schemagen: $(INSTALLED)  ## schemagen generate against controller-gen
	$(BIN)/python -m tests.bench.bench_schemagen

bench-cel: $(INSTALLED)  ## A CEL rule on a model against cel-python
	$(BIN)/python -m tests.bench.bench_cel

bench-judge: $(INSTALLED)  ## Startup, validation, memory and size of the in-process judge
	$(BIN)/python -m tests.bench.bench_judge

bench-preflight: N = 20000
bench-preflight: $(INSTALLED)  ## schemagen preflight of N live objects on a real API server (5 minutes)
	@$(BIN)/python -m tests.bench.bench_preflight --number $(N)

bench-migrate: N = 1000
bench-migrate: $(INSTALLED)  ## Rewriting N objects against StorageVersionMigration (10 minutes)
	@$(BIN)/python -m tests.bench.bench_migrate --number $(N)

bench-conversion: $(INSTALLED)  ## A conversion of a 3 KB AgentRun
	$(BIN)/python -m tests.bench.bench_conversion

bench-webhooks: $(INSTALLED)  ## The webhook server against one of controller-runtime (10 minutes)
	@$(BIN)/python -m tests.bench.bench_webhooks

bench-admission: N = 5000
bench-admission: $(INSTALLED)  ## Overhead of admission and conversion on N creations and lists (5 minutes)
	@$(BIN)/python -m tests.bench.bench_admission --number $(N)

bench-watch: $(INSTALLED)  ## Decoding a watch against kubernetes.aio and kopf; memory of 50,000 runs (2 minutes)
	@$(BIN)/python -m tests.bench.bench_watch

bench-controllers: $(INSTALLED)  ## The controller against controller-runtime and kopf (12 minutes)
	@$(BIN)/python -m tests.bench.bench_controllers

# What the images contain, in the versions that are tested.
LOCKED = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --constraint .requirements/dev.txt

# Locks every platform and Python; needs uv, which is itself a locked package of the group `lock`.
lock: $(INSTALLED)  ## Lock the newest versions of all packages, with hashes
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --upgrade --group dev pyproject.toml --output-file .requirements/dev.txt
	$(LOCKED) --extra memory pyproject.toml --output-file .requirements/image.txt
	for extra in memory temporal traces; do \
	  $(LOCKED) --extra $$extra pyproject.toml --output-file .requirements/$$extra.txt || exit 1; done
	echo 'pip-audit>=2.10' | $(LOCKED) - --output-file .requirements/audit.txt
	echo 'msgspec>=0.20' | $(LOCKED) - --output-file .requirements/runner.txt
	echo 'hatchling>=1.27' | $(LOCKED) - --output-file .requirements/build.txt

clean:  ## Remove build output (not the cache of control planes)
	rm -rf $(VENV) .dev .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(INSTALLED): pyproject.toml .requirements/dev.txt
	@test -n "$(PYTHON)" || { echo 'expected Python 3.11 or newer with its venv module, got none;' \
	  'install it (Debian: apt install python3-venv), or name it: make PYTHON=/path/to/python'; exit 1; }
	@echo "installing into $(VENV) with $(PYTHON) (under a minute; once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
