"""A batch INSERT … SELECT whose Flink cluster is killed under it: into a stream once, elsewhere not silently twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.deployment import Deployment
from tests.faults import Background, healed, kill, stream_columns, wait_for

pytestmark = pytest.mark.integration

ROWS = 1000
ROWS_PER_S = 50
"""The jobs take twenty seconds: they are killed half way."""


def test_a_batch_insert_is_written_once_or_says_that_it_does_not_know(deployment: Deployment):
    ended: dict[str, BaseException | None] = {}
    with deployment.connect() as connection:
        deployment.command("generate", "model", "once", "--users", "20", "--items", "20", "--factors", "4")
        connection.execute("CREATE TABLE once_rows (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'sequence', "
                           f"'fields.n.start' = '1', 'fields.n.end' = '{ROWS}', 'number-of-rows' = '{ROWS}', 'rows-per-second' = '{ROWS_PER_S}')")
        connection.execute("CREATE TABLE once_stream (n BIGINT, score DOUBLE) WITH ('connector' = 'flinkms')")
        connection.execute("CREATE TABLE once_other (n BIGINT, score DOUBLE) WITH ('connector' = 'blackhole')")

        def insert(target: str) -> None:
            try:
                deployment.execute(f"INSERT INTO {target} SELECT n, predict('once', MOD(n, 20), MOD(n, 20)) FROM once_rows")
                ended[target] = None
            except psycopg.Error as error:
                ended[target] = error

        def running() -> int:
            assert ended == {}, "a job ended before the kill"
            query = "SELECT count(*) FROM flinkms.jobs WHERE statement LIKE 'INSERT INTO once_%' AND state = 'running'"
            return connection.execute(query).fetchone()[0]

        with Background(partial(insert, "once_stream"), partial(insert, "once_other")):
            wait_for(lambda: running() == 2, "both jobs to run")
            healed(deployment, "flink-jobmanager", kill(deployment, "flink-jobmanager"))
        path = connection.execute("SELECT path FROM flinkms.tables WHERE name = 'once_stream'").fetchone()[0]
    assert ended["once_stream"] is None
    numbers, scores = stream_columns(Path(path))
    assert sorted(numbers.tolist()) == list(range(1, ROWS + 1)) and len(set(scores.tolist())) <= 20
    assert ended["once_other"].sqlstate == "08007"
    assert "whether its rows are written is not known" in str(ended["once_other"])
