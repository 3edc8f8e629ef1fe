"""Errors of jobs in the words of whoever wrote the SQL: Flink's messages, stack traces, and files that are looked at first."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.records import Column, TableRecord
from flinkms_sql.encoding import undecodable
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.failures import cannot_get_better, readable, rejected, root_cause
from flinkms_sql.jobs.files import check_columns, check_files, check_rows, headers, is_local, not_utf8, reading_options
from flinkms_sql.types import SqlType

MISSING = """java.lang.RuntimeException: Failed to create splits
\tat org.apache.flink.Foo.bar(Foo.java:1)
Caused by: java.io.FileNotFoundException: File file:/data/none.csv does not exist or the user running Flink ('x') has \
insufficient permissions to access it.
\tat org.apache.flink.core.fs.local.LocalFileSystem.getFileStatus(LocalFileSystem.java:100)
"""
DIVISION = """org.apache.flink.runtime.taskmanager.AsynchronousException: x
\tat a.B.c(B.java:1)
Caused by: java.lang.ArithmeticException: / by zero
\tat StreamExecCalc$7.split(Unknown Source)
"""
LOST = """org.apache.flink.runtime.jobmaster.JobMasterException: TaskManager with id tm_1 is no longer reachable.
\tat org.apache.flink.runtime.jobmaster.JobMaster.disconnect(JobMaster.java:1)
"""
PYTHON = """java.lang.RuntimeException: Failed to close remote bundle
\tat a.B.c(B.java:1)
Caused by: java.util.concurrent.ExecutionException: java.lang.RuntimeException: Error received from SDK harness: \
Traceback (most recent call last):
  File "worker.py", line 1, in f
    raise ArgumentError
udfs.model.ArgumentError: array is not of the model's length in 1 of the rows

