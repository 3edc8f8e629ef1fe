"""One line for each of our statements: what EXPLAIN and logs say of it."""

from __future__ import annotations

from collections.abc import Mapping

from flinkms_sql.query.flinkquery import FlinkQuery
from flinkms_sql.query.statements.statement import (
    Column,
    CreateModel,
    CreateTable,
    Deploying,
    DropAlias,
    DropModel,
    DropTable,
    EvaluateModel,
    LearnModel,
    PromoteVersion,
    RefreshModel,
    RollbackModel,
    Score,
    SetAlias,
    SetModelOptions,
    StopJob,
)


def describe(statement: Deploying) -> str:
    """What the statement does, with what it names."""
    match statement:
        case CreateTable():
            key = f", primary key {', '.join(statement.primary_key)}" if statement.primary_key else ""
            watermark = f", watermark {statement.watermark}" if statement.watermark else ""
            return (f"create table {statement.name} ({_columns(statement.columns)}{key}{watermark})"
                    f" with {_options(statement.options)}{_unless(statement.if_not_exists)}")  # fmt: skip
        case CreateModel():
            training = f", train from {_query(statement.query)}" if statement.query else ""
            return (f"create model {statement.name} ({_columns(statement.inputs)}) -> {_columns(statement.outputs)}"
                    f" with {_options(statement.options)}{_unless(statement.if_not_exists)}{training}")  # fmt: skip
        case LearnModel():
            return f"learn model {statement.name} from {_query(statement.query)}"
        case Score():
            columns = f" ({', '.join(statement.columns)})" if statement.columns else ""
            return f"score into {statement.table}{columns} from {_query(statement.query)}"
        case RefreshModel():
            return f"refresh model {statement.name}"
        case PromoteVersion():
            return f"promote version {statement.version} of model {statement.name}"
        case SetAlias():
            return f"let {statement.name}@{statement.alias} mean version {statement.version}"
        case DropAlias():
            return f"drop alias {statement.name}@{statement.alias}"
        case RollbackModel():
            return f"roll back model {statement.name}"
        case SetModelOptions():
            return f"set options of model {statement.name}: {_options(statement.options)}"
        case DropModel():
            return f"drop model {_dropped(statement)}"
        case DropTable():
            return f"drop table {_dropped(statement)}"
        case EvaluateModel():
            return f"evaluate model {statement.address} over {_query(statement.query)}"
        case StopJob():
            return f"stop job {statement.job}"


def _dropped(statement: DropModel | DropTable) -> str:
    return (f"{', '.join(statement.names)}{' if it exists' if statement.if_exists else ''}"
            f"{' with what depends on it' if statement.cascade else ''}")  # fmt: skip


def _columns(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{column.name} {column.type.value.flink}" for column in columns)


def _options(options: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items())) or "no options"


def _unless(if_not_exists: bool) -> str:
    return " unless it exists" if if_not_exists else ""


def _query(query: FlinkQuery) -> str:
    tables = ", ".join(table.name for table in query.tables) or "no table"
    calls = "".join(f", predict {call.address}({', '.join(call.arguments)})" for call in query.calls)
    return f"{tables}{calls}: {query.text}"
