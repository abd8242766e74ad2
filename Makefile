# What can be done with the project. `make help` lists it. The first target that needs them makes a virtual environment in
# .venv, with CMake, ninja and the tools from PyPI, and builds the native core into build/ and src/flambeau/. Another Python beside it:
# make test PYTHON=python3.13 VENV=.venv-3.13 BUILD=build-3.13

PYTHON ?= python3
VENV   ?= .venv
BUILD  ?= build
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
SHARED ?= ../shared
ISAS   ?=
PY     := $(VENV)/bin/python
TOOLS  := $(VENV)/.ready
CMAKE  := $(VENV)/bin/cmake
CMAKE_ARGS = -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(VENV)/bin/ninja) -DPython_EXECUTABLE=$(abspath $(PY)) \
             -DCMAKE_BUILD_TYPE=Release
NATIVE = $(shell git ls-files 'native/*.cpp' 'native/*.h' 2>/dev/null || find native -name '*.cpp' -o -name '*.h')

.DEFAULT_GOAL := build
.PHONY: help build demo test check format bench conformance acceptance ratchet sanitize wheel clean

help:            ## this list
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "Variables: PYTHON=$(PYTHON) VENV=$(VENV) BUILD=$(BUILD) JOBS=$(JOBS) SHARED=$(SHARED)"

$(TOOLS): requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade -r requirements-dev.txt
	$(PY) -c "import sysconfig, pathlib; \
	  pathlib.Path(sysconfig.get_path('purelib'), 'flambeau.pth').write_text('$(abspath src)\n')"
	@touch $@

$(BUILD)/CMakeCache.txt: $(TOOLS)
	$(CMAKE) -S . -B $(BUILD) $(CMAKE_ARGS) $(if $(ISAS),"-DFLAMBEAU_ISAS=$(ISAS)") >build.log 2>&1 || { cat build.log; rm -f $@; exit 1; }
	@touch $@

build: $(BUILD)/CMakeCache.txt ## compile the native core (only what has changed)
	@$(CMAKE) --build $(BUILD) -j $(JOBS)
	@$(CMAKE) --install $(BUILD) --prefix src >build.log || { cat build.log; exit 1; }

demo: build ## learn handwritten digits: MNIST's in $FLAMBEAU_DATA, or scikit-learn's (PICTURES='a.png b.png')
	@mkdir -p $(BUILD)/demo
	$(PY) -m flambeau.examples.mnist --epochs $(if $(FLAMBEAU_DATA),1,8) --log-interval 200 --save $(BUILD)/demo/digits.pt \
	  --plots $(BUILD)/demo $(if $(PICTURES),--predict $(PICTURES))

test: build ## build, then all tests but the long ones
	$(PY) -m pytest -q -n 2 $(TESTS)

check: build ## style, types, formatting, examples in the docs
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/clang-format --dry-run --Werror $(NATIVE)
	$(PY) tests/isa_symbols.py $(BUILD)
	$(PY) -m pytest -q tests/core/test_docs.py

format: $(TOOLS) ## bring the native sources into the style that `check` wants
	$(VENV)/bin/clang-format -i $(NATIVE)

# The conformance corpus, the acceptance checks and the benchmarks are not part of the project.
need_shared = @[ -d "$(SHARED)/$(1)" ] || { echo "make $@: there is no $(SHARED)/$(1); name its parent folder with SHARED=..." >&2; exit 2; }

conformance: build ## the conformance corpus, if it lies beside the project (ONLY='nn.functional.*', GROUP=ops)
	$(call need_shared,conformance)
	$(PY) $(SHARED)/conformance/run.py --module flambeau $(if $(GROUP),--group $(GROUP)) $(if $(ONLY),--only '$(ONLY)')

acceptance: build ## the acceptance checks, if they lie beside the project (ONLY='a05*')
	$(call need_shared,acceptance)
	$(PY) $(SHARED)/acceptance/run.py --module flambeau $(if $(ONLY),--only '$(ONLY)')

ratchet: build ## both, against the counts that were reached before (tests/ratchet.json)
	$(call need_shared,conformance)
	$(PY) tests/ratchet.py --shared $(SHARED)

bench: build ## speed of the operators, if the benchmarks lie beside the project (ONLY='gemm/*')
	$(call need_shared,bench)
	$(PY) $(SHARED)/bench/bench.py --module flambeau $(if $(ONLY),--only '$(ONLY)') --json $(BUILD)/bench.json

build-sanitize/CMakeCache.txt: $(TOOLS)
	$(CMAKE) -S . -B build-sanitize $(CMAKE_ARGS) -DFLAMBEAU_SANITIZE=ON -DFLAMBEAU_ISAS=v3 >build.log 2>&1 || { cat build.log; exit 1; }
	@touch $@

SANITIZER = LD_PRELOAD="$$($${CXX:-g++} -print-file-name=libasan.so) $$($${CXX:-g++} -print-file-name=libubsan.so)" \
            ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc
sanitize: build-sanitize/CMakeCache.txt ## the core's tests under the address and undefined-behaviour sanitizers
	@$(CMAKE) --build build-sanitize -j $(JOBS)
	@rm -rf build-sanitize/package && mkdir build-sanitize/package && cp -r src/flambeau build-sanitize/package/
	@rm -f build-sanitize/package/flambeau/_C*.so
	@$(CMAKE) --install build-sanitize --prefix build-sanitize/package >build.log
	$(SANITIZER) PYTHONPATH=$(abspath build-sanitize/package) $(PY) -m pytest -q -n 2 --timeout 600 $(or $(TESTS),tests/core tests/ops)

wheel: $(TOOLS) ## a wheel in dist/
	$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	@ls -l dist

clean: ## remove what was built; the virtual environment stays
	rm -rf $(BUILD) build-sanitize build-wheel build.log dist src/flambeau/_C*.so
