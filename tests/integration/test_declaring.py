"""What Flink reads in a table's definition, and in a job's statement, held against what was checked."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.submissions import DeclaredTable
from flinkms_sql.runtime.flink import connector_jar

pytestmark = pytest.mark.integration

TABLE = "CREATE TABLE s (a STRING) WITH ('connector'='filesystem', 'format'='raw', /* c */ 'path'='/data/a')"
CHECKED = {"connector": "filesystem", "format": "raw", "path": "/data/a"}


def outcomes(definitions: list[str], statement: str, checkpoints: Path) -> list[str | None]:
    """SQLSTATE of declaring each definition as table s, in turn, and of submitting the statement; None where there is none."""
    from flinkms_sql.jobs.environment import FlinkTarget, Workspace

    workspace = Workspace(FlinkTarget(address="127.0.0.1:1", checkpoints=checkpoints, python=Path(sys.executable)), {},
                          name="declaring")

    def declare(definition: str) -> None:
        workspace.declare(DeclaredTable(name="s", definition=definition, options={}, checked=CHECKED, columns=["a"]))

    found: list[str | None] = []
    for act, text in (*((declare, one) for one in definitions), (workspace.submit_text, statement)):
        try:
            act(text)
            found.append(None)
        except FlinkmsError as error:
            found.append(error.sqlstate)
    return found


def test_what_flink_reads_otherwise_is_neither_declared_nor_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = [
        TABLE.replace("/* c */", "/* /* */ 'path'='/outside') -- */"), TABLE.replace("a STRING", "a STRING, b STRING"),
        TABLE.replace("TABLE s", "TABLE t"), TABLE.replace("CREATE", "CREATE TEMPORARY"), f"{TABLE} AS SELECT 'x' AS a",
        "CREATE CATALOG s WITH ('type'='generic_in_memory')",
    ]
    filling = f"CREATE TABLE c WITH ('connector'='filesystem', 'format'='raw', 'path'='{tmp_path}/c') AS SELECT 'x' AS a"
    # A process has one JVM, and another test may have started it without the connector.
    monkeypatch.setenv("HADOOP_CLASSPATH", str(connector_jar()))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        found = fresh.submit(outcomes, [*other, TABLE], filling, tmp_path).result()
    assert found == [errors.INSUFFICIENT_PRIVILEGE] * len(other) + [None, errors.INSUFFICIENT_PRIVILEGE]
    assert not (tmp_path / "c").exists()
