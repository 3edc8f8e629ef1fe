"""The adapter to PyFlink's Table API: the one file that asks the client JVM, over the connections of ``gateway``.

A ``Workspace`` is one TableEnvironment for one job: the tables and functions it needs, then a submission to the session
cluster. It must not know what a job means. User text enters Flink only as whole statements that Flink itself parses
(a CREATE TABLE, a SELECT); names, paths and options enter as values through descriptors, never as text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration
from pyflink.table import DataTypes, EnvironmentSettings, Schema, Table, TableDescriptor, TableEnvironment
from pyflink.table.catalog import CatalogBaseTable, ObjectPath
from pyflink.table.expressions import call, col, null_of
from pyflink.util.exceptions import JavaException

from flinkms_sql import errors, sqlfiles
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.gateway import pin_threads
from flinkms_sql.types import SqlType

BULK = {
    "execution.runtime-mode": "BATCH",
    "python.fn-execution.bundle.size": "100000",
    "python.fn-execution.bundle.time": "1000",
    "python.fn-execution.arrow.batch.size": "10000",
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "200 ms",
    "restart-strategy.exponential-delay.max-backoff": "5 s",
    "restart-strategy.exponential-delay.backoff-multiplier": "2.0",
    "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff": "5",
}
"""A bounded job wants large bundles: the boundary's cost is per bundle and per batch. Somebody waits for it: what fails
for a reason of its own, a file that is not there, is given up after six seconds; a task manager that is killed is one
attempt, because the next one waits for it to be back."""

STANDING = {
    "execution.runtime-mode": "STREAMING",
    "execution.buffer-timeout.interval": "0 ms",
    "python.fn-execution.bundle.size": "10000",
    "python.fn-execution.bundle.time": "2",
    "python.fn-execution.arrow.batch.size": "10000",
    "execution.checkpointing.interval": "2 s",
    "execution.checkpointing.mode": "EXACTLY_ONCE",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "table.exec.sink.upsert-materialize": "NONE",
}
"""A standing job wants an answer now: rows are handed on at once, bundles close after 2 ms."""


FIXED_JOB_ID = "$internal.pipeline.job-id"
"""Flink's PipelineOptionsInternal.PIPELINE_FIXED_JOB_ID, which its own application mode uses to find a job again."""

JAVA_FUNCTIONS = {
    "flinkms_pack": "org.flinkms.connector.functions.PackFunction",
    "flinkms_unpack": "org.flinkms.connector.functions.UnpackFunction",
    "flinkms_vector": "org.flinkms.connector.functions.VectorFunction",
    "flinkms_libsvm": "org.flinkms.connector.functions.LibsvmFunction",
}
"""Functions of the connector that every query may call; docs/sql.md describes them."""

WORKER_MODE = "_python_worker_execution_mode"
"""PyFlink takes an environment whose target comes from its settings for a local one, and would run the workers of every
job as threads of the client: they would compete with it for one interpreter lock, and die with it."""

