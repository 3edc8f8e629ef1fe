"""What happens when a request fails: who is told what, and what it aborts.

Must not know requests. An error with an SQLSTATE is reported as it is; anything else is a bug: XX000, and its traceback
in the log. In either case the session lives on, unless it is no longer known where the client's next message begins.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeGuard

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.wire import MalformedMessage, ProtocolError
from flinkms_sql.server import relay
from flinkms_sql.server.link import Link

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session

logger = logging.getLogger(__name__)


def ends_connection(error: BaseException) -> TypeGuard[FlinkmsError]:
    """Whether it is no longer known where the client's next message begins or what may be in it."""
    return isinstance(error, ProtocolError) and not isinstance(error, MalformedMessage)


def report(session: Session, error: BaseException) -> Coroutine[Any, Any, None] | None:
    """Report what went wrong with the oldest request; a coroutine when PostgreSQL must be told first."""
    if session.ended:
        return None
    if not isinstance(error, FlinkmsError):
        error = _bug(session, error)
    awaiting = session.connection.awaiting
    if ends_connection(error) or session.startup is not None or awaiting is None:
        session.die(error)
        return None
    session.inserts.failed(session.in_block)
    session.control.fail()
    link = session.link if session.link is not None and relay.needs_abort(session.link) else None
    if awaiting in (b"Q", b"F"):
        if link is not None:
            return _abort_and_end(session, link, error)
        _end(session, error)
        return None
    if link is not None:
        relay.abort_series(link)
    session.send(reports.error_response(error))
    if awaiting == b"S":
        session.ready()
    return None


def _bug(session: Session, error: BaseException) -> FlinkmsError:
    logger.error("session %d: %s", session.process_id, error, exc_info=error)
    return FlinkmsError(
        errors.INTERNAL_ERROR, f"internal error: {type(error).__name__}", hint="It is in the frontend's log."
    )


async def _abort_and_end(session: Session, link: Link, error: FlinkmsError) -> None:
    await relay.abort_block(link)
    _end(session, error)


def _end(session: Session, error: FlinkmsError) -> None:
    session.send(reports.error_response(error))
    session.ready()
