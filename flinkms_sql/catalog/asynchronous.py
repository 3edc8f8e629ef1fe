"""The registry for an event loop: what a frontend needs of it, snapshots and the news that there is a newer one.

Must not change anything; a frontend's changes go through PostgresStore in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
from psycopg.rows import dict_row

from flinkms_sql import sqlfiles
from flinkms_sql.catalog import rows
from flinkms_sql.catalog.connection import CONNECT_TIMEOUT_S, owners, translated
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.catalog.roles import RoleRights

_SCHEMA = sqlfiles.queries("catalog/schema")
_ACCESS = sqlfiles.queries("catalog/access")


class SnapshotReader:
    """Reads snapshots and listens, over one connection per use."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def snapshot(self) -> Snapshot:
        """The catalog as of now. Raises 08006 when the control database cannot be reached."""
        with translated():
            async with await _connect(self._dsn) as connection:
                return await _read(connection)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """The catalog as of now, then again after each change; bursts of changes give one snapshot.

        Ends by raising 08006 when the connection is lost: the caller calls again after a pause.
        """
        with translated():
            async with await _connect(self._dsn) as connection:
                # Listening first: a change between the two is told of rather than missed.
                await connection.execute(_SCHEMA["listen_catalog"])
                last = await _read(connection)
                yield last
                while True:
                    async for _ in connection.notifies(stop_after=1):
                        pass
                    # Anybody may notify: a look at one number tells news from noise.
                    if await _generation(connection) != last.generation:
                        last = await _read(connection)
                        yield last


class RightsReader:
    """Reads who may do what, over one connection that is kept."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[dict[str, object]] | None = None

    async def rights(self) -> dict[str, RoleRights]:
        """The rights of every role that has some, by name. Raises 08006 when the control database cannot be reached."""
        with translated():
            if self._connection is None or self._connection.closed:
                self._connection = await _connect(self._dsn)
            cursor = await self._connection.execute(_ACCESS["rights"])
            return {row["role"]: rows.role_rights(row) for row in await cursor.fetchall()}

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()


async def _connect(dsn: str) -> psycopg.AsyncConnection[dict[str, object]]:
    return await psycopg.AsyncConnection.connect(owners(dsn), autocommit=True, row_factory=dict_row,
                                                 connect_timeout=CONNECT_TIMEOUT_S, application_name="flinkms")


async def _generation(connection: psycopg.AsyncConnection[dict[str, object]]) -> int:
    row = await (await connection.execute(_SCHEMA["generation"])).fetchone()
    return row["value"]


async def _read(connection: psycopg.AsyncConnection[dict[str, object]]) -> Snapshot:
    found = []
    async with connection.transaction():
        await connection.execute(_SCHEMA["one_moment"])
        for file, name in rows.SNAPSHOT_STATEMENTS:
            cursor = await connection.execute(sqlfiles.queries(f"catalog/{file}")[name])
            found.append(await cursor.fetchall())
    return rows.snapshot(*found)
