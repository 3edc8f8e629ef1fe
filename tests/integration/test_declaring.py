"""What Flink reads in a table's definition, and in a job's statement, held against what was checked."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.submissions import DeclaredTable
from flinkms_sql.query.flinknames import query_for_flink
from flinkms_sql.runtime.flink import connector_jar

pytestmark = pytest.mark.integration

TABLE = "CREATE TABLE s (a STRING) WITH ('connector'='filesystem', 'format'='raw', /* c */ 'path'='/data/a')"
CHECKED = {"connector": "filesystem", "format": "raw", "path": "/data/a"}


@pytest.fixture(scope="module")
def fresh() -> Iterator[Executor]:
    """Another process: one has one JVM, and another test may have started ours without the connector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HADOOP_CLASSPATH", str(connector_jar()))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
            yield executor


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


def test_what_flink_reads_otherwise_is_neither_declared_nor_submitted(tmp_path: Path, fresh: Executor) -> None:
    other = [
        TABLE.replace("/* c */", "/* /* */ 'path'='/outside') -- */"), TABLE.replace("a STRING", "a STRING, b STRING"),
        TABLE.replace("TABLE s", "TABLE t"), TABLE.replace("CREATE", "CREATE TEMPORARY"), f"{TABLE} AS SELECT 'x' AS a",
        "CREATE CATALOG s WITH ('type'='generic_in_memory')",
    ]
    filling = f"CREATE TABLE c WITH ('connector'='filesystem', 'format'='raw', 'path'='{tmp_path}/c') AS SELECT 'x' AS a"
    found = fresh.submit(outcomes, [*other, TABLE], filling, tmp_path).result()
    assert found == [errors.INSUFFICIENT_PRIVILEGE] * len(other) + [None, errors.INSUFFICIENT_PRIVILEGE]
    assert not (tmp_path / "c").exists()


LITERALS = {"null", "true", "false", "unknown"}
"""Words that stand for a value in every position but after a dot: in PostgreSQL, too."""

UNQUOTED_NEITHER = {"not", "when"}
"""Reserved in PostgreSQL as well, and what they are is decided by more than their neighbours."""


def refusals(checkpoints: Path) -> tuple[int, list[str], list[tuple[str, str, int | None]]]:
    """Number of Flink's words, those that cannot name a column, and of queries over others: (query, error, its position)."""
    from py4j.protocol import Py4JJavaError
    from pyflink.java_gateway import get_gateway

    from flinkms_sql.jobs.environment import STANDING, FlinkTarget, Workspace

    target = FlinkTarget(address="127.0.0.1:1", checkpoints=checkpoints, python=Path(sys.executable))
    workspace = Workspace(target, STANDING, name="every word")
    jvm = get_gateway().jvm
    loader = workspace._table_env._j_tenv.getParser().getClass().getClassLoader()

    def flinks(name: str):
        return jvm.java.lang.Class.forName(name, True, loader)

    def parser(text: str):
        made = factory.getParser(jvm.java.io.StringReader(text))
        made.setIdentifierMaxLength(128)
        made.setConformance(conformance)
        made.setUnquotedCasing(unchanged)
        made.setQuotedCasing(unchanged)
        made.switchTo(back_ticks)
        return made

    factory = flinks("org.apache.flink.sql.parser.impl.FlinkSqlParserImpl").getField("FACTORY").get(None)
    conformance = flinks("org.apache.flink.sql.parser.validate.FlinkSqlConformance").getField("DEFAULT").get(None)
    unchanged = flinks("org.apache.calcite.avatica.util.Casing").getField("UNCHANGED").get(None)
    back_ticks = flinks("org.apache.calcite.sql.parser.SqlAbstractParserImpl$LexicalState").getField("BTID").get(None)
    meta = parser("SELECT 1").getMetadata()
    words = sorted(word.lower() for word in meta.getTokens() if meta.isKeyword(word) and word != "END-EXEC")
    refused = []
    workspace.declare(declared("every", words))
    for word in words:
        text = query_for_flink(WORDY.format(word), (word, "t")).text
        try:
            parser(text).parseSqlStmtEof()
        except Py4JJavaError:
            refused.append(word)
    workspace = Workspace(target, STANDING, name="some words")
    workspace.declare(declared("user", ["at", "Value", "b"]))
    wrong = []
    for query in ('SELECT AT, value, "b" FROM user', "SELECT at,\n  at AS value, nope FROM user WHERE at > 1"):
        try:
            workspace.queried(query, ["x", "y", "z"])
        except FlinkmsError as error:
            wrong.append((query, error.message, error.position))
    return len(words), refused, wrong


WORDY = ("INSERT INTO {0} ({0}, a) SELECT {0}, t.{0} AS {0}, sum({0} + 1) FROM {0} AS t, {0} WHERE {0} > 1 AND {0} IS NOT NULL AND 1 < {0} AND"
         " {0} IN (1, {0}) AND {0} BETWEEN 1 AND {0} GROUP BY {0}, 1 + {0} ORDER BY {0} DESC")


def declared(name: str, columns: list[str]) -> DeclaredTable:
    definition = f"CREATE TABLE {name} ({', '.join(f'{column} int8' for column in columns)}) WITH ('connector' = 'datagen')"
    return DeclaredTable(name=name, definition=definition, options={}, checked={"connector": "datagen"},
                         columns=[column.lower() for column in columns])


def test_every_word_of_flinks_names_a_column(tmp_path: Path, fresh: Executor) -> None:
    number, refused, wrong = fresh.submit(refusals, tmp_path).result()
    assert number > 700
    assert set(refused) <= LITERALS | UNQUOTED_NEITHER
    (query, message, position), = wrong
    assert "nope" in message and position == query.index("nope") + 1
