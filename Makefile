# `make demo` runs the main job, `make test` passes the tests; both make the environment first if needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
METAWORLD_VENV ?= .venv-metaworld
METAWORLD_READY := $(METAWORLD_VENV)/.ready

.PHONY: help demo test test-slow test-metaworld check types format clean

help:
	@echo "make demo       train the demo's runs and print what they transferred and forgot"
	@echo "make test       run the tests (make test-slow: the long ones; make test-metaworld: those of Meta-World)"
	@echo "make check      lint, format check, types"
	@echo "make format     format the code"

$(READY): pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("lifelong_rl needs Python 3.11 or newer") if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: $(READY)
	$(BIN)/python examples/demo.py

# A file of tests stays in one of the two processes: its tests share what they set up once.
test: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# Meta-World pins a MuJoCo that the other families outgrew, so its tests have an environment of their own.
$(METAWORLD_READY): pyproject.toml setup.py constraints-metaworld.txt
	test -x $(METAWORLD_VENV)/bin/python || $(PYTHON) -m venv $(METAWORLD_VENV)
	$(METAWORLD_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-metaworld.txt -e ".[metaworld]" pytest pytest-timeout
	touch $(METAWORLD_READY)

test-metaworld: $(METAWORLD_READY)
	$(METAWORLD_VENV)/bin/python -m pytest tests/meta_world

check: $(READY) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Static checkers do not follow setuptools' import hook: they get a tree of links laid out as the package installs.
types: $(READY)
	rm -rf .typing && mkdir -p .typing/lifelong_rl
	ln -s $(CURDIR)/lifelong_rl/* $(CURDIR)/envs $(CURDIR)/teachers $(CURDIR)/agents .typing/lifelong_rl/
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(METAWORLD_VENV) .typing .mypy_cache .pytest_cache .ruff_cache build *.egg-info
