# Two commands: `make demo` hears the sample recording, `make test` passes the tests. Both do all set-up.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

# Many tests wait for brokers and clocks; others run meanwhile.
TEST_PROCESSES ?= 2

# Where no NVIDIA driver is, PyPI's torch would bring 3.9 GB of CUDA that nothing could use.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: demo test lint clean

demo: $(STAMP)
	rm -f events.jsonl
	$(BIN)/pengi-stream run pipelines/demo.yaml

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null || command -v nvidia-smi >/dev/null \
		|| $(BIN)/pip install --quiet --no-deps --retries 1 --index-url $(TORCH_CPU_INDEX) -c constraints.txt torch \
		|| echo "no CPU build of torch at $(TORCH_CPU_INDEX): PyPI's follows, which brings 3.9 GB"
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) events.jsonl
