"""CREATE, REFRESH, ALTER, DROP and EVALUATE MODEL, INSERT INTO MODEL, STOP JOB.

The grammar of CREATE and DROP MODEL is Flink's (docs: Flink SQL, CREATE Statements); the others are ours.
"""

from __future__ import annotations

from flinkms_sql import errors
from flinkms_sql.catalog.address import ModelAddress, parse_address
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.cursor import Cursor
from flinkms_sql.query.lexer import Kind
from flinkms_sql.query.statements.parts import (
    take_columns,
    take_dropped,
    take_if_not_exists,
    take_object_name,
    take_options,
    take_query,
    take_version,
)
from flinkms_sql.query.statements.statement import (
    CreateModel,
    Deploying,
    DropAlias,
    DropModel,
    EvaluateModel,
    LearnModel,
    PromoteVersion,
    RefreshModel,
    RollbackModel,
    SetAlias,
    SetModelOptions,
    StopJob,
)


def parse_create_model(cursor: Cursor) -> CreateModel:
    """CREATE MODEL [IF NOT EXISTS] name INPUT (…) OUTPUT (…) [COMMENT '…'] WITH (…) [AS query]."""
    cursor.take("CREATE")
    if cursor.peek() == "OR":
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "a model cannot be replaced",
                           hint="REFRESH MODEL trains a new version; DROP MODEL first to declare it anew.",
                           position=cursor.position)  # fmt: skip
    cursor.take("MODEL")
    if_not_exists = take_if_not_exists(cursor)
    position = cursor.position
    name = take_object_name(cursor)
    if parse_address(name, position=position).name != name:
        raise FlinkmsError(errors.INVALID_NAME, f'"{name}" is no name of a model: what follows an @ says which version is meant',
                           position=position)  # fmt: skip
    cursor.take("INPUT")
    inputs = take_columns(cursor)
    cursor.take("OUTPUT")
    outputs = take_columns(cursor)
    if cursor.accept("COMMENT"):
        cursor.take_string()
    at = cursor.position
    cursor.take("WITH")
    options = take_options(cursor)
    if "algorithm" not in options:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'model "{name}" names no algorithm',
                           hint="Add 'algorithm' = 'als' or another to WITH (…).", position=at)  # fmt: skip
    query = take_query(cursor) if cursor.accept("AS") else None
    if query is None:
        cursor.take_end()
    return CreateModel(name=name, inputs=inputs, outputs=outputs, options=options, query=query,
                       if_not_exists=if_not_exists, definition=cursor.source(0, cursor.end), position=position)  # fmt: skip


def parse_learn(cursor: Cursor) -> LearnModel:
    """INSERT INTO MODEL name query."""
    cursor.take("INSERT", "INTO", "MODEL")
    position = cursor.position
    name = take_object_name(cursor)
    return LearnModel(name=name, query=take_query(cursor), position=position)


def parse_model_statement(cursor: Cursor) -> Deploying:
    """REFRESH, ALTER, DROP or EVALUATE MODEL, STOP JOB."""
    word = cursor.peek()
    cursor.at += 1
    if word == "STOP":
        cursor.take("JOB")
        position = cursor.position
        job = cursor.take_integer("a job number")
        cursor.take_end()
        return StopJob(job=job, position=position)
    cursor.take("MODEL")
    if word == "ALTER":
        return _alter(cursor)
    if word == "EVALUATE":
        position = cursor.position
        address = _take_address(cursor)
        cursor.take("USING")
        return EvaluateModel(address=address, query=take_query(cursor), position=position)
    if word == "DROP":
        targets, if_exists, cascade = take_dropped(cursor)
        return DropModel(targets=targets, if_exists=if_exists, cascade=cascade)
    position = cursor.position
    name = take_object_name(cursor)
    cursor.take_end()
    return RefreshModel(name=name, position=position)


def _alter(cursor: Cursor) -> Deploying:
    position = cursor.position
    name = take_object_name(cursor)
    statement: Deploying
    if cursor.accept("PROMOTE"):
        cursor.take("VERSION")
        statement = PromoteVersion(name=name, version=take_version(cursor), position=position)
    elif cursor.accept("ROLLBACK"):
        statement = RollbackModel(name=name, position=position)
    elif cursor.accept("SET", "ALIAS"):
        alias = _take_alias(cursor)
        cursor.take("TO", "VERSION")
        statement = SetAlias(name=name, alias=alias, version=take_version(cursor), position=position)
    elif cursor.accept("DROP", "ALIAS"):
        statement = DropAlias(name=name, alias=_take_alias(cursor), position=position)
    elif cursor.accept("SET"):
        statement = SetModelOptions(name=name, options=take_options(cursor), position=position)
    else:
        raise cursor.syntax_error(expected="PROMOTE VERSION, ROLLBACK, SET, SET ALIAS or DROP ALIAS")
    cursor.take_end()
    return statement


def _take_alias(cursor: Cursor) -> str:
    """A name that means itself behind an @. Raises 42602 for one that does not."""
    position = cursor.position
    alias = take_object_name(cursor)
    try:
        found = parse_address(f"m@{alias}").alias
    except FlinkmsError:
        found = None
    if found != alias:
        raise FlinkmsError(errors.INVALID_NAME, f'"{alias}" is no name of an alias', position=position,
                           hint="A number is a version, a date a moment.")  # fmt: skip
    return alias


def _take_address(cursor: Cursor) -> ModelAddress:
    """name, name@3, name@alias, or any address in quotes."""
    token, position = cursor.token, cursor.position
    if token is not None and token.kind is Kind.STRING:
        return parse_address(cursor.take_string(), position=position)
    text = take_object_name(cursor)
    if cursor.accept("@"):
        token = cursor.token
        text += "@" + (str(take_version(cursor)) if token and token.kind is Kind.NUMBER else cursor.take_name())
    return parse_address(text, position=position)
