# Works from any folder: make -C "/where/overstory is" run
# .ci/setup.sh picks the interpreter, .ci/setup.py fills .venv and compiles build/overstory-exec; both are instant when
# nothing changed, and need no network then.

MINUTES ?= 30
ARGS ?=

.DEFAULT_GOAL := help
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif
.PHONY: help setup setup-test run test check check-types check-rest bench soak screenshots clean

help:
	@echo "make setup              prepare .venv and the exec shim (PYTHON=python3.12 chooses an interpreter)"
	@echo "make run                start Overstory here; Ctrl-C stops all of it (ARGS=--no-examples, see manage.py up --help)"
	@echo "make test               static checks, then the tests"
	@echo "make check              static checks only: ruff, mypy, import-linter, migrations, our own audit"
	@echo "make bench              measure against the bare loop and the peers"
	@echo "make soak MINUTES=30    random kills and long property runs"
	@echo "make screenshots        draw docs/gallery.md and the README's pictures from an instance of their own (Chromium; ten minutes)"
	@echo "make clean              remove .venv, build/ and caches; var/ (your data) stays"

setup:
	@exec sh .ci/setup.sh run

setup-test:
	@exec sh .ci/setup.sh test

# exec, here and below: a signal sent to make alone reaches the program itself, not a shell that would leave it behind.
run: setup
	@exec .venv/bin/python manage.py up $(ARGS)

# mypy takes as long as the others together.
check: setup-test
	@exec $(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-rest

check-types:
	@exec .venv/bin/python -m mypy

check-rest:
	@exec .venv/bin/python -m ruff format --check .
	@exec .venv/bin/python -m ruff check .
	@exec .venv/bin/python -c 'from importlinter.cli import lint_imports_command as main; main()'
	@exec .venv/bin/python manage.py makemigrations --check --dry-run
	@exec .venv/bin/python -m supervision.audit . --exclude build --exclude var --level medium --fail-on medium --require-reasons

# --reruns: hundreds of these tests kill and stop real processes and wait for others; on a machine that is busy with something
# else a deadline may pass. What had to be run again is listed at the end with an R, and is a defect to be looked at.
test: check
	@exec .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not soak" --reruns 2 --reruns-delay 1 $(ARGS)

bench: setup-test
	@exec .venv/bin/python -m bench $(ARGS)

soak: setup-test
	@OVERSTORY_SOAK_MINUTES=$(MINUTES) exec .venv/bin/python -m pytest -m soak --timeout 0 $(ARGS)

screenshots: setup-test
	@exec .venv/bin/python docs/screenshot.py gallery $(ARGS)

clean:
	@exec rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
