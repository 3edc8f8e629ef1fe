"""Random histories of a model that learns, and what has to be true at their end.

The oracle is the stream itself: a version that was trained up to a position has to hold one delta for each row after it,
and the rows of the stream have to be exactly those that were committed. Nothing of how learning works is asked but the
``sequence`` of each key, which counts deltas.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psycopg

from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.partition import PartitionReader
from tests.deployment import Deployment
from tests.faults import Background, check_every_delta, healed, kill, learned, replica_of, wait_for

USERS, ITEMS = 40, 30
TRAINED_ROWS = 300
"""Rows in the stream before the first training."""

ROWS_MAX = 40
"""Rows of one insert."""

QUERIES = ("SELECT u, i, r FROM {name}_events", "SELECT u, i, r FROM {name}_events WHERE id >= 0",
           "SELECT u, i, r + 0.0 FROM {name}_events")
"""Learning queries that yield every row of the stream: to change from one to another loses and repeats nothing."""

CAUGHT_UP_S_MAX = 120.0


class History:
    """A model that is trained from a stream and learns from it; every step keeps count of what was committed."""

    def __init__(self, deployment: Deployment, name: str, seed: int) -> None:
        self.deployment, self.name = deployment, name
        self.random = np.random.default_rng(seed)
        self.committed: set[int] = set()
        self.steps: list[str] = []
        self._ids = itertools.count(1)
        self._query = 0
        self._taken: set[str] = set()
        deployment.execute(f"CREATE TABLE {name}_events (id BIGINT, u BIGINT, i BIGINT, r DOUBLE) "
                           "WITH ('connector' = 'flinkms')")
        self.insert(TRAINED_ROWS)
        deployment.execute(f"CREATE MODEL {name} INPUT (u BIGINT, i BIGINT) OUTPUT (r DOUBLE) WITH ('algorithm' = 'als', "
                           f"'factors' = '4', 'iterations' = '2') AS SELECT u, i, r FROM {name}_events")
        self.start()

    def step(self) -> None:
        """One random step: of those that are possible now one that was not taken yet, so that few steps try all of them."""
        learns = self.job() is not None
        steps = [self.insert, self.transaction, self.refresh, self.refresh_killed, self.promote, self.kill,
                 *((self.stop,) if learns else (self.start, self.start_other))]
        fresh = [step for step in steps if step.__name__ not in self._taken]
        action = (fresh or steps)[int(self.random.integers(len(fresh or steps)))]
        self._taken.add(action.__name__)
        self.steps.append(action.__name__)
        action()

    def insert(self, count: int | None = None) -> None:
        """Rows by one statement of its own."""
        with self.deployment.connect() as connection:
            self.committed |= self._insert(connection, count or int(self.random.integers(1, ROWS_MAX)))

    def transaction(self) -> None:
        """Rows that are rolled back, then some that are committed."""
        with self.deployment.connect(autocommit=False) as connection:
            self._insert(connection, 5)
            connection.rollback()
            kept = self._insert(connection, 3) | self._insert(connection, 2)
            connection.commit()
            self.committed |= kept

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
        with self._inserting():
            self.deployment.execute(f"REFRESH MODEL {self.name}")

    def refresh_killed(self) -> None:
        """REFRESH MODEL while rows arrive and a part is killed: in the middle of training, of catching up or of moving."""
        with self._inserting(), Background(partial(self.deployment.execute, f"REFRESH MODEL {self.name}")):
            time.sleep(self.random.uniform(1.0, 10.0))
            self._kill(["jobs", "flink-taskmanager", "flink-jobmanager"])

    def promote(self) -> None:
        """Another version becomes live, while rows arrive."""
        with self._inserting():
            self.deployment.execute(f"ALTER MODEL {self.name} PROMOTE VERSION {self.random.choice(self.versions())}")

    def kill(self) -> None:
        """kill -9 of a part; what comes next meets a deployment that heals or has healed."""
        self._kill(["jobs", "flink-taskmanager", "frontend", "flink-jobmanager", "postgres", "fork-server"])

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
        assert sorted(rows) == sorted(self.committed), "the stream holds what was committed, once, and nothing else"
        for version in self.versions():
            self.deployment.execute(f"ALTER MODEL {self.name} PROMOTE VERSION {version}")
            path, training_rows, trained_to = self._version(version)
            after = self._stream(trained_to)
            assert training_rows + len(after) == len(self.committed), f"version {version}: training and learning meet"
            with replica_of(Path(path)) as replica:
                wait_for(lambda replica=replica, after=after: learned(replica) >= len(after), "the version to catch up",
                         CAUGHT_UP_S_MAX)
                check_every_delta(replica, {"users": np.array([u for u, _ in after.values()], np.int64),
                                            "items": np.array([i for _, i in after.values()], np.int64)})

    def _kill(self, parts: list[str]) -> None:
        victim = str(self.random.choice(parts))
        self.steps[-1] += f" {victim}"
        healed(self.deployment, victim, kill(self.deployment, victim))

    def _insert(self, connection: psycopg.Connection, count: int) -> set[int]:
        ids = [next(self._ids) for _ in range(count)]
        users, items = (self.random.integers(0, side, count).tolist() for side in (USERS, ITEMS))
        connection.execute(f"INSERT INTO {self.name}_events SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], "
                           "%s::float8[])", (ids, users, items, self.random.uniform(1, 5, count).tolist()))
        return set(ids)

    @contextmanager
    def _inserting(self):
        with Background(self._insert_on) as background:
            yield background

    def _insert_on(self) -> None:
        with self.deployment.connect() as connection:
            for _ in range(20):
                self.committed |= self._insert(connection, 2)

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
