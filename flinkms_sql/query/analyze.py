"""The entry: the text of one statement -> its plan.

Must not know who asks. The catalog is a snapshot, so the same text, types and snapshot always give the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.classify import (
    Owner,
    classify,
    flink_tables,
    foreign_calls,
    insert_target,
    is_load,
    target_table,
    written_after_with,
)
from flinkms_sql.query.constants import Parameters
from flinkms_sql.query.cursor import Cursor, split_commas
from flinkms_sql.query.enginequery import plan_engine_query
from flinkms_sql.query.insert import plan_stream_insert
from flinkms_sql.query.lexer import Token, name_value, tokenize
from flinkms_sql.query.limits import refuse_deep
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.query.plan import METRIC_COLUMNS, DeployPlan, ExplainPlan, LocalPlan, Plan, RelayPlan
from flinkms_sql.query.rewrite import plan_rewritten
from flinkms_sql.query.scopes import Structure, read_structure
from flinkms_sql.query.signatures import CatalogView
from flinkms_sql.query.sources import NeedsPostgres
from flinkms_sql.query.statements.models import parse_create_model, parse_learn, parse_model_statement
from flinkms_sql.query.statements.session import parse_session
from flinkms_sql.query.statements.show import parse_show
from flinkms_sql.query.statements.statement import Deploying, Empty, ShowParameter
from flinkms_sql.query.statements.tables import parse_create_table, parse_drop_table, parse_score
from flinkms_sql.types import SqlType

_SHOWN_NAMES = {"timezone": "TimeZone", "datestyle": "DateStyle", "intervalstyle": "IntervalStyle"}
"""Settings whose names PostgreSQL does not write in lower case."""

def analyze(text: str, catalog: CatalogView, parameter_oids: Sequence[int] = ()) -> Plan:
    """The plan of one statement; ``parameter_oids`` are the types the client declared, 0 where it did not.

    Raises FlinkmsError with a position in ``text``.
    """
    if is_load(text, catalog):
        return RelayPlan()
    tokens = tokenize(text)
    while tokens and tokens[-1].word == ";":
        tokens.pop()
    owner = classify(tokens, catalog)
    if owner in (Owner.DEPLOY, Owner.INSERT, Owner.MODEL):
        refuse_deep(tokens)
    match owner:
        case Owner.EMPTY:
            return LocalPlan(statement=Empty())
        case Owner.SESSION:
            return _plan_session(text, tokens)
        case Owner.SHOW:
            return parse_show(Cursor(text, tokens), catalog)
        case Owner.DEPLOY:
            return _plan_deploy(text, tokens, catalog)
        case Owner.INSERT:
            return _plan_insert(text, tokens, catalog, parameter_oids)
        case Owner.EXPLAIN:
            return _plan_explain(text, tokens, catalog, parameter_oids)
        case Owner.FLINK:
            raise _flink_error(tokens, catalog)
        case Owner.MODEL:
            return _plan_model(text, tokens, catalog, parameter_oids)
        case Owner.RELAY:
            return RelayPlan()


def _plan_session(text: str, tokens: list[Token]) -> Plan:
    statement = parse_session(Cursor(text, tokens))
    if statement is None:
        return RelayPlan()
    columns = ()
    if isinstance(statement, ShowParameter):
        name = _SHOWN_NAMES.get(statement.name, statement.name)
        columns = (OutputColumn(name=name, type=SqlType.STRING),)
    return LocalPlan(statement=statement, columns=columns)


def _plan_deploy(text: str, tokens: list[Token], catalog: CatalogView) -> Plan:
    cursor = Cursor(text, tokens)
    statement: Deploying
    match cursor.peek(), cursor.peek(1):
        case ("CREATE", "MODEL" | "OR"):
            statement = parse_create_model(cursor)
        case ("CREATE", _):
            statement = parse_create_table(cursor)
        case ("DROP", "TABLE"):
            statement = parse_drop_table(cursor, catalog)
        case ("INSERT", _):
            statement = parse_learn(cursor)
        case _:
            statement = parse_model_statement(cursor)
    return DeployPlan(statement=statement, text=text, columns=METRIC_COLUMNS if cursor.tokens[0].word == "EVALUATE" else ())


def _plan_insert(text: str, tokens: list[Token], catalog: CatalogView, oids: Sequence[int]) -> Plan:
    target = insert_target(tokens, catalog)
    assert target is not None
    table = catalog.table(name_value(tokens[target]) or "")
    assert table is not None
    structure = read_structure(tokens)
    for named in structure.tables:
        if named.qualified is None and catalog.hides(named.name):
            raise _ambiguous(f'table "{named.name}"', tokens[named.token].position)
    if table.kind == "flink" or flink_tables(structure, catalog):
        return DeployPlan(statement=parse_score(Cursor(text, tokens), target), text=text)
    _refuse_foreign(tokens, structure, catalog)
    return plan_stream_insert(text, tokens, target, catalog, Parameters(oids))


def _refuse_foreign(tokens: list[Token], structure: Structure, catalog: CatalogView) -> None:
    """Raise 0A000 where PostgreSQL would have to say which function is called, and we have to run the statement."""
    for call in foreign_calls(tokens, structure, catalog):
        raise _ambiguous(f'function "{call.function}"', tokens[call.start].position, f"flinkms.{call.function}")


def _ambiguous(what: str, position: int, ours: str = "the name of the other one with its schema") -> FlinkmsError:
    return FlinkmsError(
        errors.FEATURE_NOT_SUPPORTED, f"{what} may be another one than that of flinkms here",
        detail="There is one of its name in a schema that search_path has.", hint=f"Write {ours}.", position=position,
    )  # fmt: skip


def _plan_model(text: str, tokens: list[Token], catalog: CatalogView, oids: Sequence[int]) -> Plan:
    structure = read_structure(tokens)
    _refuse_foreign(tokens, structure, catalog)
    try:
        return plan_engine_query(text, tokens, structure, catalog, Parameters(oids))
    except NeedsPostgres:
        return plan_rewritten(text, tokens, structure, catalog, Parameters(oids))


def _plan_explain(text: str, tokens: list[Token], catalog: CatalogView, oids: Sequence[int]) -> Plan:
    """EXPLAIN [ANALYZE] [VERBOSE] statement, or with options in parentheses."""
    cursor = Cursor(text, tokens, 1)
    options: dict[str, str] = {}
    if cursor.peek() == "(" and cursor.peek(1) not in ("SELECT", "WITH", "VALUES", "("):
        start, end = cursor.skip_parentheses()
        for first, last in split_commas(tokens, start, end):
            options[tokens[first].text.lower()] = tokens[last - 1].text.lower() if last - first > 1 else "true"
    else:
        for word in ("ANALYZE", "VERBOSE"):
            if cursor.accept(word):
                options[word.lower()] = "true"
    if cursor.done() or cursor.peek() == "EXPLAIN":  # which PostgreSQL refuses: nothing of ours is inside
        return RelayPlan()
    offset = tokens[cursor.at].start
    inner = analyze(" " * offset + text[offset:], catalog, oids)  # so that positions stay those of the whole text
    if isinstance(inner, (RelayPlan, LocalPlan)):
        return RelayPlan()
    analyzed = options.get("analyze", "false") not in ("false", "off", "0")
    return ExplainPlan(inner=inner, analyze=analyzed, options=options)


def _flink_error(tokens: list[Token], catalog: CatalogView) -> FlinkmsError:
    target = target_table(tokens, catalog)
    if target is not None:
        return FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED,
            f'{tokens[0].word} of "{name_value(tokens[target])}" is not supported: it is a Flink table',
            hint="A stream is only appended to, by INSERT.",
            position=tokens[target].position,
        )
    written = written_after_with(tokens, catalog)
    if written is not None:
        return FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED, f'a WITH clause before what is written to "{name_value(tokens[written])}" is not supported',
            hint="Into a stream INSERT … VALUES, or SELECT from unnest, generate_series or VALUES; from Flink tables a query "
                 "that begins with WITH behind the name of the table.", position=tokens[written].position,
        )  # fmt: skip
    table = flink_tables(read_structure(tokens), catalog)[0]
    signature = catalog.table(table.name)
    kind = "stream" if signature is not None and signature.kind == "stream" else "Flink table"
    return FlinkmsError(
        errors.FEATURE_NOT_SUPPORTED,
        f'reading {kind} "{table.name}" from SQL runs as a Flink job and is not available through the frontend yet',
        hint="Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.",
        position=tokens[table.token].position,
    )