MESSAGE_CHARACTERS_MAX = 400
DETAIL_CHARACTERS_MAX = 4000
CAUSES_MAX = 8
"""What of Flink's exceptions reaches a session: a planner's can be megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlinkTarget:
    """Where jobs go: the cluster's REST address, where checkpoints are kept, and what starts a Python worker.

    The connector is on the class path of client and cluster alike: runtime/flink.py for the embedded cluster; another
    cluster has it in its lib directory (docs/howto/).
    """

    address: str
    checkpoints: Path
    python: Path


class Workspace:
    """One TableEnvironment on the session cluster, for one job."""

    def __init__(self, target: FlinkTarget, profile: Mapping[str, str], *, parallelism: int = 1,
                 name: str, flink_job_id: str | None = None, restore_from: str | None = None) -> None:
        """``flink_job_id``: the id its one job will have (see context.new_flink_job_id); None lets the client choose."""
        os.environ[WORKER_MODE] = "process"
        pin_threads()
        host, _, port = target.address.rpartition(":")
        settings = {
            "execution.target": "remote", "rest.address": host, "rest.port": port,
            "pipeline.name": name, "python.executable": str(target.python), "python.client.executable": sys.executable,
            "parallelism.default": str(parallelism), "table.exec.resource.default-parallelism": str(parallelism),
            "table.local-time-zone": "UTC", "execution.checkpointing.dir": target.checkpoints.as_uri(),
            "execution.attached": "false", **profile,
        }
        if flink_job_id is not None:
            settings[FIXED_JOB_ID] = flink_job_id
        if restore_from is not None:
            settings["execution.state-recovery.path"] = restore_from
            settings["execution.state-recovery.ignore-unclaimed-state"] = "true"
        configuration = Configuration()
        for key, value in settings.items():
            configuration.set_string(key, value)
        self._table_env = TableEnvironment.create(
            EnvironmentSettings.new_instance().with_configuration(configuration).build()
        )
        for function, class_name in JAVA_FUNCTIONS.items():
            self._table_env.create_java_temporary_function(function, class_name)

    def warm(self) -> None:
        """Load the planner's classes, which the first statement would wait seconds for."""
        self._table_env.execute_sql(sqlfiles.load("jobs/warm"))
        self._table_env.explain_sql(sqlfiles.load("jobs/warm_query"))

    def declare(self, name: str, definition: str, options: Mapping[str, str]) -> None:
        """Create a table by the user's CREATE TABLE statement, with ``options`` over those of its WITH clause."""
        self._java_errors(lambda: self._table_env.execute_sql(definition))
        catalog = self._table_env.get_catalog(self._table_env.get_current_catalog())
        path = ObjectPath(self._table_env.get_current_database(), name)
        declared = catalog.get_table(path)
        merged = self._java_errors(lambda: declared._j_catalog_base_table.copy({**declared.get_options(), **options}))
        self._java_errors(lambda: catalog.alter_table(path, CatalogBaseTable(merged), False))

    def create_table(self, name: str, columns: Sequence[tuple[str, SqlType]], options: Mapping[str, str]) -> None:
        """Create a temporary table of the flinkms connector."""
        schema = Schema.new_builder()
        for column, sql_type in columns:
            schema = schema.column(column, data_type(sql_type))
        builder = TableDescriptor.for_connector("flinkms").schema(schema.build())
        for key, value in options.items():
            builder = builder.option(key, value)
        descriptor = builder.build()
        self._java_errors(lambda: self._table_env.create_temporary_table(name, descriptor))

    def create_function(self, name: str, function: object) -> None:
        """Register a Python function object."""
        self._table_env.create_temporary_function(name, function)

    def create_view(self, name: str, table: Table) -> None:
        """Name a table so that the templates of sql/jobs/ can read it."""
        self._table_env.create_temporary_view(name, table)

    def typed(self, query: str, types: Sequence[SqlType]) -> Table:
        """The user's SELECT with its columns cast to ``types``, by position; a value that cannot be cast is NULL.

        Raises FlinkmsError 42601 when Flink rejects the query, 42804 when it has another number of columns.
        """
        table = self._java_errors(lambda: self._table_env.sql_query(query))
        names = table.get_schema().get_field_names()
        if len(names) != len(types):
            raise FlinkmsError(
                errors.DATATYPE_MISMATCH, f"query returns {len(names)} columns, but {len(types)} are expected",
                hint="The SELECT lists the model's inputs in order, then the label.",
            )
        columns = [
            col(name).try_cast(data_type(sql_type)).alias(f"c{index}")
            for index, (name, sql_type) in enumerate(zip(names, types))
        ]
        return table.select(*columns)

    def packed(self, table: Table) -> Table:
        """The rows of a ``typed`` table as blocks, one column ``block`` of BYTES."""
        self.create_view("observations", table)
        # A lateral call with as many arguments as there are columns cannot be planned from the Table API.
        columns = ", ".join(f"o.c{index}" for index in range(len(table.get_schema().get_field_names())))
        return self._java_errors(lambda: self._table_env.sql_query(sqlfiles.load("jobs/pack").replace(":columns", columns)))

    def with_wake_row(self, table: Table) -> Table:
        """A ``typed`` table and, once, a row of NULLs: it makes the job's Python workers open before the first real row.

        Flink opens them at their first bundle, which took that row 400 ms.
        """
        schema = table.get_schema()
        nulls = [null_of(kind).alias(name) for name, kind in zip(schema.get_field_names(), schema.get_field_data_types(),
                                                                 strict=True)]
        return table.union_all(self._table_env.sql_query(sqlfiles.load("jobs/wake")).select(*nulls))

    def applied(self, function: str, table: Table, alias: str) -> Table:
        """``SELECT function(all columns) AS alias FROM table``."""
        names = table.get_schema().get_field_names()
        return table.select(call(function, *[col(name) for name in names]).alias(alias))

    def submit(self, template: str) -> None:
        """Run the INSERT of sql/jobs/<template>.sql on the cluster without waiting for its end."""
        self.submit_text(sqlfiles.load(f"jobs/{template}"))

    def submit_text(self, statement: str) -> None:
        """Run an INSERT statement on the cluster without waiting for its end."""
        self._java_errors(lambda: self._table_env.execute_sql(statement))

    def select(self, template: str) -> tuple[str, SelectResult]:
        """Run the SELECT of sql/jobs/<template>.sql; returns Flink's job id and its rows."""
        result = self._java_errors(lambda: self._table_env.execute_sql(sqlfiles.load(f"jobs/{template}")))
        return str(result.get_job_client().get_job_id()), SelectResult(result)

    @staticmethod
    def _java_errors(action):
        try:
            return action()
        except (Py4JJavaError, JavaException) as error:
            raise _translated(error) from error


