# Override on the command line: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help run check lint test docs clean

help:
	@echo "make run     set up $(VENV), start the daemon, and say how to call it"
	@echo "make check   set up $(VENV), then run the linters, the type checks and the fast tests"
	@echo "make test    set up $(VENV), then run all linters, type checks and tests"
	@echo "make docs    set up $(VENV), then build the documentation in site/"
	@echo "make clean   remove $(VENV) and all caches"

run: $(VENV)/installed
	@echo "Call the daemon from another terminal:"
	@echo "  $(abspath $(BIN))/pack-db status"
	@echo "  $(abspath $(BIN))/python -c 'from pack_db_client import PackDb; print(PackDb().status())'"
	@echo "Its socket: $$($(BIN)/python -c 'from pack_db.config import Config; print(Config().socket_path)')"
	@exec $(BIN)/pack-db serve

check: lint
	$(BIN)/pytest -n 4 -m "not slow"

test: lint
	$(BIN)/pytest -n 4  # on two cores: a test mostly waits

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed-for-tests
	$(BIN)/zensical build --strict --clean

clean:
	rm -rf $(VENV) build dist site .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml
	@$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-for-tests: pyproject.toml
	@$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

define MAKE_VENV
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "pack-db needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.13" >&2; \
	exit 1; \
}; \
$(PYTHON) -m venv $(VENV)
endef
