"""The connector as SQL sees it: what goes in through the sink is what scans, lookups and functions give back.

Runs PyFlink's local environment with the freshly built jar. Each statement is a Flink job of about a second, so that
the tests share their tables and each statement shows several things.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from connectors import build
from flinkms_sql.modellog.stream import stream_ends

# PyFlink and what it imports use deprecated calls, and its JVM outlives the test: neither is ours to mend.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")]

COLUMNS = """id BIGINT, flag BOOLEAN, small SMALLINT, n INT, ratio FLOAT, score DOUBLE, name STRING, data BYTES, born DATE,
    seen TIMESTAMP_LTZ(3), ids ARRAY<INT>, weights ARRAY<FLOAT>"""
ROWS = """SELECT CAST(id AS BIGINT), id > 2, CAST(id AS SMALLINT), CAST(id * 10 AS INT), CAST(id / 2.0 AS FLOAT),
        CAST(id AS DOUBLE) / 3, CASE WHEN id = 3 THEN CAST(NULL AS STRING) ELSE 'näme ' || CAST(id AS STRING) END,
        CASE WHEN id = 4 THEN CAST(NULL AS BYTES) ELSE x'00ff' END, DATE '2026-11-20', TO_TIMESTAMP_LTZ(id * 1000, 3),
        ARRAY[CAST(id AS INT), 7], ARRAY[CAST(0.5 AS FLOAT), CAST(id AS FLOAT)]
    FROM (VALUES (1), (2), (3), (4), (5)) AS t(id)"""

FINISH_SECONDS_MAX = 300
"""A job of five rows takes about two seconds; on a machine under load many times that."""


def environment(mode: str = "batch", **options: str):
    """A local table environment with the connector's jar and functions, in UTC, with parallelism 1."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    os.environ.setdefault("JAVA_HOME", str(build.find_jdk()))
    settings = EnvironmentSettings.in_batch_mode() if mode == "batch" else EnvironmentSettings.in_streaming_mode()
    tables = TableEnvironment.create(settings)
    for key, value in {
        "pipeline.jars": f"file://{build.build()}",
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        **{key.replace("_", "."): value for key, value in options.items()},
    }.items():
        tables.get_config().set(key, value)
    for name in ("Pack", "Unpack", "Libsvm", "Vector"):
        tables.execute_sql(
            f"CREATE TEMPORARY FUNCTION flinkms_{name.lower()} AS 'org.flinkms.connector.functions.{name}Function'"
        )
    return tables


def create(tables, name: str, columns: str, path: Path, **options: str) -> None:
    """Declares a flinkms table; underscores in option names stand for dots."""
    given = {"connector": "flinkms", "path": str(path)} | {k.replace("_", "."): v for k, v in options.items()}
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in given.items())
    tables.execute_sql(f"CREATE TEMPORARY TABLE {name} ({columns}) WITH ({clause})")


def run(tables, statement: str) -> None:
    """Runs an INSERT to its end."""
    tables.execute_sql(statement).wait(FINISH_SECONDS_MAX * 1000)


def fetch(tables, query: str) -> list[tuple]:
    """All rows of a bounded query."""
    with tables.execute_sql(query).collect() as rows:
        return [tuple(row) for row in rows]


@pytest.fixture(scope="module")
def batch():
    return environment()


@pytest.fixture(scope="module")
def stream(batch, tmp_path_factory) -> Path:
    """A stream of five rows with every column type, written by the sink."""
    path = tmp_path_factory.mktemp("warehouse") / "streams/events"
    create(batch, "events", COLUMNS, path)
    run(batch, f"INSERT INTO events {ROWS}")
    return path


