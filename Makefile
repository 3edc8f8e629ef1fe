# Each goal sets up what it needs, once: virtual environment, dependencies, connector.
# Needs only Python 3.10-3.12, make and a JDK 11-21; test needs Maven, too.

BIN := .venv/bin
SPARK := .venv/spark
UV := uv==0.13.9
PYTHON ?= $(shell for p in python3.12 python3.11 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && break; done)
JAR := connectors/flinkms-connector.jar
PGJDBC := org.postgresql:postgresql:42.7.14
PGJDBC_JAR := .venv/java/postgresql-$(lastword $(subst :, ,$(PGJDBC))).jar
JAVA_SOURCES := $(shell find connectors -name '*.java' -o -path '*/resources/*' -type f)

.PHONY: help demo up down test fast lint bench build jdbc lock clean

help:
	@echo "make demo               train, serve and learn on MovieLens ratings, then stop (under five minutes)"
	@echo "make up                 the same, and stay up"
	@echo "make down               end what runs"
	@echo "make test               every test (under fifteen minutes); make fast: those without JVM and sockets"
	@echo "make bench BENCH=name   predict, recommend, freshness, learn, score or train; predict-against DIR=tree: beside"
	@echo "                        the code of another commit, checked out there"
	@echo "make build              virtual environment and connector only"
	@echo "make clean              end what runs, remove what was built and stored"

demo: build
	$(BIN)/flinkms demo

up: build
	$(BIN)/flinkms demo --keep-up

down: build
	$(BIN)/flinkms down

test: build lint jdbc fast
	$(BIN)/python -m pytest -m "integration or bench"

fast: build
	$(BIN)/python -m pytest -q -n 2 --ignore=tests/integration -m "not integration and not bench"

lint: build
	$(BIN)/ruff check .

bench: build $(if $(filter train,$(BENCH)),$(SPARK)/ready)
	@test -n "$(BENCH)" || { echo "usage: make bench BENCH=predict|recommend|freshness|learn|score|train, or BENCH=predict-against DIR=tree"; exit 2; }
	$(BIN)/python -m tests.bench $(BENCH) $(if $(DIR),--against "$(DIR)")

build: .venv/ready $(JAR)

$(JAR): .venv/ready connectors/build.py $(JAVA_SOURCES)
	$(BIN)/python connectors/build.py
	@touch $@

# uv is used inside the environment only; pip alone would do the same, several times slower.
.venv/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11 or 3.12 is needed: apt-get install python3-venv, or make PYTHON=path" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m flinkms_sql.runtime.jdk > /dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

# Spark is only a peer to be measured beside us, and needs another py4j than Flink does.
$(SPARK)/ready: .venv/ready tests/bench/spark.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SPARK)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(SPARK)/bin/python -r tests/bench/spark.txt
	@touch $@

# pgjdbc is only a client to be tested with; Maven, which every machine with a JDK has or gets as easily, fetches it.
jdbc: $(PGJDBC_JAR)

$(PGJDBC_JAR): .venv/ready
	@command -v mvn > /dev/null || { echo "Maven is needed for the tests with pgjdbc: apt-get install maven" >&2; exit 1; }
	mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact=$(PGJDBC) -DoutputDirectory=$(dir $@)
	@touch $@

lock:
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url --extra test \
		pyproject.toml -o requirements.lock

clean:
	@test ! -x $(BIN)/flinkms || $(BIN)/flinkms down
	rm -rf .venv .flinkms build *.egg-info $(JAR) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
