"""Asking the engine on behalf of a session: with its clock, its zone and its
``flinkms.as_of``.

Must not know protocols or plans; this is the one place of the server that reads the time for a statement.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from flinkms_sql.engine import execute as execute_tree
from flinkms_sql.query.nodes import Node
from flinkms_sql.server.context import Context
from udfs.block import Column


def run_node(context: Context, node: Node, values: Sequence[object]) -> Sequence[Column]:
    """The columns of a tree, as of the session's moment. Raises FlinkmsError."""
    result = execute_tree.run_node(
        node, values, context.services.registry, now=time.time_ns() // 1000, zone=context.transaction.zone,
        as_of=context.transaction.as_of,
    )  # fmt: skip
    return result.columns
