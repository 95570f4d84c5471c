# Every target sets up what it needs. `make help` lists them.
PYTHON := .venv/bin/python
ifeq ($(DISPLAY)$(WAYLAND_DISPLAY),)
export QT_QPA_PLATFORM ?= offscreen
endif

.DEFAULT_GOAL := help
.PHONY: help setup run tour test lint texts bench bench-full faults build lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtual environment with locked parts, system libraries for Qt
	@scripts/setup

run: setup ## demo county on loopback, one enrolled laptop, the program; without a display the tour
	$(PYTHON) -m scripts.demo

tour: setup ## the main job through the real windows, results in build/tour/
	$(PYTHON) -m scripts.tour

test: setup lint ## everything that must hold
	$(PYTHON) -m pytest -q -n 2 --dist loadfile

lint: setup ## ruff, mypy --strict, import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

texts: setup ## make room in resources/lang/en.json for new texts, list what misses its English wording
	$(PYTHON) -m scripts.texts --write

bench: setup ## benchmarks, one JSON line each: the figure and the limit of this machine
	$(PYTHON) -m benchmarks

bench-full: setup ## the long benchmarks too
	$(PYTHON) -m benchmarks --full

faults: setup ## fault harnesses at release size, resumed where they were stopped; docs/reliability.md
	$(PYTHON) -m tests.faults
	HUDANG_FAULTS=release $(PYTHON) -m pytest -q tests/faults/test_upload_kills.py tests/county/test_server.py

build: ## one-folder bundle in dist/, which then checks itself
	@scripts/setup build
	.venv/bin/pyinstaller --noconfirm --clean --log-level WARN --distpath dist --workpath build/pyinstaller build.spec
	dist/hudang/hudang-verify --help >/dev/null
	QT_QPA_PLATFORM=offscreen dist/hudang/hudang --self-check

lock: ## new locks from the ranges in pyproject.toml
	scripts/lock

clean: ## remove what was made, keep the virtual environment
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find app county scripts benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
