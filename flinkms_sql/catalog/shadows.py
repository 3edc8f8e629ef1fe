"""Shadows: what of Flink's world PostgreSQL shows, so that \\d, \\df, autocompletion and Describe work.

Every stream or Flink table has an empty table in schema public that refuses writes; every signature of a model has
stub functions that raise 0A000. Must not answer anything itself: a call that reaches a stub went to the wrong server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.records import ModelRecord, TableRecord
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import BY_OID, SqlType

COMMENTS = {"stream": "flinkms stream", "flink": "flinkms table: lives in Flink"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """One stub function; ``column`` names the item keys of a ranking.

    PostgreSQL tells functions apart by name and argument types, so those are its identity.
    """

    function: str
    arguments: tuple[SqlType, ...]
    result: SqlType
    column: str = "item"

    @property
    def identity(self) -> tuple[str, tuple[int, ...]]:
        """Name and argument oids."""
        return self.function, tuple(argument.value.oid for argument in self.arguments)


def stubs_of(model: ModelRecord) -> Iterator[Stub]:
    """The stubs that calls of this model need."""
    inputs = tuple(column.type for column in model.inputs)
    yield Stub(function="predict", arguments=(SqlType.STRING, *inputs), result=model.outputs[0].type)
    if model.recommends:
        (owner, item), name = inputs, model.inputs[1].name
        # A result column may not be called as one of the function's own arguments.
        column = f"{name}_" if name in ("model", "key", "k") else name
        yield Stub(function="recommend", arguments=(SqlType.STRING, owner, SqlType.INT), result=item, column=column)
        yield Stub(function="similar", arguments=(SqlType.STRING, item, SqlType.INT), result=item, column=column)


def create_table(connection: psycopg.Connection, record: TableRecord) -> None:
    """Create the empty table, to be read and inserted into by who may. Raises as ``declare_table`` does."""
    table = sql.Identifier(record.name)
    declare_table(connection, record)
    connection.execute(_template("let_read").format(table=table))
    if record.kind == "stream":
        connection.execute(_template("let_insert").format(table=table))


def declare_table(connection: psycopg.Connection, record: TableRecord) -> None:
    """Create the empty table, its owner's alone. Raises psycopg's DuplicateTable when the user has one of that name."""
    table = sql.Identifier(record.name)
    columns = sql.SQL(", ").join(_declared(column.name, column.type) for column in record.columns)
    connection.execute(_template("create_table").format(table=table, columns=columns))
    connection.execute(_template("comment_table").format(table=table, comment=sql.Literal(COMMENTS[record.kind])))
    connection.execute(_template("refuse_writes").format(table=table))


def drop_table(connection: psycopg.Connection, name: str) -> None:
    """Drop the empty table. Raises 2BP01 when views use it: they are PostgreSQL's, and not ours to drop."""
    try:
        connection.execute(_template("drop_table").format(table=sql.Identifier(name)))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise FlinkmsError(errors.DEPENDENT_OBJECTS_STILL_EXIST,
                           f"cannot drop table {name} because objects of PostgreSQL's depend on it",
                           detail=error.diag.message_detail, hint="Drop them first: CASCADE does not reach them.") from error


def create_stubs(connection: psycopg.Connection, model: ModelRecord) -> None:
    """Create the stubs that a new model needs. Raises 42723 when a user has a function of such a signature.

    Models of one signature share a stub; where their results differ, the first model's is declared: the frontend
    describes each call itself.
    """
    present = _present(connection)
    for stub in stubs_of(model):
        if stub.identity not in present:
            _create_stub(connection, stub)


def drop_stubs(connection: psycopg.Connection, models: Iterable[ModelRecord]) -> None:
    """Drop the stubs that none of these models needs; one that a view uses stays."""
    wanted = {stub.identity for model in models for stub in stubs_of(model)}
    for function, oids in _present(connection) - wanted:
        if not BY_OID.keys() >= set(oids):  # not of our making: no stub has such an argument
            continue
        arguments = _types([BY_OID[oid] for oid in oids])
        try:
            with connection.transaction():
                connection.execute(_template("drop_function").format(function=sql.Identifier(function), arguments=arguments))
        except psycopg.errors.DependentObjectsStillExist:
            continue


def _present(connection: psycopg.Connection) -> set[tuple[str, tuple[int, ...]]]:
    found = connection.execute(sqlfiles.queries("catalog/shadows")["list_stubs"])
    return {(row["name"], tuple(row["arguments"])) for row in found}


def _create_stub(connection: psycopg.Connection, stub: Stub) -> None:
    further = sql.SQL("").join(sql.SQL(", {}").format(_type(argument)) for argument in stub.arguments[1:])
    try:
        connection.execute(_template(f"create_{stub.function}").format(
            arguments=further, key=_type(stub.arguments[1]), item=_type(stub.result), result=_type(stub.result),
            column=sql.Identifier(stub.column)))
    except psycopg.errors.DuplicateFunction as error:
        signature = f"public.{stub.function}({', '.join(argument.value.postgres for argument in stub.arguments)})"
        raise FlinkmsError(errors.DUPLICATE_FUNCTION, f"function {signature} already exists and is not ours",
                           detail="The model would be called by this name and these arguments.",
                           hint=f"Drop it, or move it: ALTER FUNCTION {signature} SET SCHEMA …") from error
    connection.execute(_template("comment_function").format(function=sql.Identifier(stub.function),
                                                            arguments=_types(stub.arguments)))


def _template(name: str) -> sql.SQL:
    return sql.SQL(sqlfiles.queries("catalog/shadows")[name])


def _type(member: SqlType) -> sql.SQL:
    return sql.SQL(member.value.postgres)


def _types(members: Sequence[SqlType]) -> sql.Composed:
    return sql.SQL(", ").join(_type(member) for member in members)


def _declared(name: str, member: SqlType) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), _type(member))
