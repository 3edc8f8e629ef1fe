"""Random histories of a model that learns, and what has to be true at their end.

A history is planned before it begins, from its seed alone: which steps, on which rows, which parts are killed and when.
Only what a kill hits in that moment is left to the machine.

The oracle is the stream itself: a version that was trained up to a position has to hold one delta for each row after it,
and the rows of the stream have to be exactly those that were committed. Nothing of how learning works is asked but the
``sequence`` of each key, which counts deltas.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psycopg

from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.partition import PartitionReader
from tests.deployment import Deployment
from tests.faults import RECONNECT_PAUSE_S, Background, check_every_delta, healed, kill, learned, replica_of, wait_for

USERS, ITEMS = 40, 30
TRAINED_ROWS = 300
"""Rows in the stream before the first training."""

ROWS_MAX = 40
"""Rows of one insert."""

STEP_ROWS_MAX = 10_000
"""Ids of a step's rows begin at a multiple of this, so that no step's depend on how many another came to insert."""

QUERIES = ("SELECT u, i, r FROM {name}_events", "SELECT u, i, r FROM {name}_events WHERE id >= 0",
           "SELECT u, i, r + 0.0 FROM {name}_events")
"""Learning queries that yield every row of the stream: to change from one to another loses and repeats nothing."""

WORKERS = ("jobs", "flink-taskmanager", "flink-jobmanager")
"""Parts that train and learn."""

PARTS = (*WORKERS, "frontend", "postgres", "fork-server")
"""Parts beside the supervisor, whose death is a step of its own: it takes all of them along."""

CAUGHT_UP_S_MAX = 120.0

ARRIVING_MIN, ARRIVING_MAX = 20, 400
"""Statements that insert while a step goes on: so many in any case, and no more."""

ARRIVING_PAUSE_S = 0.02

AWAY = ("08", "57P")
"""How the SQLSTATEs begin of a statement whose end is not known, because the frontend or the control database was killed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a method of ``History``, the seed of what it draws, and the parts it kills."""

    name: str
    seed: int
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name, *self.parts])


def planned(seed: int, count: int) -> list[Step]:
    """A history. Of the steps that are possible it takes one that was not taken yet, so that ten try all of them, and what
    it kills first are parts that were not killed yet."""
    random = np.random.default_rng(seed)
    steps: list[Step] = []
    taken: set[str] = set()
    alive = [str(part) for part in random.permutation(PARTS)]
    learns = True
    while len(steps) < count:
        possible = ["insert", "transaction", "refresh", "refresh_killed", "kill", "kill_supervisor",
                    *(("promote", "roll_back") if "refresh" in taken else ()), *(("stop",) if learns else ("start", "start_other"))]
        fresh = [name for name in possible if name not in taken] or possible
        name = str(random.choice(fresh))
        taken.add(name)
        learns = name in ("start", "start_other") or (learns and name != "stop")
        parts: list[str] = []
        if name == "refresh_killed":
            parts = [part for part in alive if part in WORKERS][:1] or [str(random.choice(PARTS))]
        elif name == "kill":
            parts = alive or [str(part) for part in random.choice(PARTS, int(random.integers(1, 4)), replace=False)]
        alive = [part for part in alive if part not in parts]
        steps.append(Step(name, int(random.integers(2**31)), tuple(parts)))
    return steps


@dataclass
class Rows:
    """What clients know of their rows, by statement: committed, or perhaps so, because the answer never came."""

    committed: set[int] = field(default_factory=set)
    unknown: list[set[int]] = field(default_factory=list)

    def check(self, found: set[int]) -> None:
        """Raise AssertionError unless the stream holds what was committed and nothing else, each statement whole."""
        assert not (lost := self.committed - found), f"committed, but not in the stream: {sorted(lost)}"
        kept = [ids for ids in self.unknown if ids & found]
        assert all(ids <= found for ids in kept), "half of a statement's rows are in the stream"
        made = found - self.committed.union(*kept)
        assert not made, f"in the stream, but rolled back: {sorted(made)}"


class History:
    """A model that is trained from a stream and learns from it; every step keeps count of what was committed."""

    def __init__(self, deployment: Deployment, name: str, seed: int) -> None:
        self.deployment, self.name = deployment, name
        self.rows = Rows()
        self._query = 0
        self._begin(seed, 0)
        deployment.execute(f"CREATE TABLE {name}_events (id BIGINT, u BIGINT, i BIGINT, r DOUBLE) "
                           "WITH ('connector' = 'flinkms')")
        self.insert(TRAINED_ROWS)
        deployment.execute(f"CREATE MODEL {name} INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                           f"'factors' = '4', 'iterations' = '2') AS SELECT u, i, r FROM {name}_events")
        self.start()

    def play(self, steps: list[Step]) -> None:
        """Take these steps. Raises AssertionError that names the one which fails."""
        for number, step in enumerate(steps, start=1):
            self._begin(step.seed, number)
            began = time.monotonic()
            try:
                getattr(self, step.name)(*((step.parts,) if step.parts else ()))
            except (AssertionError, psycopg.Error) as error:
                raise AssertionError(f"step {number}, {step}: {error}") from error
            print(f"{step}: {time.monotonic() - began:.1f} s")

    def _begin(self, seed: int, number: int) -> None:
        """Of what a step draws, nothing depends on another step, nor on another of its threads."""
        self.random, self._arriving = (np.random.default_rng((seed, kind)) for kind in (0, 1))
        self._ids, self._arriving_ids = (
            iter(range(first, first + STEP_ROWS_MAX // 2))
            for first in (number * STEP_ROWS_MAX, number * STEP_ROWS_MAX + STEP_ROWS_MAX // 2))

    def insert(self, count: int | None = None) -> None:
        """Rows by one statement of its own."""
        with self.deployment.connect() as connection:
            self.rows.committed |= self._insert(connection, count or int(self.random.integers(1, ROWS_MAX)))

    def transaction(self) -> None:
        """Rows that are rolled back, whole or to a savepoint, then some that are committed."""
        with self.deployment.connect(autocommit=False) as connection:
            self._insert(connection, 5)
            connection.rollback()
            kept = self._insert(connection, 3)
            connection.execute("SAVEPOINT half")
            self._insert(connection, 4)
            connection.execute("ROLLBACK TO half")
            kept |= self._insert(connection, 2)
            connection.commit()
            self.rows.committed |= kept

    def start(self) -> None:
        """INSERT INTO MODEL with the query of before."""
        self.deployment.execute(f"INSERT INTO MODEL {self.name} " + QUERIES[self._query].format(name=self.name))

    def start_other(self) -> None:
        """INSERT INTO MODEL with another query."""
        self._query = (self._query + 1) % len(QUERIES)
        self.start()

    def stop(self) -> None:
        """STOP JOB."""
        self.deployment.execute(f"STOP JOB {self.job()}")

    def refresh(self) -> None:
        """REFRESH MODEL while rows arrive."""
        with self._arrive():
            self.deployment.execute(f"REFRESH MODEL {self.name}")

    def refresh_killed(self, parts: tuple[str, ...]) -> None:
        """REFRESH MODEL while rows arrive and a part is killed: in the middle of training, of catching up or of moving."""
        problems: list[psycopg.Error] = []
        with self._arrive(), Background(partial(self._refresh, problems)):
            time.sleep(self.random.uniform(1.0, 10.0))
            self._kill(parts)
        if not {"frontend", "postgres"} & {*parts}:
            assert not problems, f"REFRESH MODEL does not outlive {parts}: {problems[0]}"

    def promote(self) -> None:
        """Another version becomes live, while rows arrive."""
        with self._arrive():
            self.deployment.execute(f"ALTER MODEL {self.name} PROMOTE VERSION {self.random.choice(self.versions())}")

    def roll_back(self) -> None:
        """The version that was live before is so again, while rows arrive."""
        with self._arrive():
            self.deployment.execute(f"ALTER MODEL {self.name} ROLLBACK")

    def kill(self, parts: tuple[str, ...]) -> None:
        """kill -9 of parts, shortly one after another, while rows arrive."""
        with self._arrive():
            self._kill(parts)

    def kill_supervisor(self) -> None:
        """kill -9 of the supervisor, and of all parts with it; then somebody starts it again."""
        self.kill(("supervisor",))

    def job(self) -> int | None:
        """The standing job that teaches the model."""
        with self.deployment.connect() as connection:
            row = connection.execute(
                "SELECT id FROM flinkms.jobs WHERE kind = 'learn' AND model = %s AND desired = 'running' "
                "AND state NOT IN ('finished', 'failed', 'canceled')", (self.name,)).fetchone()
        return row and row[0]

    def versions(self) -> list[int]:
        """Versions that are live or were."""
        with self.deployment.connect() as connection:
            rows = connection.execute("SELECT DISTINCT version FROM flinkms.alias_history WHERE model = %s ORDER BY version",
                                      (self.name,))
            return [row[0] for row in rows]

    def check(self) -> None:
        """Let each version catch up, one after another, and look at what every one of them has learned."""
        if self.job() is None:
            self.start()
        rows = self._stream()
        self.rows.check(set(rows))
        for version in self.versions():
            self.deployment.execute(f"ALTER MODEL {self.name} PROMOTE VERSION {version}")
            path, training_rows, trained_to = self._version(version)
            after = self._stream(trained_to)
            assert training_rows + len(after) == len(rows), f"version {version}: training and learning meet"
            with replica_of(Path(path)) as replica:
                wait_for(lambda replica=replica, after=after: learned(replica) >= len(after), "the version to catch up",
                         CAUGHT_UP_S_MAX)
                check_every_delta(replica, {"users": np.array([u for u, _ in after.values()], np.int64),
                                            "items": np.array([i for _, i in after.values()], np.int64)})

    def _refresh(self, problems: list[psycopg.Error]) -> None:
        try:
            self.deployment.execute(f"REFRESH MODEL {self.name}")
        except psycopg.Error as error:
            problems.append(error)

    def _kill(self, parts: tuple[str, ...]) -> None:
        killed = {}
        for part in parts:
            killed[part] = kill(self.deployment, part)
            time.sleep(self.random.uniform(0.0, 0.3))
        for part, pid in killed.items():
            healed(self.deployment, part, pid)

    def _insert(self, connection: psycopg.Connection, count: int) -> set[int]:
        return insert(connection, self.name, [next(self._ids) for _ in range(count)], self.random)

    @contextmanager
    def _arrive(self) -> Iterator[None]:
        """Rows arrive meanwhile, by a client that comes again when its connection is cut."""
        over, problems = threading.Event(), []
        with Background(partial(self._insert_on, over, problems)):
            try:
                yield
            finally:
                over.set()
        assert not problems, problems

    def _insert_on(self, over: threading.Event, problems: list[psycopg.Error]) -> None:
        left = ARRIVING_MAX
        while left and not problems and not (over.is_set() and left <= ARRIVING_MAX - ARRIVING_MIN):
            try:
                with self.deployment.connect() as connection:
                    while left and not (over.is_set() and left <= ARRIVING_MAX - ARRIVING_MIN):
                        left -= 1
                        self._arrived(connection)
                        over.wait(ARRIVING_PAUSE_S)
            except psycopg.Error as error:
                if error.sqlstate is not None and not error.sqlstate.startswith(AWAY):
                    problems.append(error)
                over.wait(RECONNECT_PAUSE_S)

    def _arrived(self, connection: psycopg.Connection) -> None:
        ids = [next(self._arriving_ids) for _ in range(2)]
        self.rows.unknown.append(set(ids))
        self.rows.committed |= insert(connection, self.name, ids, self._arriving)
        self.rows.unknown.pop()

    def _version(self, version: int) -> tuple[str, int, dict[str, dict[str, list[int]]]]:
        """Directory, rows it was trained on, and up to where."""
        with self.deployment.connect() as connection:
            return connection.execute(
                "SELECT v.path, v.training_rows, l.trained_to FROM flinkms.model_versions v JOIN flinkms.version_learning l "
                "USING (model, version) WHERE model = %s AND version = %s", (self.name, version)).fetchone()

    def _stream(self, after: dict[str, dict[str, list[int]]] | None = None) -> dict[int, tuple[int, int]]:
        """id -> (u, i) of the rows after a position, of all without one. Raises AssertionError when one is there twice."""
        with self.deployment.connect() as connection:
            path = connection.execute("SELECT path FROM flinkms.tables WHERE name = %s", (f"{self.name}_events",)).fetchone()[0]
        seen: Counter[int] = Counter()
        rows: dict[int, tuple[int, int]] = {}
        for partition in sorted((Path(path) / "log").iterdir()):
            start = (after or {}).get(path, {}).get(partition.name)
            reader = PartitionReader(partition, APPEND, None if start is None else Position(*start[:2]))
            while events := reader.poll():
                for event in events:
                    ids, users, items, _ = (column.values.tolist() for column in event.columns())
                    seen.update(ids)
                    rows |= {number: (user, item) for number, user, item in zip(ids, users, items, strict=True)}
            reader.close()
        assert not seen or max(seen.values()) == 1
        return rows


def insert(connection: psycopg.Connection, name: str, ids: list[int], random: np.random.Generator) -> set[int]:
    """Insert rows of these ids by one statement; the ids."""
    users, items = (random.integers(0, side, len(ids)).tolist() for side in (USERS, ITEMS))
    connection.execute(f"INSERT INTO {name}_events SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], "
                       "%s::float8[])", (ids, users, items, random.uniform(1, 5, len(ids)).tolist()))
    return set(ids)