def test_a_bounded_scan_gives_back_what_the_sink_wrote(batch, stream):
    create(batch, "reordered", "name STRING, weights ARRAY<FLOAT>, id BIGINT, seen TIMESTAMP_LTZ(3), data BYTES, "
                               "born DATE, flag BOOLEAN, ids ARRAY<INT>, score DOUBLE", stream)
    rows = fetch(batch, "SELECT id, name, data, weights, CAST(seen AS STRING), born, flag, ids, score FROM reordered")
    assert sorted(rows) == [
        (i, None if i == 3 else f"näme {i}", None if i == 4 else bytearray(b"\0\xff"), [0.5, float(i)],
         f"1970-01-01 00:00:0{i}.000", datetime.date(2026, 11, 20), i > 2, [i, 7], i / 3)
        for i in range(1, 6)
    ]


def test_a_bounded_scan_ends_at_the_positions_it_is_given(batch, tmp_path):
    path = tmp_path / "bounded"
    create(batch, "bounded", "id BIGINT", path)
    run(batch, "INSERT INTO bounded VALUES (1), (2), (3)")
    ends = stream_ends(path)
    assert list(ends) == ["sink-0"]
    create(batch, "bounded_later", "id BIGINT", path, **{"sink.writer": "later"})
    for table in ("bounded", "bounded_later"):
        run(batch, f"INSERT INTO {table} VALUES (4)")
    both = stream_ends(path)
    assert list(both) == ["later-0", "sink-0"] and both["sink-0"] > ends["sink-0"]
    for positions, expected in ((ends, [1, 2, 3]), (both, [1, 2, 3, 4, 4]), ({}, [])):
        batch.execute_sql("DROP TEMPORARY TABLE IF EXISTS bounded_part")
        create(batch, "bounded_part", "id BIGINT", path, **{
            "scan.bounded": "true", "scan.bounded.positions": json.dumps({name: list(at) for name, at in positions.items()})})
        assert sorted(row[0] for row in fetch(batch, "SELECT id FROM bounded_part")) == expected


def test_packed_rows_unpack_to_themselves(batch, stream):
    names = "id, flag, small, n, ratio, score, name, data, born, seen, ids, weights"
    shown = names.replace("seen", "CAST(seen AS STRING)")
    packed = ", ".join(f"e.{name}" for name in names.split(", "))
    unpacked = fetch(batch, f"""
        SELECT {shown} FROM (SELECT block FROM events AS e, LATERAL TABLE(flinkms_pack({packed})) AS p(block)) AS b,
            LATERAL TABLE(flinkms_unpack(b.block, 'ROW<{COLUMNS}>'))""")
    assert len(unpacked) == 5
    assert unpacked == fetch(batch, f"SELECT {shown} FROM events")


