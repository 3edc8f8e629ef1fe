"""Asking the engine on behalf of a session: with its clock and its ``flinkms.as_of``.

Must not know protocols or plans; this is the one place of the server that reads the time for a statement.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flinkms_sql.catalog.address import parse_moment
from flinkms_sql.engine import execute as execute_tree
from flinkms_sql.query.nodes import Node
from flinkms_sql.server.control import AS_OF
from udfs.block import Column

if TYPE_CHECKING:
    from flinkms_sql.server.session import Session


def as_of(session: Session) -> int | None:
    """The moment as of which this session resolves aliases (microseconds since 1970-01-01 UTC), or None for now."""
    text = session.control.ours.get(AS_OF)
    return parse_moment(text) if text else None


def run_node(session: Session, node: Node, values: Sequence[object]) -> Sequence[Column]:
    """The columns of a tree, as of the session's moment. Raises FlinkmsError."""
    registry = session.frontend.services.registry
    result = execute_tree.run_node(node, values, registry, now=time.time_ns() // 1000, as_of=as_of(session))
    return result.columns
