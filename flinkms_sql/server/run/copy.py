"""COPY data on its way to PostgreSQL.

Must not know what is in it. Outside of a COPY these messages are what is left of one that failed: they are ignored
(54.2.6).
"""

from __future__ import annotations

from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.server.link import Link, Ticket


def forward(link: Link | None, frame: Frame) -> None:
    """Pass on a piece of COPY data, its end or its failure."""
    if link is not None and link.waiting:
        link.forward(frame, Ticket(delivers=True))
