# Commands of l1ad. `make` alone lists them.
#
# Set-up happens by itself before a command that needs it; see .ci/setup.
# Paths are relative, so the checkout may stand anywhere, with or without git.
#   VENV=DIR      the virtual environment (default .venv)
#   EXTRA=NAME    qkeras (default) or hgq: the two cannot share an environment
#   CONFIG=FILE   what `make demo` runs
#   MODELS=NAMES  which reference models `make models` makes again (default: all that need neither HGQ2 nor regions)

.POSIX:
.DEFAULT_GOAL := help
.PHONY: help setup demo models regions table test test-heavy lint bench doctor clean

VENV ?= .venv
EXTRA ?= qkeras
CONFIG ?= models/dense_vae/config.yaml
MODELS ?= dense_ae dense_vae dense_vae_small cnn_ae cnn_vae axol1tl_v3_like axol1tl_v5_like
export VENV EXTRA

help:
	@echo 'make demo        set up, then run events -> train -> evaluate -> convert -> emulate -> synthesize -> report'
	@echo 'make models      train, evaluate and convert the reference models in models/ again, and write their cards'
	@echo 'make regions     generate the events with calorimeter regions that models/cicada_like reads, beside the checkout'
	@echo 'make table       train all families float, quantized and rounded, and write docs/families.md'
	@echo 'make test        set up, then run ruff, mypy, the import contracts and the tests'
	@echo 'make test-heavy  the tests that take minutes of CPU'
	@echo 'make lint        ruff, mypy and the import contracts alone'
	@echo 'make bench       the measurements in benchmarks/'
	@echo 'make doctor      which tools and libraries are present, and how to get what is missing'
	@echo 'make setup       the virtual environment alone'
	@echo 'make clean       remove caches and build outputs; runs/ and the virtual environment stay'
	@echo
	@echo 'Variables: VENV=$(VENV) EXTRA=$(EXTRA) CONFIG=$(CONFIG) MODELS="$(MODELS)"'

setup:
	@sh .ci/setup

demo: setup
	@"$$VENV/bin/l1ad" run "$(CONFIG)"

models: setup
	@for name in $(MODELS); do \
		"$$VENV/bin/l1ad" train "models/$$name/config.yaml" && \
		"$$VENV/bin/l1ad" evaluate "runs/$$name" && \
		"$$VENV/bin/l1ad" convert "runs/$$name" && \
		"$$VENV/bin/l1ad" export model "runs/$$name" --out "models/$$name" || exit $$?; \
	done

regions: setup
	@"$$VENV/bin/l1ad" data generate --out ../region_events --events 45000 --signal-events 5000 --regions --seed 4 \
		--workers 2

table: setup
	@"$$VENV/bin/python" benchmarks/make_family_table.py

test: setup
	@"$$VENV/bin/python" -m pytest -n 2 --dist loadfile -m 'not heavy'

test-heavy: setup
	@"$$VENV/bin/python" -m pytest -m heavy

lint: setup
	"$$VENV/bin/ruff" check .
	"$$VENV/bin/mypy"
	"$$VENV/bin/lint-imports"

bench: setup
	@for script in benchmarks/bench_*.py; do \
		[ -e "$$script" ] || { echo 'benchmarks/ holds no bench_*.py' >&2; exit 2; }; \
		echo "$$script"; "$$VENV/bin/python" "$$script" || exit $$?; \
	done

doctor: setup
	@"$$VENV/bin/l1ad" doctor

clean:
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find l1ad tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
