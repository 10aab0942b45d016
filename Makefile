# Two commands do everything, on a fresh Debian 12 or Ubuntu machine as root:
#   make demo   the main job: a cloud in the lab, a hypervisor dies, its guests recover
#   make test   lint, unit tests, bundle verification and the lab end to end

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := lab

.PHONY: help venv demo test lint unit lab bundles format lock clean

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

venv: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ apt-get update -q && apt-get install -q -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements.txt
	@touch $@

demo: venv ## lose a hypervisor and get the guests back, for real
	$(BIN)/python -m jujulab.demo

test: venv ## everything that must pass
	$(BIN)/tox run -e lint,unit,lab

lint: venv ## ruff, codespell, mypy
	$(BIN)/tox run -e lint

unit: venv ## unit tests with coverage
	$(BIN)/tox run -e unit

lab: venv ## the lab end to end
	$(BIN)/tox run -e lab

bundles: venv ## verify the bundle with each overlay by Juju's rules
	$(BIN)/python -m jujulab.bundle verify bundles/base.yaml
	$(BIN)/python -m jujulab.bundle verify bundles/base.yaml --overlay overlays/masakari.yaml

format: venv ## format the code
	$(BIN)/tox run -e format

lock: venv ## compile requirements.in to the one lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
		--no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.txt requirements.in

clean: venv ## remove the lab: machines, networks, mounts, state (keeps the cached image)
	$(BIN)/python -m jujulab.labcli clean
