"""What roles may do, followed from the control database: PostgreSQL's own grants are the only truth.

Must not decide anything. Grants notify nobody, so they are read again every second, and at once for whoever seems to
have too few.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from flinkms_sql.catalog.asynchronous import RightsReader
from flinkms_sql.catalog.roles import RoleRights
from flinkms_sql.errors import FlinkmsError

AGE_S_MAX = 1.0
"""Seconds after which what was revoked no longer holds. A look is one query of a few milliseconds."""

REFRESH_PAUSE_S = 0.02
"""Seconds between two looks that sessions ask for: a client that is refused in a loop costs one query for each of these."""

logger = logging.getLogger(__name__)


class Access:
    """See server.rights.Access."""

    def __init__(self, reader: RightsReader) -> None:
        self._reader = reader
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self.known: Mapping[str, RoleRights] = {}
        self.readers: frozenset[str] = frozenset()

    async def refresh(self) -> None:
        """Ask again: what was granted before this was called is known when it returns. Raises FlinkmsError 08006."""
        asked_at = time.monotonic()
        async with self._lock:
            if self._read_at > asked_at:
                return
            await asyncio.sleep(max(0.0, self._read_at + REFRESH_PAUSE_S - time.monotonic()))
            started_at = time.monotonic()
            self.known = await self._reader.rights()
            self.readers = frozenset(name for name, rights in self.known.items() if rights.reads and not rights.functions)
            self._read_at = started_at

    async def watch(self) -> None:
        """Follow the grants, for ever. While the control database is away, the last ones hold."""
        while True:
            await asyncio.sleep(AGE_S_MAX)
            try:
                await self.refresh()
            except FlinkmsError as error:
                logger.warning("rights: %s", error)

    async def close(self) -> None:
        """Close what it reads from."""
        await self._reader.close()