\tat java.base/java.lang.Thread.run(Thread.java:1)
Caused by: java.lang.RuntimeException: Error received from SDK harness
"""
CUT_OFF = PYTHON.replace("udfs.model.ArgumentError", "BrokenPipeError")


@pytest.mark.parametrize(("stacktrace", "text", "hopeless"), [
    (MISSING, "file /data/none.csv does not exist", True), (DIVISION, "/ by zero", True),
    (LOST, "TaskManager with id tm_1 is no longer reachable.", False),
    (PYTHON, "array is not of the model's length in 1 of the rows", True),
    (CUT_OFF, "array is not of the model's length in 1 of the rows", False),
    ("java.lang.OutOfMemoryError\n\tat a.b(C.java:1)", "OutOfMemoryError", False), ("", "", False),
])  # fmt: skip
def test_the_root_cause_has_no_class_names_and_says_whether_to_try_again(stacktrace: str, text: str, hopeless: bool):
    assert root_cause(stacktrace).startswith(text) and "java" not in root_cause(stacktrace)
    assert cannot_get_better(stacktrace) is hopeless


def test_readable_texts_keep_what_users_wrote():
    assert readable("org.apache.flink.table.api.ValidationException: Table 'default_catalog.default_database.t' x") == (
        "Table 't' x")
    assert readable("Could not find a factory that implements 'org.apache.flink.table.factories.DynamicTableFactory'") == (
        "Could not find a factory that implements 'DynamicTableFactory'")
    for own in ("Object 'my.table.name' not found", "a.b = c.d", "1.5 is no INT", "/data/a.b.c/Ratings.csv"):
        assert readable(own) == own


@pytest.mark.parametrize(("message", "sqlstate", "text", "at"), [
    ("SQL validation failed. From line 2, column 10 to line 2, column 12: Column 'bar' not found in any table",
     errors.UNDEFINED_COLUMN, "Flink: Column 'bar' not found in any table", "bar"),
    ("SQL validation failed. From line 2, column 10 to line 2, column 12: Object 'bar' not found",
     errors.UNDEFINED_TABLE, "Flink: Object 'bar' not found", "bar"),
    ("SQL validation failed. At line 1, column 8: No match found for function signature f(<NUMERIC>)",
     errors.UNDEFINED_FUNCTION, "Flink: No match found for function signature f(<NUMERIC>)", "a FROM"),
    ("SQL parse failed. Non-query expression", errors.SYNTAX_ERROR, "Flink: Non-query expression", None),
])  # fmt: skip
def test_a_refused_query_has_a_sqlstate_and_a_position(message: str, sqlstate: str, text: str, at: str | None):
    query = "SELECT a FROM\n t WHERE bar = 1"
    error = rejected([message, message.split(": ")[-1].removeprefix("SQL parse failed. ")], query)
    assert (error.sqlstate, error.message) == (sqlstate, text)
    assert error.position == (None if at is None else query.index(at) + 1)
    assert rejected([message]).position is None and rejected([]).message == "Flink: the statement was rejected"


def table(path: Path | str, connector: str = "filesystem", **options: str) -> TableRecord:
    columns = (Column(name="a", type=SqlType.INT), Column(name="b", type=SqlType.INT))
    return TableRecord(name="t", kind="flink", columns=columns, definition="", path=None, created_at=datetime.now(timezone.utc),
                       options={"connector": connector, "path": str(path), **options})


def test_files_are_looked_at_before_a_job_is_submitted(tmp_path: Path):
    there, empty, folder, missing = (tmp_path / name for name in ("there", "empty", "folder", "missing"))
    there.write_text("1\n")
    empty.touch()
    (folder / "_temporary").mkdir(parents=True)
    (folder / ".hidden").write_text("1")
    (folder / "_temporary" / "part").write_text("1")
    tables = {"there": table(there), "empty": table(empty), "folder": table(f"file://{folder}"), "missing": table(missing),
              "s3": table("s3://bucket/x"), "numbers": table(missing, "datagen")}
    check_files(tables, ["there", "empty", "folder", "s3", "numbers", "unknown"])
    with pytest.raises(FlinkmsError, match=f'file "{missing}" of table "missing" does not exist') as caught:
        check_files(tables, ["there", "missing"])
    assert caught.value.sqlstate == "58P01"
    with pytest.raises(FlinkmsError, match=f'no rows to train on: file "{empty}" of table "empty" is empty'):
        check_rows(tables, ["empty", "folder"])
    with pytest.raises(FlinkmsError, match=f'directory "{folder}" of table "folder" is empty'):
        check_rows(tables, ["folder"])
    for filled in (["there", "empty"], ["s3", "empty"], ["numbers"], []):
        check_rows(tables, filled)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "secret").write_text("1\n")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(FlinkmsError, match="secret.* cannot be read") as caught:
        check_files({"t": table(tmp_path / "secret")}, ["t"])
    assert caught.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE


def test_files_are_looked_at_only_beside_a_cluster_on_this_machine():
    assert is_local("127.0.0.1:8081") and is_local("localhost:1") and not is_local("flink.example:8081")


@pytest.mark.parametrize(("text", "options", "columns"), [
    ("1,2,3\n4,5,6\n", {}, 3), ("1,2,3\n4,5\n", {}, None), ("1,2,\n", {}, None), ("1\n", {}, None), ("", {}, None),
    ("1;2;3\n", {"csv.field-delimiter": ";"}, 3), ("1,2,3\n", {"csv.field-delimiter": ";"}, None),
    ("1\t2\t3\n", {"csv.field-delimiter": "\\t"}, 3), ('"1,2,3",4\n', {}, None),
    ('"1,2",3\n', {"csv.disable-quote-character": "true"}, 3), ("'1,2',3\n", {"csv.quote-character": "'"}, None),
])  # fmt: skip
def test_a_csv_file_of_more_columns_than_its_table_is_refused(tmp_path: Path, text: str, options: dict, columns: int | None):
    (tmp_path / "x.csv").write_text(text)
    tables = {"t": table(tmp_path, format="csv", **options), "j": table(tmp_path, format="json")}
    check_columns(tables, ["j", "unknown"])
    if columns is None:
        check_columns(tables, ["t"])
        return
    with pytest.raises(FlinkmsError, match=f'x.csv" of table "t" has {columns} columns, the table has 2') as caught:
        check_columns(tables, ["t"])
    assert caught.value.sqlstate == errors.DATATYPE_MISMATCH


@pytest.mark.parametrize(("text", "is_header"), [
    ("a,b\n1,2\n", True), ("A , B\n1,2\n", True), ("user,item\n1,2\n", True), ("1,2\n3,4\n", False), ("x,2\n3,4\n", False),
    (",\n1,2\n", False), ("x,y\n", False), ("x,y\nz,w\n", False), ("", False), ("user,item\n1,\n2,3\n", True), ("-1,nan\n1,2\n", False),
])  # fmt: skip
def test_a_first_line_that_looks_like_a_header_is_told(tmp_path: Path, text: str, is_header: bool):
    (tmp_path / "x.csv").write_text(text)
    found = headers({"t": table(tmp_path, format="csv"), "j": table(tmp_path, format="json"),
                     "s": table(tmp_path, format="csv", **{"csv.skip-header": "true"})}, ["t", "j", "s", "unknown"])
    assert len(found) == is_header
    for message in found:
        assert "x.csv" in message and "'csv.skip-header' = 'true'" in message and 'table "t"' in message


@pytest.mark.parametrize(("pieces", "place"), [
    ([b"a\nb\xe4c"], "byte 0xe4 in line 2, byte 2"), ([b"\xc3", b"\xa4\n", b"\n\xff"], "byte 0xff in line 3, byte 1"),
    ([b"\xc3\xa4\xe4"], "byte 0xe4 in line 1, byte 3"), ([b"abc\xc3"], "byte 0xc3 in line 1, byte 4"),
    (["grüße\n".encode(), b"x"], None), ([], None), ([bytes([byte]) for byte in "ä\n€𝄞".encode()], None),
])  # fmt: skip
def test_the_first_byte_that_is_no_utf8_has_a_place(pieces: list[bytes], place: str | None):
    found = undecodable(pieces)
    assert found is None if place is None else found == f"{place} of it"


def test_the_file_that_is_no_utf8_is_named(tmp_path: Path):
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "b.csv").write_bytes(b"1,2\n3,\xe4\n")
    error = not_utf8({"t": table(tmp_path, format="csv")}, ["unknown", "t"])
    assert error is not None and error.sqlstate == errors.CHARACTER_NOT_IN_REPERTOIRE
    assert error.message == f'file "{tmp_path}/b.csv" of table "t" is not in UTF-8: byte 0xe4 in line 2, byte 3 of it'
    (tmp_path / "b.csv").unlink()
    assert not_utf8({"t": table(tmp_path, format="csv")}, ["t"]) is None


def test_a_file_with_a_header_is_read_without_it():
    assert reading_options({"format": "csv", "csv.skip-header": "true", "csv.field-delimiter": ";"}) == {
        "format": "flinkms-csv", "csv.skip-header": None, "csv.field-delimiter": None, "flinkms-csv.field-delimiter": ";",
        "flinkms-csv.ignore-parse-errors": "true", "flinkms-csv.skip-header": None,
    }  # fmt: skip


def test_malformed_rows_are_read_as_nulls():
    assert reading_options({"format": "csv"}) == {"csv.ignore-parse-errors": "true", "csv.skip-header": None}
    assert reading_options({"format": "json", "json.timestamp-format.standard": "ISO-8601", "path": "x"}) == {
        "format": "flinkms-json", "json.timestamp-format.standard": None, "flinkms-json.ignore-parse-errors": "true",
        "flinkms-json.timestamp-format.standard": "ISO-8601",
    }  # fmt: skip
    assert reading_options({"format": "raw"}) == {} == reading_options({})
