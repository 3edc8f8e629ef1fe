"""What the registry knows of things that nothing needs any more, for upkeep: the protocol, and how PostgreSQL keeps it.

Must not delete files, nor know how long anything is kept. Leftovers are noted by whatever drops, fails or retires
something, in the same transaction (triggers in PostgreSQL), so that nothing is forgotten however it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from flinkms_sql import sqlfiles
from flinkms_sql.catalog.connection import Database
from flinkms_sql.places import Claim

_LIFETIMES = sqlfiles.queries("catalog/lifetimes")

VERSION_PATH = "path"
"""Option of a training: the path of the version that it trains. Its model's name and number can be another's meanwhile."""

LEARNERS = "learners"
"""Option of a standing job whose model was dropped: the Flink jobs that taught its versions. What is said of a model is
forgotten with it, but they have to be ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A directory that nothing registered names any more, since a moment."""

    path: Claim
    kind: Literal["version", "stream"]
    since: datetime


class Lifetimes(Protocol):
    """The part of a Store that only upkeep uses."""

    def leftovers(self) -> list[Leftover]:
        """Directories of dropped streams, and of dropped, failed and retired versions; the oldest first.

        One that is registered again, or still, is not among them. A directory that a user named is the user's.
        """

    def forget_leftover(self, path: Claim) -> None:
        """Its files are gone."""

    def checkpoints_in_use(self) -> frozenset[str]:
        """Flink job ids whose checkpoints may still be needed, and URIs of such checkpoints.

        Of jobs that have not ended, and of the learners of versions that are ready or in training: what a version has
        learned is in them.
        """

    def trim_jobs(self, keep: int) -> int:
        """Forget ended jobs but for the newest ``keep``; how many. The newest training of each model stays (REFRESH
        repeats it), and so does a job on whose behalf a version learned."""


class PostgresLifetimes:
    """Lifetimes over a database; PostgresStore is one."""

    _database: Database

    def leftovers(self) -> list[Leftover]:
        """See Lifetimes."""
        with self._database.transaction() as connection:
            return [Leftover(path=Claim(row["path"]), kind=row["kind"], since=row["since"])
                    for row in connection.execute(_LIFETIMES["leftovers"])]

    def forget_leftover(self, path: Claim) -> None:
        """See Lifetimes."""
        with self._database.transaction() as connection:
            connection.execute(_LIFETIMES["forget_leftover"], {"path": path.text})

    def checkpoints_in_use(self) -> frozenset[str]:
        """See Lifetimes."""
        with self._database.transaction() as connection:
            found = connection.execute(_LIFETIMES["checkpoints_in_use"]).fetchall()
        return frozenset(name for row in found for name in row.values() if name is not None)

    def trim_jobs(self, keep: int) -> int:
        """See Lifetimes."""
        with self._database.transaction() as connection:
            return connection.execute(_LIFETIMES["trim_jobs"], {"keep": keep}).rowcount
