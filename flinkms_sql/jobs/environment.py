"""The adapter to PyFlink's Table API: the one file that asks the client JVM, over the connections of ``gateway``.

A ``Workspace`` is one TableEnvironment for one job: the tables and functions it needs, then a submission to the session
cluster. It must not know what a job means. User text enters Flink only as whole statements that Flink itself parses
(a CREATE TABLE, a SELECT); names, paths and options enter as values through descriptors, never as text.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from py4j.java_gateway import JavaObject
from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration
from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, Schema, Table, TableDescriptor, TableEnvironment
from pyflink.table.catalog import CatalogBaseTable, ObjectPath
from pyflink.table.explain_detail import ExplainDetail
from pyflink.table.expression import Expression
from pyflink.table.expressions import call, col, null_of
from pyflink.util.exceptions import JavaException

from flinkms_sql import errors, sqlfiles
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.datatypes import data_type
from flinkms_sql.jobs.failures import rejected
from flinkms_sql.jobs.gateway import pin_threads
from flinkms_sql.jobs.submissions import CheckpointPositions, DeclaredTable
from flinkms_sql.query.flinknames import FlinkText, definition_for_flink, query_for_flink
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

NO_TEXT = FlinkText(text="")

EXECUTION_PLAN = "== Physical Execution Plan =="
"""The line after which Flink explains a query's operators, as JSON."""

CAUSES_MAX = 8
"""Exceptions of a chain that are looked at."""

NOT_NULL = " NOT NULL"
_NOT_TO_BOOLEAN = ("DECIMAL", "FLOAT", "DOUBLE")
"""Numbers that Flink does not cast to BOOLEAN."""


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
            "execution.attached": "false",
            # A hint in a query could name other paths than those that were looked at when its tables were declared.
            "table.dynamic-table-options.enabled": "false", **profile,
        }
        if flink_job_id is not None:
            settings[FIXED_JOB_ID] = flink_job_id
        if restore_from is not None:
            settings["execution.state-recovery.path"] = restore_from
            settings["execution.state-recovery.ignore-unclaimed-state"] = "true"
        configuration = Configuration()
        for key, value in settings.items():
            configuration.set_string(key, value)
        self._names: set[str] = set()
        """Of the tables that were declared, and of their columns, as Flink has them."""
        self._table_env = TableEnvironment.create(
            EnvironmentSettings.new_instance().with_configuration(configuration).build()
        )
        for function, class_name in JAVA_FUNCTIONS.items():
            self._table_env.create_java_temporary_function(function, class_name)

    def warm(self) -> None:
        """Load the planner's classes, which the first statement would wait seconds for."""
        self._table_env.execute_sql(sqlfiles.load("jobs/warm"))
        self._table_env.explain_sql(sqlfiles.load("jobs/warm_query"))

    def declare(self, table: DeclaredTable) -> None:
        """Create a table by the user's CREATE TABLE statement, with its options over those of the WITH clause.

        Raises FlinkmsError 42501, before anything is done, when Flink reads something else than that table in it.
        """
        refusal = f'the definition of table "{table.name}" is not its CREATE TABLE'
        try:
            definition = FlinkText(text=definition_for_flink(table.definition))
        except FlinkmsError as error:
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, refusal, detail=error.message) from error
        created = self._only(definition, "CreateTableOperation", refusal)
        declared = created.getCatalogTable()
        options = dict(declared.getOptions())
        columns = [column.getName() for column in declared.getUnresolvedSchema().getColumns()]
        # A temporary table would hide one of its name.
        table.check_read("" if created.isTemporary() else created.getTableIdentifier().getObjectName(), options, columns)
        self._names.update((table.name, *columns))
        self._java_errors(lambda: self._run(created))
        catalog = self._table_env.get_catalog(self._table_env.get_current_catalog())
        path = ObjectPath(self._table_env.get_current_database(), table.name)
        given = {key: text for key, text in {**options, **table.options}.items() if text is not None}
        merged = self._java_errors(lambda: catalog.get_table(path)._j_catalog_base_table.copy(given))
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

    def queried(self, query: str, columns: Sequence[str]) -> Table:
        """The user's SELECT, which has to give a column for each name.

        Raises FlinkmsError when Flink rejects the query, with the position in it; 42804 when it has other columns.
        """
        written = query_for_flink(query, self._names)
        table = self._java_errors(lambda: self._table_env.sql_query(written.text), written)
        given = _columns(table)
        if len(given) != len(columns):
            raise FlinkmsError(
                errors.DATATYPE_MISMATCH,
                f"the query returns {len(given)} columns ({', '.join(name for name, _ in given)}), "
                f"but {len(columns)} are expected ({', '.join(columns)})",
                hint="The SELECT lists the model's inputs in order, then the label.", position=1,
            )
        return table

    def operators(self, table: Table) -> list[str]:
        """Names of the operators of Flink's own plan of a table, sources first: "Source: events", "Calc", "WindowJoin"."""
        text = self._java_errors(lambda: table.explain(ExplainDetail.JSON_EXECUTION_PLAN))
        return [node["type"].rsplit("[", 1)[0] for node in json.loads(text.split(EXECUTION_PLAN, 1)[1])["nodes"]]

    @staticmethod
    def gives_text(table: Table) -> bool:
        """Whether the last column of a table, the label, holds texts."""
        return _columns(table)[-1][1].startswith(("STRING", "VARCHAR", "CHAR"))

    def typed(self, table: Table, columns: Sequence[tuple[str, SqlType]]) -> Table:
        """The table's columns cast, by position, each to the type of what it is for; a value that cannot be cast is NULL.

        Numbers are cast to BOOLEAN as Flink casts INT: what is not 0 is true. Raises FlinkmsError 42804 when values of
        a column's type can never be cast.
        """
        given = _columns(table)
        cast = [
            (col(name) != 0 if kind is SqlType.BOOLEAN and was.startswith(_NOT_TO_BOOLEAN) else col(name).try_cast(data_type(kind)))
            .alias(f"c{index}")
            for index, ((name, was), (_, kind)) in enumerate(zip(given, columns, strict=True))
        ]
        try:
            return table.select(*cast)
        except (Py4JJavaError, JavaException) as error:
            wrong = next((index for index, one in enumerate(cast) if not _selects(table, one)), None)
            if wrong is None:
                raise rejected(_messages(error)) from error
            (name, was), (meant, kind) = given[wrong], columns[wrong]
            raise FlinkmsError(
                errors.DATATYPE_MISMATCH, f'column {wrong + 1} of the query, "{name}", is {was.removesuffix(NOT_NULL)}, '
                f"which cannot be cast to {meant} {kind.value.flink}", hint="Convert it in the query.",
                position=1,
            ) from error

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
        """Run an INSERT statement on the cluster without waiting for its end. Raises 42501 for any other: a CREATE TABLE …
        AS SELECT would write wherever it says."""
        insert = self._only(query_for_flink(statement, self._names), "SinkModifyOperation",
                            "the statement of a job is not an INSERT")
        self._java_errors(lambda: self._run(insert))

    def _only(self, statement: FlinkText, operation: str, refusal: str) -> JavaObject:
        """What Flink makes of a statement, if that is one operation of this class. Raises 42501 with the refusal."""
        found = self._java_errors(lambda: self._table_env._j_tenv.getParser().parse(statement.text), statement)
        if found.size() != 1 or found.get(0).getClass().getSimpleName() != operation:
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, refusal)
        return found.get(0)

    def _run(self, operation: JavaObject) -> JavaObject:
        """What ``TableEnvironment.execute_sql`` does once a statement is parsed."""
        self._table_env._before_execute()
        return self._table_env._j_tenv.executeInternal(operation)

    def select(self, template: str) -> tuple[str, SelectResult]:
        """Run the SELECT of sql/jobs/<template>.sql; returns Flink's job id and its rows."""
        result = self._java_errors(lambda: self._table_env.execute_sql(sqlfiles.load(f"jobs/{template}")))
        return str(result.get_job_client().get_job_id()), SelectResult(result)

    @staticmethod
    def _java_errors(action, given: FlinkText = NO_TEXT):
        """What the action returns. Raises Flink's refusal, with the position in what ``given`` was made of."""
        try:
            return action()
        except (Py4JJavaError, JavaException) as error:
            refusal = rejected(_messages(error), given.text)
            if refusal.position is not None:
                refusal.position = given.written_at(refusal.position)
            raise refusal from error


