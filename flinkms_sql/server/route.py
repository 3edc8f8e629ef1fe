"""Who answers a statement, or why it is refused: a pure function of its plan, its text and what the session is in.

Must not know how anything is run. The simple and the extended protocol ask the same question; only a whole Query can go
to PostgreSQL as the bytes it came in, so the one gives ``alone`` and the other does not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.messages import TransactionStatus
from flinkms_sql.query.plan import (
    DeployPlan,
    LocalPlan,
    Plan,
    RelayPlan,
    StreamInsertPlan,
)
from flinkms_sql.query.statements.statement import (
    Begin,
    CleanUp,
    Commit,
    Empty,
    EvaluateModel,
    PrepareTransaction,
    Rollback,
    Savepoint,
    SessionStatement,
    SetParameter,
    ShowParameter,
)
from flinkms_sql.server import replies
from flinkms_sql.server.names import deallocated_name, executed_name, may_end_transaction
from flinkms_sql.server.parameters import AS_OF, is_local, refusal
from flinkms_sql.server.transaction import aborted


class Route(Enum):
    """Where a statement goes."""

    HERE = auto()
    """It is answered by the frontend, which may ask PostgreSQL for a part of it."""
    RAW = auto()
    """To PostgreSQL, as the message it came in."""
    TEXT = auto()
    """To PostgreSQL, as a statement of its own that the frontend waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What of a session decides about a statement.

    linked:   it has a link to PostgreSQL.
    hidden:   an implicit block is open there, that of a text of several statements.
    several:  the statement is one of a text of several.
    pending:  rows of streams wait for the end of the transaction.
    shown:    names of settings whose values are known here.
    prepared: names of statements that are kept here.
    executes: the statement is to be run now, not only parsed or bound.
    """

    status: TransactionStatus = "idle"
    linked: bool = False
    hidden: bool = False
    several: bool = False
    pending: bool = False
    shown: Collection[str] = ()
    prepared: Collection[str] = ()
    executes: bool = True


def route(plan: Plan, text: str, view: View) -> Route:
    """Where a statement goes. Raises FlinkmsError when it is refused."""
    _refuse(plan, text, view)
    match plan:
        case LocalPlan():
            return _route_session(plan.statement, view)
        case RelayPlan():
            if deallocated_name(text) in view.prepared:
                return Route.HERE
            if not view.linked and replies.without_backend(text) is not None:
                return Route.HERE
            # Rows of an implicit transaction are appended when its text is done, which PostgreSQL would report itself.
            implicit = view.pending and view.status == "idle"
            return Route.TEXT if view.several or implicit else Route.RAW
    return Route.HERE


def _route_session(statement: SessionStatement, view: View) -> Route:
    if is_ours(statement) or isinstance(statement, Empty):
        return Route.HERE
    if not view.linked:
        return Route.HERE if _is_known_here(statement, view) else Route.TEXT if view.several else Route.RAW
    if view.pending and isinstance(statement, Commit):
        return Route.HERE  # the answer waits until the rows are durable
    if view.hidden and isinstance(statement, Begin | Commit | Rollback):
        return Route.HERE
    return Route.TEXT if view.several else Route.RAW


def is_ours(statement: SessionStatement) -> bool:
    """Whether a statement is about a setting that PostgreSQL does not keep."""
    return isinstance(statement, SetParameter | ShowParameter) and statement.name == AS_OF


def _is_known_here(statement: SessionStatement, view: View) -> bool:
    match statement:
        case Begin():
            return not statement.modes or (view.status == "idle" and not view.pending)
        case Commit() | Rollback() | CleanUp():
            return True
        case SetParameter(local=True) if view.several and view.status == "idle":
            return False
        case SetParameter():
            return is_local(statement.name, statement.value)
        case ShowParameter():
            return statement.name in view.shown
    return False


# ---- what is refused ----


def _refuse(plan: Plan, text: str, view: View) -> None:
    statement = plan.statement if isinstance(plan, LocalPlan) else None
    if view.status == "failed" and not isinstance(statement, Commit | Rollback | Savepoint | PrepareTransaction):
        raise aborted()
    if isinstance(statement, SetParameter) and (error := refusal(statement.name, statement.value)) is not None:
        raise error
    if view.executes:
        _refuse_here(statement, view)
    match plan:
        case RelayPlan():
            _refuse_relay(text, view)
        case DeployPlan() if view.executes and (view.status != "idle" or view.hidden):
            raise FlinkmsError(
                errors.ACTIVE_TRANSACTION,
                "a statement that deploys cannot run inside a transaction block",
                detail="Training and jobs cannot be rolled back.",
                hint="Switch autocommit on.",
            )


def _refuse_here(statement: SessionStatement | None, view: View) -> None:
    """What the state of the block forbids."""
    match statement:
        case Commit(chain=True) | Rollback(chain=True) | Savepoint() if view.status == "idle":
            raise FlinkmsError(
                errors.NO_ACTIVE_TRANSACTION, f"{_words(statement)} can only be used in transaction blocks"
            )
        case Savepoint(action="rollback to", name=name) if view.status == "failed" and not view.linked:
            # One would have taken a link.
            raise FlinkmsError(errors.INVALID_SAVEPOINT, f'savepoint "{name}" does not exist')
        case PrepareTransaction() if view.pending:
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, "cannot PREPARE a transaction that has inserted rows into streams",
                hint="COMMIT it.",
            )  # fmt: skip


def _words(statement: SessionStatement | None) -> str:
    match statement:
        case Commit():
            return "COMMIT AND CHAIN"
        case Rollback():
            return "ROLLBACK AND CHAIN"
        case Savepoint(action="release"):
            return "RELEASE SAVEPOINT"
        case Savepoint(action="rollback to"):
            return "ROLLBACK TO SAVEPOINT"
    return "SAVEPOINT"


def _refuse_relay(text: str, view: View) -> None:
    name = executed_name(text) if view.prepared else None
    if name in view.prepared:
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED, f'EXECUTE of "{name}" is not supported: it calls a model or writes a stream',
            hint="Bind and execute it by the protocol, as drivers do.",
        )  # fmt: skip
    if view.executes and view.pending and view.status == "idle" and not view.several and may_end_transaction(text):
        raise ended_out_of_sight()


def ended_out_of_sight() -> FlinkmsError:
    """The error for a statement that could end the transaction of rows which wait, unseen."""
    return FlinkmsError(
        errors.FEATURE_NOT_SUPPORTED, "CALL and DO cannot follow INSERT INTO a stream in one implicit transaction",
        detail="They may commit or roll back within.", hint="Open a block with BEGIN, or send a Sync between them.",
    )  # fmt: skip


def refuse_writing(plan: Plan, *, read_only: bool) -> None:
    """Raise 25006 for what a read-only transaction does not do; what PostgreSQL runs is PostgreSQL's to refuse."""
    match plan:
        case StreamInsertPlan():
            what = "INSERT"
        case DeployPlan(statement=EvaluateModel()):
            return
        case DeployPlan():
            what = " ".join(plan.text.split()[:2]).upper()
        case _:
            return
    if read_only:
        raise FlinkmsError(errors.READ_ONLY_TRANSACTION, f"cannot execute {what} in a read-only transaction")
