# Two commands do everything, on a fresh Debian 12 or Ubuntu machine as root:
#   make demo   the main job: a cloud in the lab, a hypervisor dies, its guests recover
#   make test   lint, unit tests, bundle verification and the lab end to end

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := lab
# charmlint needs Python 3.12, which tox looks for on the PATH alone.
export PATH := $(PATH)$(addprefix :,$(firstword $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin)))
RELEASES := 13 15 16 17 18 19 20 21 22
MASAKARI ?= 17
SEEDS ?= 2000
SEED ?= 1
DIRECTED ?= 5
LABS ?= 1
APIS ?= 300 1000 3000

.PHONY: help venv demo test lint unit bootstrap fresh packing pack libjuju bench-hooks scale lab faults matrix ceph bench operations methods models masakari simulate bundles format lock clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

venv:
	@command -v $(PYTHON) >/dev/null || { apt-get update -q && apt-get install -q -y python3; } || \
		{ echo "make: no $(PYTHON) here: apt-get install python3, as root" >&2; exit 1; }
	@$(PYTHON) bootstrap.py

demo: venv ## lose a hypervisor and get the guests back, for real
	$(BIN)/python -m jujulab.trials.demo

# Most parts use one processor: two at a time. The unit tests use two, the lab needs a quiet machine.
test: venv ## everything that must pass
	@failed=; \
	$(BIN)/tox run-parallel --parallel 2 --parallel-no-spinner \
		-e packing,bootstrap,simulate,smoke,masakari17,lint,charmlint,libjuju || failed=1; \
	$(BIN)/tox run -e unit,lab || failed=1; \
	if [ "$$failed" ]; then echo "make test: FAILED, see above" >&2; exit 1; fi

lint: venv ## ruff, codespell, mypy, charmlint (the last where there is a Python 3.12)
	$(BIN)/tox run -e lint,charmlint

unit: venv ## unit tests, with the branches that they reach
	$(BIN)/tox run -e unit -- --coverage

bootstrap: venv ## the installation, with the pips and Pythons that users have
	$(BIN)/tox run -e bootstrap -- --all-pythons

fresh: venv ## the bootstrap of both commands on a bare Debian 12 and 13 (root)
	$(BIN)/python tests/bootstrap/fresh.py

packing: venv ## charmcraft packs the charms, for both bases, and the same twice (root)
	$(BIN)/tox run -e packing -- --pack

pack: venv ## pack the charms with charmcraft (LXD, or Ubuntu)
	$(BIN)/tox run -e pack

libjuju: venv ## python-libjuju's parsers read the bundles with every combination of overlays
	$(BIN)/tox run -e libjuju

bench-hooks: venv ## seconds of a hook that changes nothing, next to ops alone
	$(BIN)/python tests/benchmarks/hooks.py

scale: venv ## processor time of each part with 4 to 3,000 hypervisors; REMOTES="16 64": in a real cluster of so many (root)
	$(BIN)/python $(if $(REMOTES),-m jujulab.scale $(REMOTES),tests/benchmarks/scale.py)
	$(BIN)/python -m jujulab.scale --apis $(APIS)

lab: venv ## the lab end to end
	$(BIN)/tox run -e smoke,lab

faults: venv ## every fault of the list: more than an hour; COUNT=500 SEED=1: so many by chance, in LABS=2 labs
	$(BIN)/tox run $(if $(COUNT),-e campaign -- --count $(COUNT) --seed $(SEED) --labs $(LABS),-e faults)

matrix: venv ## the network matrix under Consul, row by row: about half an hour
	$(BIN)/tox run -e matrix

ceph: venv ## guests whose disks are on Ceph, and storage as a second fence: half an hour
	$(BIN)/tox run -e ceph

operations: venv ## the known commands, passwords, addresses, TLS, options, units, removal: an hour
	$(BIN)/tox run -e operations

methods: venv ## each recovery method and instance failure in the lab: half an hour
	$(BIN)/tox run -e methods

models: venv ## the simulation's Nova and Pacemaker next to the lab's real ones: 40 minutes
	$(BIN)/tox run -e models

masakari: venv ## recoveries by the real Masakari, releases 13 and 15 to 22
	for release in $(RELEASES); do $(BIN)/tox run -e masakari$$release || exit 1; done

simulate: venv ## the recovery protocol in virtual time: SEEDS=how many SEED=the first DIRECTED=of each situation MASAKARI=17
	$(BIN)/tox run $(MASAKARI:%=-e simulate-masakari%) -- $(if $(MUTATIONS),--mutations,\
		$(if $(EXPLORE),--explore $(EXPLORE) --first $(SEED),--directed $(DIRECTED) --seeds $(SEEDS) --first $(SEED)))

bench: venv ## how soon instances come back, next to upstream's settings and the floor: three hours
	$(BIN)/python -m jujulab.bench

bundles: venv ## verify the bundle with every combination of overlays by Juju's rules
	$(BIN)/python tests/bundles/combinations.py

format: venv ## format the code
	$(BIN)/tox run -e format

lock: venv ## compile requirements*.in to the locks
	for name in requirements requirements-libjuju requirements-charmlint $(RELEASES:%=requirements-masakari-%); do \
		case $$name in *-22) python=3.11;; *-charmlint) python=3.12;; *) python=3.10;; esac; \
		$(BIN)/uv pip compile --quiet --universal --python-version $$python --generate-hashes \
			--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
			--output-file $$name.txt $$name.in || exit 1; \
	done

clean: venv ## remove the lab: machines, networks, mounts, state (keeps the cached image)
	$(BIN)/python -m jujulab.labcli clean