class SelectResult:
    """The rows of a bounded SELECT, fetched when asked for."""

    def __init__(self, result) -> None:
        self._result = result

    def rows(self) -> list[tuple]:
        """All rows; waits for the job to end. Raises FlinkmsError when it fails."""
        return Workspace._java_errors(lambda: [tuple(row) for row in self._result.collect()])


def checkpoint_positions(uri: str) -> CheckpointPositions:
    """What a checkpoint or savepoint holds of our tables. Raises FlinkmsError 58030 when it cannot be read."""
    pin_threads()
    try:
        text = get_gateway().jvm.org.flinkms.connector.checkpoint.CheckpointPositions.read(uri)
    except (Py4JJavaError, JavaException) as error:
        raise FlinkmsError(errors.IO_ERROR, f"checkpoint {uri} cannot be read",
                           detail=rejected(_messages(error)).message) from error
    found = json.loads(text)
    sources, logs = ({name: {partition: tuple(at) for partition, at in partitions.items()}
                      for name, partitions in found[kind].items()} for kind in ("sources", "logs"))
    return CheckpointPositions(sources=sources, logs=logs, apart=frozenset(found["apart"]))


def _selects(table: Table, column: Expression) -> bool:
    try:
        table.select(column)
    except (Py4JJavaError, JavaException):
        return False
    return True


def _columns(table: Table) -> list[tuple[str, str]]:
    """(name, type as Flink writes it) of each column."""
    schema = table._j_table.getResolvedSchema()
    names, types = schema.getColumnNames(), schema.getColumnDataTypes()
    return [(names.get(at), types.get(at).getLogicalType().asSummaryString()) for at in range(names.size())]


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
