# audio2shape: `make demo` on a fresh machine, `make test` for everything, `make ros-demo` for the node.
# A part of the tests: make test PYTEST="tests/test_cli.py -k seed".
# The ROS targets use the sourced ROS 2 distribution, or a real ROS 2 from Python wheels where there is none.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
ASSETS := audio2shape_core/assets

.PHONY: help setup demo test test-fast coverage lint types format docs docs-serve pre-commit \
  ros-setup ros-build ros-demo ros-benchmark ros-soak benchmark rasterizer-benchmark clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/:/' | column -t -s ':'

# A stamp file a step: run again, nothing is installed.
.venv/.core: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "audio2shape needs Python >= 3.10 with venv (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "installing the core into .venv (a few minutes the first time)"
	$(PIP) -e .
	@touch $@

.venv/.test: .venv/.core
	@echo "installing what the tests need"
	$(PIP) -e '.[teachers,cuda,view,test]'
	@touch $@

.venv/.lint: .venv/.test .venv/.ros
	$(PIP) -e '.[lint]'
	@touch $@

.venv/.docs: .venv/.core
	$(PIP) -e '.[docs]'
	@touch $@

.venv/.ros: .venv/.core requirements-ros-wheels.txt
	@if [ -z "$$ROS_DISTRO" ]; then echo "installing ROS 2 wheels"; $(PIP) -r requirements-ros-wheels.txt; fi
	@touch $@

setup: .venv/.core ## create .venv with the command line tool in it

demo: setup ## a real recording becomes a shape: out/shape.ply, out/shape.png, out/shape.json
	$(BIN)/audio2shape generate $(ASSETS)/guitar.ogg --image $(ASSETS)/guitar.png --fx 343.1 --fy 343.1 --view 70 48 --seed 5 \
	  --output out/shape.ply --preview out/shape.png --json out/shape.json

ros-setup: setup .venv/.ros

ros-build: ros-setup ## build the ROS 2 package into build/ros
	$(BIN)/python scripts/ros_workspace.py

ros-demo: ros-build ## node, microphone and camera, listener in separate processes: out/ros-demo.png, out/ros-demo.json
	$(BIN)/python scripts/ros_workspace.py -- python scripts/ros_demo.py

ros-benchmark: ros-build ## delays of the node over ROS: out/ros-latency.json
	$(BIN)/python scripts/ros_workspace.py -- python benchmarks/ros_latency.py --json out/ros-latency.json

ros-soak: ros-build ## ten minutes of sound: memory and lost messages, out/ros-soak.json
	$(BIN)/python scripts/ros_workspace.py -- python benchmarks/ros_soak.py --json out/ros-soak.json

test: .venv/.test ros-build ## every test, ROS graph included
	$(BIN)/python scripts/ros_workspace.py -- python -m pytest $(PYTEST)

test-fast: .venv/.test ## the tests that need neither ROS nor much time
	$(BIN)/python -m pytest -m "not slow and not ros" $(PYTEST)

coverage: .venv/.test ros-build ## every test, and the share of lines and branches they run: out/coverage/index.html
	$(BIN)/python scripts/ros_workspace.py -- python -m pytest --cov --cov-report=term --cov-report=html:out/coverage $(PYTEST)

benchmark: setup ## speed and memory on this machine: out/benchmark.json
	$(BIN)/audio2shape benchmark --json out/benchmark.json

rasterizer-benchmark: setup ## speed of splatting and refinement against a plain twin: out/rasterizer.json
	$(BIN)/python benchmarks/rasterizer.py --json out/rasterizer.json

lint: .venv/.lint ## style and formatting (ruff), types (mypy)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(MAKE) --no-print-directory types

types: .venv/.lint ## types alone
	$(BIN)/mypy

format: .venv/.lint ## let ruff format everything, and mend what it can
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: .venv/.docs ## the documentation as a site: out/site/index.html; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir out/site

docs-serve: .venv/.docs ## the same in the browser, built again when a page changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

pre-commit: .venv/.lint ## run the linters before each commit
	$(PIP) pre-commit && $(BIN)/pre-commit install

clean: ## remove everything that was made
	rm -rf .venv build out *.egg-info
