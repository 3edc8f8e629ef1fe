"""Parts that run while a test does: a supervisor in a thread, over a directory of its own."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psycopg
from psycopg import sql

from flinkms_sql import sqlfiles
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.state import PartState
from flinkms_sql.runtime.supervisor import Supervisor
from flinkms_sql.settings import DATABASE

WAIT_S_MAX = 60.0


@dataclass
class Running:
    """A supervisor in a thread; ``parts`` is what it reported last, ``error`` what it raised."""

    supervisor: Supervisor | None = None
    parts: dict[str, PartState] = field(default_factory=dict)
    error: FlinkmsError | None = None

    def report(self, parts: Sequence[PartState]) -> None:
        self.parts = {part.name: part for part in parts}

    def run(self) -> None:
        try:
            self.supervisor.run()
        except FlinkmsError as error:
            self.error = error

    def wait_ready(self) -> None:
        """Wait until every part is ready."""
        wait_for(lambda: self.error or (self.parts and all(part.phase == "ready" for part in self.parts.values())))
        if self.error:
            raise self.error


def wait_for(condition: Callable[[], object], wait_s: float = WAIT_S_MAX) -> None:
    """Wait until a condition holds. Raises AssertionError when it never does."""
    until = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@contextmanager
def running(parts: Sequence[Part], data_dir: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Running]:
    """Run parts; on leaving, nothing of them is left."""
    held = Running()
    held.supervisor = Supervisor(parts, data_dir=data_dir, report=held.report, settings=settings)
    thread = threading.Thread(target=held.run)
    thread.start()
    try:
        yield held
    finally:
        held.supervisor.stop()
        thread.join(WAIT_S_MAX)
        assert not thread.is_alive()


def make_passable(directory: Path) -> None:
    """Let PostgreSQL's user pass, when we are root: pytest's directories are private, and made so again at each start."""
    if os.geteuid() != 0:
        return
    for place in (directory, *directory.parents):
        if place.stat().st_uid == 0 and not place.stat().st_mode & stat.S_IXOTH:
            place.chmod(stat.S_IMODE(place.stat().st_mode) | stat.S_IXOTH)


@contextmanager
def running_postgres(data_dir: Path) -> Iterator[str]:
    """An embedded PostgreSQL without the registry: its connection string."""
    data_dir.mkdir(parents=True, exist_ok=True)
    make_passable(data_dir)
    with running([postgres.part(data_dir)], data_dir) as held:
        held.wait_ready()
        yield postgres.dsn(data_dir)


def renew(data_dir: Path) -> None:
    """Make databases and roles of a server as those of a new one: cheaper than another server."""
    superuser = postgres.dsn(data_dir, user=postgres.SUPERUSER).replace(f"dbname={DATABASE}", "dbname=postgres")
    with closing(psycopg.connect(superuser, autocommit=True)) as connection:
        for (name,) in connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'").fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        while roles := connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'").fetchall():
            for (name,) in roles:
                # One that has granted a membership goes after the role that it is of.
                with suppress(psycopg.errors.DependentObjectsStillExist):
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
        for statement in sqlfiles.load("runtime/initialize").split(";"):
            if statement.strip():
                connection.execute(statement)