def test_a_block_ends_after_65536_rows_and_the_last_one_at_the_end_of_the_input(batch):
    batch.execute_sql("CREATE TEMPORARY TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', "
                      "'number-of-rows' = '200000', 'rows-per-second' = '10000000', "
                      "'fields.id.kind' = 'sequence', 'fields.id.start' = '1', "
                      "'fields.id.end' = '200000')")
    batch.execute_sql("CREATE TEMPORARY VIEW blocks AS "
                      "SELECT block FROM numbers, LATERAL TABLE(flinkms_pack(id)) AS p(block)")
    assert fetch(batch, "SELECT COUNT(*) FROM blocks") == [(4,)]
    assert fetch(batch, "SELECT COUNT(*), SUM(n) FROM blocks, LATERAL TABLE(flinkms_unpack(block, 'n BIGINT'))") == [
        (200_000, 200_000 * 200_001 // 2)]


def test_libsvm_lines_become_rows_and_malformed_ones_rows_of_null(batch, tmp_path):
    (tmp_path / "data.libsvm").write_text("+1 1:0.5 3:-2 # good\n\n# only a comment\n-1 qid:7 2:1e-3\n"
                                          "1 3:1 2:1\nx 1:1\n0\n1 1\n")
    batch.execute_sql("CREATE TEMPORARY TABLE lines (line STRING) WITH ('connector' = 'filesystem', 'format' = 'raw', "
                      f"'path' = '{tmp_path}')")
    rows = fetch(batch, "SELECT v.*, flinkms_vector(x'0000803f000000c0') FROM lines, "
                        "LATERAL TABLE(flinkms_libsvm(line)) AS v(label, indices, features)")
    assert [row[:3] for row in rows] == [
        (1.0, [1, 3], [0.5, -2.0]), (-1.0, [2], [0.001]), (1.0, [3, 2], [1.0, 1.0]), (None, None, None), (0.0, [], []),
        (None, None, None),
    ]
    assert rows[0][3] == [1.0, -2.0]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A table of a model with a base of three rows of width 2 and no updates yet."""
    version = tmp_path_factory.mktemp("models") / "rec/v1"
    base = version / "item/base-000001"
    base.mkdir(parents=True)
    (version / "version.json").write_text(json.dumps({"partitions": 2, "tables": [
        {"name": "item", "key": "int64", "width": 2}]}))
    (version / "item/manifest.json").write_text('{"format": 1, "base": "base-000001", "positions": {}}')
    np.array([1, 2, 77], "<i8").tofile(base / "keys.i64")
    np.array([[1, -1], [2, -2], [77, -77]], "<f4").tofile(base / "rows.f32")
    (base / "base.json").write_text('{"format": 1, "rows": 3, "capacity": 3, "width": 2, "key": "int64", "files": {}}')
    return version / "item"


MODEL_COLUMNS = """vector ARRAY<FLOAT>, `key` BIGINT, sequence BIGINT, event_time TIMESTAMP_LTZ(6),
    PRIMARY KEY (`key`) NOT ENFORCED"""


def test_keyed_tables_keep_the_last_row_of_a_key_and_are_looked_up_with_those_of_a_model(batch, stream, model, tmp_path):
    create(batch, "item", MODEL_COLUMNS, model)
    create(batch, "notes", "note STRING, name STRING, n BIGINT, PRIMARY KEY (name) NOT ENFORCED", tmp_path / "notes",
           sink_partitions="2")
    run(batch, "INSERT INTO notes VALUES ('first', 'näme 1', 1), ('second', 'näme 2', 2)")
    run(batch, "INSERT INTO notes VALUES ('changed', 'näme 1', 3), (CAST(NULL AS STRING), 'näme 5', 4)")
    assert sorted(fetch(batch, "SELECT name, note, n FROM notes"), key=lambda row: row[2]) == [
        ("näme 2", "second", 2), ("näme 1", "changed", 3), ("näme 5", None, 4)]
    assert sorted(fetch(batch, "SELECT `key`, vector, sequence, event_time FROM item")) == [
        (1, [1.0, -1.0], 0, None), (2, [2.0, -2.0], 0, None), (77, [77.0, -77.0], 0, None)]
    assert fetch(batch, """
        SELECT e.id, i.vector, n.note, n.n FROM (SELECT id, name, PROCTIME() AS now FROM events) AS e
        LEFT JOIN item FOR SYSTEM_TIME AS OF e.now AS i ON i.`key` = e.id
        LEFT JOIN notes FOR SYSTEM_TIME AS OF e.now AS n ON n.name = e.name ORDER BY id""") == [
        (1, [1.0, -1.0], "changed", 3), (2, [2.0, -2.0], "second", 2), (3, None, None, None), (4, None, None, None),
        (5, None, None, 4)]


def first(tables, query: str, count: int) -> list[tuple]:
    """The first rows of an unbounded query, which is then cancelled."""
    with tables.execute_sql(query).collect() as rows:
        return [tuple(next(rows)) for _ in range(count)]


def test_an_unbounded_scan_has_watermarks_though_a_subtask_has_no_partition(batch, tmp_path):
    create(batch, "ticks", "id BIGINT, seen TIMESTAMP_LTZ(3)", tmp_path / "ticks")
    run(batch, "INSERT INTO ticks SELECT id, TO_TIMESTAMP_LTZ(id * 1000, 3) FROM (VALUES (1), (2), (3), (5)) AS t(id)")
    tables = environment("streaming", parallelism_default="2")
    create(tables, "ticks", "seen TIMESTAMP_LTZ(3), id BIGINT, WATERMARK FOR seen AS seen - INTERVAL '1' SECOND",
           tmp_path / "ticks")
    assert first(tables, """
        SELECT CAST(window_start AS STRING), COUNT(*), SUM(id)
        FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(seen), INTERVAL '2' SECOND)) GROUP BY window_start, window_end
        """, 2) == [("1970-01-01 00:00:00.000", 1, 1), ("1970-01-01 00:00:02.000", 2, 5)]


def test_an_unbounded_scan_of_a_model_begins_with_its_base(model):
    tables = environment("streaming")
    create(tables, "item", MODEL_COLUMNS, model)
    assert sorted(first(tables, "SELECT vector, `key` FROM item", 3)) == [
        ([1.0, -1.0], 1), ([2.0, -2.0], 2), ([77.0, -77.0], 77)]


def stop_with_savepoint(job, directory: Path) -> None:
    """PyFlink 2.3's own method calls a Java signature that is gone."""
    from pyflink.java_gateway import get_gateway

    form = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.NATIVE
    job._j_job_client.stopWithSavepoint(False, directory.as_uri(), form).get()


