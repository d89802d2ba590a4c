# setup: an environment in .venv   demo: the built-in example
# check, test: before every commit   test-full: all other tests   fuzz: recipes at random   soak: kills at random
# bench: the stored ratios
# test-lowest, test-newest: all tests, with the oldest and the newest versions that pyproject.toml allows
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := outputs/demo

.PHONY: setup demo test test-full test-lowest test-newest fuzz soak check bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

# A finished demo makes room for a new one; one that was interrupted goes on where it stopped.
demo: setup
	if [ -e $(DEMO)/report.json ]; then rm -r $(DEMO); fi
	$(BIN)/prunekit run --strategy nash --adapter t5 --output $(DEMO)

# Two tiers that share no test; a test may take five minutes. Worksteal: long tests do not wait for one worker.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --timeout 300 --durations 25
test: setup
	$(PYTEST) -m 'not full'

test-full: setup
	$(PYTEST) -m full

# FUZZ recipes drawn at random from SEED, which make prints; make test draws the same 20 every time.
FUZZ ?= 300
SEED ?= $(shell date +%s)
fuzz: setup
	FUZZ=$(FUZZ) $(PYTEST) --timeout 3600 --hypothesis-seed=$(SEED) tests/integration/fuzz

# KILLS of runs at moments drawn from SEED; make test-full draws the same twelve every time.
KILLS ?= 50
soak: setup
	KILLS=$(KILLS) SEED=$(SEED) $(PYTEST) --timeout 3600 -m full tests/integration/soak

# By hand, in environments of their own: on Linux the torch of the registry brings gigabytes of CUDA. uv reads the ranges.
RESOLUTION-lowest := lowest-direct
RESOLUTION-newest := highest
TESTS ?= tests
test-lowest test-newest: test-%:
	test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --upgrade uv
	.venv-$*/bin/uv pip install --system-certs --python .venv-$*/bin/python --upgrade \
	  --resolution $(RESOLUTION-$*) --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-$*/bin/python -m pytest -n 2 --dist worksteal --timeout 600 $(TESTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# three passes, since a slow stretch lasts; CPU seconds of one thread (on a GPU: make bench BENCH_TIMER=time.perf_counter)
BENCH_TIMER ?= time.process_time
bench: setup
	mkdir -p outputs
	for pass in 1 2 3; do \
	  OMP_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks -q --benchmark-timer=$(BENCH_TIMER) \
	    --benchmark-columns=min,median,rounds --benchmark-json=outputs/bench-$$pass.json || exit 1; \
	done
	$(BIN)/python benchmarks/ratios.py outputs/bench-[123].json --baseline benchmarks/baseline.json
