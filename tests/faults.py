"""What the tests of faults use: kill -9 of a part, clients that insert through it, and the truth as the files have it.

Only processes that ``flinkms status`` names as this deployment's own are killed.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psycopg
from typing_extensions import Self

from flinkms_sql.modellog.frame import APPEND
from flinkms_sql.modellog.partition import PartitionReader, Superseded
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.table import TableReplica
from flinkms_sql.runtime import state, status
from tests.deployment import Deployment

HEAL_S_MAX = 120.0
"""Seconds for a deployment to be whole again on a machine that does other things; ten when it is idle."""

RECONNECT_PAUSE_S = 0.05


def pid_of(deployment: Deployment, part: str) -> int:
    """Process id of a part, or of the ``supervisor``."""
    if part == "supervisor":
        found = state.read(deployment.settings.run)
        assert found is not None and found.supervisor.alive
        return found.supervisor.pid
    return next(found.pid for found in status.read(deployment.settings.data_dir) if found.part == part)


def kill(deployment: Deployment, part: str) -> int:
    """kill -9; the process id that is no more."""
    pid = pid_of(deployment, part)
    os.kill(pid, signal.SIGKILL)
    return pid


def healed(deployment: Deployment, part: str, killed: int) -> float:
    """Wait until every part is ready and the killed one is another process; the seconds that took.

    Nobody restarts a supervisor: that is a person's, or the system's, ``flinkms up``.
    """
    began = time.monotonic()
    if part == "supervisor":
        deployment.command("up", "--detach")

    def whole() -> bool:
        parts = status.read(deployment.settings.data_dir)
        return len(parts) > 0 and all(found.state == "ready" and found.pid != killed for found in parts)

    wait_for(whole, f"{part} to be back", HEAL_S_MAX)
    return time.monotonic() - began


def wait_for(condition: Callable[[], object], what: str, wait_s: float = HEAL_S_MAX) -> None:
    """Wait until a condition holds. Raises AssertionError that names it."""
    until = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < until, f"waited {wait_s:.0f} s for {what}"
        time.sleep(0.05)


@dataclass(slots=True)
class Inserted:
    """What one client knows: ids whose INSERT was acknowledged, ids it never heard of again, connections it lost."""

    acknowledged: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    connections_lost: int = 0


class Background:
    """Work in threads of its own, joined at the end of a ``with``: what would go on for ever looks at ``stopping``."""

    def __init__(self, *works: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Wait for its end; what it made is complete afterwards."""
        self.stopping.set()
        for thread in self._threads:
            thread.join()


class Clients(Background):
    """Clients that insert (event_id, user_id, item_id, rating) rows, one to three a statement.

    Each on a connection of its own, autocommit. A statement that fails ends the connection; the next has new ids.
    """

    def __init__(self, deployment: Deployment, statement: str, *, count: int, per_s: float, users: int, items: int,
                 seed: int) -> None:
        self._deployment = deployment
        self._statement = statement
        self._pause_s = 1 / per_s
        self._sides = (users, items)
        self._ids = itertools.count(1)
        self.inserted = [Inserted() for _ in range(count)]
        super().__init__(*(partial(self._run, mine, np.random.default_rng((seed, number)))
                           for number, mine in enumerate(self.inserted)))

    @property
    def acknowledged(self) -> list[int]:
        """Ids of all clients whose INSERT was acknowledged."""
        return [number for mine in self.inserted for number in mine.acknowledged]

    def _run(self, mine: Inserted, random: np.random.Generator) -> None:
        while not self.stopping.is_set():
            try:
                with self._deployment.connect() as connection:
                    self._insert_until_lost(connection, mine, random)
            except psycopg.Error:
                mine.connections_lost += 1
                self.stopping.wait(RECONNECT_PAUSE_S)

    def _insert_until_lost(self, connection: psycopg.Connection, mine: Inserted, random: np.random.Generator) -> None:
        while not self.stopping.wait(self._pause_s):
            ids = [next(self._ids) for _ in range(int(random.integers(1, 4)))]
            users, items = (random.integers(0, side, len(ids)).tolist() for side in self._sides)
            try:
                connection.execute(self._statement, (ids, users, items, random.uniform(0.5, 5.0, len(ids)).tolist()))
            except psycopg.Error:
                mine.unknown += ids
                raise
            mine.acknowledged += ids


def stream_columns(stream: Path) -> list[np.ndarray]:
    """All rows of a stream, whole partitions one after another, as one array per column."""
    blocks: list[list[np.ndarray]] = []
    for partition in sorted((stream / "log").iterdir()):
        reader = PartitionReader(partition, APPEND, None)
        while events := reader.poll():
            for event in events:
                assert not isinstance(event, Superseded), f"{partition.name} was read from its beginning"
                blocks.append([column.values for column in event.columns()])
        reader.close()
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


@contextmanager
def replica_of(path: Path) -> Iterator[VersionReplica]:
    """A replica of the test's own, over a version's files."""
    replica = VersionReplica(path)
    try:
        yield replica
    finally:
        replica.close()


def learned(replica: VersionReplica) -> int:
    """Deltas that the table which has the fewest has taken in by now: the sum of its sequences."""
    while replica.poll():
        pass
    return min(int(state_of(table)[1].sum()) for table in replica.tables.values())


def state_of(table: TableReplica) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys in order, their sequences, their rows: of the rows that are not deleted."""
    live = np.arange(len(table.keys)) if table.live is None else np.flatnonzero(table.live)
    order = live[np.argsort(table.keys[live])]
    return table.keys[order], table.sequences[order], table.matrix[order]


def check_every_delta(replica: VersionReplica, events: Mapping[str, np.ndarray]) -> None:
    """Every key's sequence is the number of its events, every value is finite. ``events``: by table, each one's key."""
    for name, seen in events.items():
        keys, sequences, rows = state_of(replica.tables[name])
        expected = Counter(np.asarray(seen).tolist())
        found = {key: count for key, count in zip(keys.tolist(), sequences.tolist(), strict=True) if count}
        assert found == dict(expected), f"{name}: {_difference(found, expected)}"
        assert np.isfinite(rows).all()


def _difference(found: dict[int, int], expected: Counter[int]) -> str:
    wrong = [key for key in {*found, *expected} if found.get(key, 0) != expected[key]]
    too_many = sum(max(found.get(key, 0) - expected[key], 0) for key in wrong)
    missing = sum(max(expected[key] - found.get(key, 0), 0) for key in wrong)
    return f"{len(wrong)} keys differ, {missing} deltas are missing and {too_many} too many"


def predictions(deployment: Deployment, address: str, users: Sequence[int], items: Sequence[int]) -> bytes:
    """The bits of predict over pairs, once the frontend answers."""
    query = "SELECT predict(%s, u, i) FROM unnest(%s::bigint[], %s::bigint[]) AS t(u, i)"
    until = time.monotonic() + HEAL_S_MAX
    while True:
        try:
            with deployment.connect() as connection, connection.cursor(binary=True) as cursor:
                rows = cursor.execute(query, (address, list(users), list(items))).fetchall()
                return np.array([row[0] for row in rows], np.float64).tobytes()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(RECONNECT_PAUSE_S)
