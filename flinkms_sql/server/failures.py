"""What happens when a request fails: who is told what, and what it aborts.

Must not know requests. An error with an SQLSTATE is reported as it is; anything else is a bug: XX000, and its traceback
in the log. In either case the session lives on, unless it is no longer known where the client's next message begins.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, TypeGuard

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire import reports
from flinkms_sql.pgwire.wire import MalformedMessage, ProtocolError
from flinkms_sql.server import relay
from flinkms_sql.server.context import Context
from flinkms_sql.server.link import Link
from flinkms_sql.server.simple import ready

logger = logging.getLogger(__name__)


def ends_connection(error: BaseException) -> TypeGuard[FlinkmsError]:
    """Whether it is no longer known where the client's next message begins or what may be in it."""
    return isinstance(error, ProtocolError) and not isinstance(error, MalformedMessage)


def report(context: Context, error: BaseException, *, starting: bool) -> Coroutine[Any, Any, None] | None:
    """Report what went wrong with the oldest request; a coroutine when PostgreSQL must be told first.

    starting: the client is not in yet, so that any error ends the connection.
    """
    outbox, transaction = context.outbox, context.transaction
    if outbox.closed:
        return None
    if not isinstance(error, FlinkmsError):
        error = _bug(error)
    awaiting = outbox.connection.awaiting
    if ends_connection(error) or starting or awaiting is None:
        outbox.die(error)
        return None
    link = relay.to_abort(transaction)
    outbox.drop_held()
    for name, value in transaction.failed().items():
        outbox.send(m.ParameterStatus(name=name, value=value))
    if awaiting in (b"Q", b"F"):
        if link is not None:
            return _abort_and_end(context, link, error)
        _end(context, error)
        return None
    if link is not None:
        relay.abort_series(link)
    outbox.send(reports.error_response(error))
    if awaiting == b"S":
        ready(context)
    return None


def _bug(error: BaseException) -> FlinkmsError:
    logger.error("%s", error, exc_info=error)
    return FlinkmsError(
        errors.INTERNAL_ERROR, f"internal error: {type(error).__name__}", hint="It is in the frontend's log."
    )


async def _abort_and_end(context: Context, link: Link, error: FlinkmsError) -> None:
    await relay.abort_block(link)
    _end(context, error)


def _end(context: Context, error: FlinkmsError) -> None:
    context.outbox.send(reports.error_response(error))
    ready(context)
