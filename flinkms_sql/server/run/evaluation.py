"""Asking the engine on behalf of a session: with its clock, its zone and its
``flinkms.as_of``.

Must not know protocols or plans; this is the one place of the server that reads the time for a statement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flinkms_sql import errors
from flinkms_sql.engine import execute as execute_tree
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.nodes import Node
from flinkms_sql.server.context import Context
from udfs.block import Column

TIMEOUT_S_MIN = 1e-3
"""Seconds below which no statement_timeout can be: what takes less is not asked about."""


@contextmanager
def within_timeout(context: Context) -> Iterator[None]:
    """What is computed inside counts only when it was done within the session's statement_timeout.

    The engine is not interrupted: what took too long has no effect and is answered with 57014, but has taken that long.
    """
    began = time.monotonic()
    yield
    spent = time.monotonic() - began
    if spent > TIMEOUT_S_MIN and 0 < context.transaction.known.timeout_s < spent:
        raise FlinkmsError(errors.QUERY_CANCELED, "canceling statement due to statement timeout")


def run_node(context: Context, node: Node, values: Sequence[object]) -> Sequence[Column]:
    """The columns of a tree, as of the session's moment. Raises FlinkmsError."""
    with within_timeout(context):
        result = execute_tree.run_node(
            node, values, context.services.registry, now=time.time_ns() // 1000, zone=context.transaction.zone,
            as_of=context.transaction.as_of,
        )  # fmt: skip
    return result.columns