class SelectResult:
    """The rows of a bounded SELECT, fetched when asked for."""

    def __init__(self, result) -> None:
        self._result = result

    def rows(self) -> list[tuple]:
        """All rows; waits for the job to end. Raises FlinkmsError when it fails."""
        return Workspace._java_errors(lambda: [tuple(row) for row in self._result.collect()])


def data_type(sql_type: SqlType):
    """PyFlink's DataType of a SqlType."""
    return _DATA_TYPES[sql_type]


_DATA_TYPES = {
    SqlType.BOOLEAN: DataTypes.BOOLEAN(),
    SqlType.SMALLINT: DataTypes.SMALLINT(),
    SqlType.INT: DataTypes.INT(),
    SqlType.BIGINT: DataTypes.BIGINT(),
    SqlType.FLOAT: DataTypes.FLOAT(),
    SqlType.DOUBLE: DataTypes.DOUBLE(),
    SqlType.STRING: DataTypes.STRING(),
    SqlType.BYTES: DataTypes.BYTES(),
    SqlType.DATE: DataTypes.DATE(),
    SqlType.TIMESTAMP: DataTypes.TIMESTAMP(6),
    SqlType.TIMESTAMP_LTZ: DataTypes.TIMESTAMP_LTZ(6),
    SqlType.SMALLINT_ARRAY: DataTypes.ARRAY(DataTypes.SMALLINT()),
    SqlType.INT_ARRAY: DataTypes.ARRAY(DataTypes.INT()),
    SqlType.BIGINT_ARRAY: DataTypes.ARRAY(DataTypes.BIGINT()),
    SqlType.FLOAT_ARRAY: DataTypes.ARRAY(DataTypes.FLOAT()),
    SqlType.DOUBLE_ARRAY: DataTypes.ARRAY(DataTypes.DOUBLE()),
}


def _translated(error: Py4JJavaError | JavaException) -> FlinkmsError:
    """Flink's exception as an error in PostgreSQL's form: the innermost reason as message, the chain as detail."""
    chain = _messages(error)
    message = chain[-1].splitlines()[0] if chain else "Flink rejected the statement"
    sqlstate = errors.INVALID_PARAMETER_VALUE
    if any("SQL parse failed" in text for text in chain):
        sqlstate = errors.SYNTAX_ERROR
    elif any("not found" in text for text in chain):
        sqlstate = errors.UNDEFINED_TABLE
    return FlinkmsError(sqlstate, f"Flink: {message[:MESSAGE_CHARACTERS_MAX]}",
                        detail="\n".join(chain)[:DETAIL_CHARACTERS_MAX] or None)


def _messages(error: Py4JJavaError | JavaException) -> list[str]:
    """Messages of an exception and its causes, outermost first, without repetitions."""
    if isinstance(error, JavaException):
        # PyFlink converted it: its text is the first message, then frames, then causes.
        lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\tat ")]
        return [lines[0]] if lines else []
    chain: list[str] = []
    cause = error.java_exception
    while cause is not None and len(chain) < CAUSES_MAX:
        text = cause.getMessage()
        if text and text not in chain:
            chain.append(text)
        cause = cause.getCause()
    return chain
