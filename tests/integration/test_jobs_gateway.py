"""The client JVM: whatever other threads ask of it meanwhile, a plan is made by one Java thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.integration

HELD_MS = 1500
"""How long another thread's call lasts: longer than the calls beside it."""

QUERY = "SELECT id, id + 1 AS another FROM numbers WHERE id > 1 AND id < 7"


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Starting the JVM sets variables that no process started later should inherit."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@contextmanager
def another_call(jvm) -> Iterator[None]:
    """Another thread takes a connection, and keeps it while the body runs."""
    begun = threading.Event()

    def call() -> None:
        jvm.java.lang.System.nanoTime()
        begun.set()
        jvm.java.lang.Thread.sleep(HELD_MS)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(10)
    try:
        # The call is on its way once its thread waits for the answer.
        threading.Event().wait(HELD_MS / 1000 / 5)
        yield
    finally:
        thread.join()


@pytest.mark.filterwarnings("default")
def test_a_plan_is_made_by_one_java_thread_whatever_others_call_meanwhile() -> None:
    from pyflink.java_gateway import get_gateway
    from pyflink.table import EnvironmentSettings, TableEnvironment

    from flinkms_sql.jobs.gateway import pin_threads

    pin_threads()
    jvm = get_gateway().jvm
    name = jvm.java.lang.Thread.currentThread().getName()
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    tables.execute_sql("CREATE TEMPORARY TABLE numbers (id BIGINT) WITH ('connector' = 'datagen')")
    read = tables.sql_query(QUERY)
    with another_call(jvm):
        # Without a pool of its own, this thread is given a new connection here, and another Java thread with it.
        assert "Calc" in read.explain()
        assert jvm.java.lang.Thread.currentThread().getName() == name