def test_a_job_goes_on_where_its_scan_group_stopped(stream, tmp_path):
    tables = environment("streaming", execution_checkpointing_interval="300 ms")
    create(tables, "fed", f"{COLUMNS}, WATERMARK FOR seen AS seen - INTERVAL '1' SECOND", stream, scan_group="copy",
           **{"scan.startup.mode": "group-offsets"})
    create(tables, "events", COLUMNS, stream, sink_writer="later")
    create(tables, "copied", "id BIGINT", tmp_path / "copied")
    group = stream / "groups/copy.json"

    def copy() -> None:
        job = tables.execute_sql("INSERT INTO copied SELECT id FROM fed").get_job_client()
        before = group.stat().st_mtime_ns if group.exists() else 0
        deadline = time.monotonic() + FINISH_SECONDS_MAX
        while not group.exists() or group.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, "no checkpoint was completed"
            time.sleep(0.05)
        stop_with_savepoint(job, tmp_path / "savepoints")

    copy()
    positions = json.loads(group.read_text())
    assert positions["format"] == 1 and list(positions["positions"]) == ["sink-0"]
    run(tables, f"INSERT INTO events {ROWS}")
    copy()
    assert sorted(json.loads(group.read_text())["positions"]) == ["later-0", "sink-0"]
    create(tables, "copy_end", "id BIGINT", tmp_path / "copied", **{"scan.bounded": "true"})
    assert sorted(fetch(tables, "SELECT id FROM copy_end")) == [(i,) for i in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)]


def test_unknown_and_invalid_options_are_refused_when_planning(batch, stream):
    def reason(**options: str) -> str:
        from py4j.protocol import Py4JJavaError

        batch.execute_sql("DROP TEMPORARY TABLE IF EXISTS wrong")
        create(batch, "wrong", "id BIGINT", stream, **options)
        with pytest.raises(Py4JJavaError) as refused:
            batch.explain_sql("SELECT id FROM wrong")
        return str(refused.value)

    assert "Unsupported options:\n\nscan.unknown" in reason(scan_unknown="1")
    assert "option 'scan.poll-interval' must be between 1 ms and 60000 ms" in reason(**{"scan.poll-interval": "0 ms"})
    assert "needs option 'scan.group'" in reason(**{"scan.startup.mode": "group-offsets"})
    assert "needs 'scan.bounded' = 'true'" in reason(**{"scan.bounded": "false", "scan.bounded.positions": "{}"})
    assert "must be [epoch, offset]" in reason(
        **{"scan.startup.mode": "positions", "scan.startup.positions": '{"p0": [1]}'})
