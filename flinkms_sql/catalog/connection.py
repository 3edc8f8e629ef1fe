"""A store's connection to PostgreSQL: transactions, reconnecting, and psycopg's errors as ours.

Must not know any statement of the registry but the lock that changes take. One transaction at a time: stores are shared
between threads, and a registry changes seldom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import psycopg
import psycopg.conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumperUnknown

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.records import still_held
from flinkms_sql.catalog.storable import dumps, storable_text
from flinkms_sql.errors import FlinkmsError

CONNECT_TIMEOUT_S = 10
"""Seconds to wait for PostgreSQL: it accepts within one even while it recovers."""

SEARCH_PATH = "-c search_path=pg_catalog,flinkms,pg_temp"
"""What names mean in the owner's connections: nothing that a client can have made."""

Connection = psycopg.Connection[dict[str, object]]

_SCHEMA = sqlfiles.queries("catalog/schema")


class _TextDumper(StrDumperUnknown):
    """Texts as psycopg sends them, without what PostgreSQL has no place for."""

    def dump(self, obj: str) -> bytes | None:
        """See psycopg."""
        return super().dump(storable_text(obj))


class Database:
    """One lazily opened connection; a connection that broke is replaced at the next transaction."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the connection, if there is one; the next transaction opens a new one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def connect(self) -> Connection:
        """A new autocommit connection, the caller's own. Raises 08006."""
        with translated():
            connection = psycopg.connect(owners(self._dsn), autocommit=True, row_factory=dict_row,
                                         connect_timeout=CONNECT_TIMEOUT_S, application_name="flinkms")
        # Whichever statement carries it: no value of ours is one that PostgreSQL refuses.
        set_json_dumps(dumps, connection)
        connection.adapters.register_dumper(str, _TextDumper)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A read-write transaction; raises FlinkmsError for whatever psycopg raises."""
        with self._lock, translated():
            connection = self._begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise

    @contextmanager
    def change(self) -> Iterator[tuple[Connection, datetime]]:
        """A transaction that changes tables, models, versions or aliases, and its moment.

        Changes are serial: they hold one lock, so that numbers, the generation and the times in the alias history grow
        in commit order, and no two of them deadlock.
        """
        with self.transaction() as connection:
            connection.execute(_SCHEMA["change_lock"])
            row = connection.execute(_SCHEMA["begin_change"]).fetchone()
            yield connection, row["at"]

    @contextmanager
    def exclusive(self, subject: str, *, wait_s: float, on_wait: Callable[[], None]) -> Iterator[None]:
        """See store.Store. The lock is held by a connection of its own: it goes when its holder does, however he ends."""
        with closing(self.connect()) as connection:
            with translated():
                connection.execute(_SCHEMA["exclusive_subject"], {"subject": subject})
                # The lock is a transaction's, whose end is that of the connection.
                connection.autocommit = False
                connection.execute(_SCHEMA["lock_timeout"], {"timeout": f"{max(round(wait_s * 1000), 1)}ms"})
                try:
                    with connection.transaction():
                        connection.execute(_SCHEMA["try_exclusive"], {"subject": subject})
                except psycopg.errors.LockNotAvailable:
                    on_wait()
                    try:
                        connection.execute(_SCHEMA["exclusive"], {"subject": subject})
                    except psycopg.errors.LockNotAvailable as error:
                        raise still_held(subject, wait_s) from error
            yield

    def _begin(self) -> Connection:
        # BEGIN has no effect that a second one could repeat: a connection that a restart of PostgreSQL broke is
        # found out here, and replaced once.
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = self.connect()
            try:
                self._connection.execute("BEGIN")
                return self._connection
            except psycopg.OperationalError:
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")


@contextmanager
def translated() -> Iterator[None]:
    """psycopg's errors as FlinkmsError: the server's own SQLSTATE and text, or 08006 for a lost connection."""
    try:
        yield
    except psycopg.Error as error:
        # A message from libpq has several lines and no SQLSTATE; nor has a value that psycopg itself refuses.
        broken = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        lost = broken if error.sqlstate is None else error.sqlstate.startswith("57P")
        message = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        raise FlinkmsError(
            errors.CONNECTION_FAILURE if lost else error.sqlstate or errors.DATA_EXCEPTION,
            f"control database: {message}",
            detail=error.diag.message_detail,
            hint=error.diag.message_hint,
        ) from error


def owners(dsn: str) -> str:
    """The connection string with what every connection of the registry's owner starts with."""
    given = psycopg.conninfo.conninfo_to_dict(dsn).get("options")
    return psycopg.conninfo.make_conninfo(dsn, options=f"{given} {SEARCH_PATH}" if given else SEARCH_PATH)
