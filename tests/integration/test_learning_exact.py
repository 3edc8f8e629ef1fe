"""100,000 events learned with parallelism 2 while readers follow: no delta is missing, no reader sees anything else.

The reference is sequential and knows nothing of replicas: the base's rows, then every surviving frame of each partition
in (epoch, offset) order, row by row into a dictionary. Readers applied the same log while it was being written, cut
back and written anew; they have to end with the reference's very bits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.upkeep import keep_up_version
from flinkms_sql.modellog.base import map_rows, read_base, read_keys
from flinkms_sql.modellog.frame import UPSERT
from flinkms_sql.modellog.partition import PartitionReader, Superseded
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.stream import Stream, StreamWriter
from tests.deployment import Deployment
from tests.faults import Background, check_every_delta, healed, kill, learned, replica_of, state_of, wait_for
from udfs.block import Column
from udfs.generate import PlantedRatings

pytestmark = pytest.mark.integration

EVENTS = 100_000
ROWS_PER_APPEND = 250
PUSH_S = 8.0
"""How long the push takes at least, so that readers and kills meet it under way."""

USERS, ITEMS, FACTORS = 2000, 1000, 16
SEED = 5
WAIT_S_MAX = 240.0
"""For all to be learned on a machine that does other things; 20 on an idle one."""

READERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What is pushed: int64 users and items, a quarter of them new to the model, and float64 ratings."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    @property
    def keys(self) -> dict[str, np.ndarray]:
        """One key per event, by table of the model."""
        return {"users": self.users, "items": self.items}


class Reader(Background):
    """A replica that is polled without a pause."""

    def __init__(self, version: Path) -> None:
        super().__init__(self._run)
        self.replica = VersionReplica(version)
        self.failure: FlinkmsError | None = None

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.replica.close()

    def finished(self) -> VersionReplica:
        """The replica once it has applied all there is, with nobody polling it any more. Raises what a poll raised."""
        self.end()
        if self.failure is not None:
            raise self.failure
        return self.replica

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                if not self.replica.poll():
                    time.sleep(0.001)
            while self.replica.poll():
                pass
        except FlinkmsError as error:
            self.failure = error


def pushing(stream: Stream, events: Events) -> Background:
    """Appends the events from two writers, each to a partition of its own that another source subtask reads."""
    halves = [slice(None, EVENTS // 2), slice(EVENTS // 2, None)]
    return Background(*(partial(_push, stream, f"writer-{number}", events, half) for number, half in enumerate(halves)))


def _push(stream: Stream, partition: str, events: Events, which: slice) -> None:
    writer = StreamWriter(stream, partition)
    columns = [events.users[which], events.items[which], events.ratings[which]]
    began = time.monotonic()
    for start in range(0, len(columns[0]), ROWS_PER_APPEND):
        writer.append_sync([Column(column[start : start + ROWS_PER_APPEND]) for column in columns])
        time.sleep(max(0.0, began + PUSH_S * start / len(columns[0]) - time.monotonic()))
    writer.close()


@contextmanager
def learning(deployment: Deployment, name: str) -> Iterator[tuple[Stream, Path]]:
    """A generated model that learns from a new stream with parallelism 2: the stream, and the version's directory."""
    deployment.command("generate", "model", name, "--users", str(USERS), "--items", str(ITEMS),
                       "--factors", str(FACTORS), "--seed", str(SEED))
    with deployment.connect() as connection:
        connection.execute(f"ALTER MODEL {name} SET ('learn.parallelism' = '2')")
        connection.execute(f"CREATE TABLE {name}_events (u BIGINT, i BIGINT, r DOUBLE) WITH ('connector' = 'flinkms')")
        connection.execute(f"INSERT INTO MODEL {name} SELECT u, i, r FROM {name}_events")
    try:
        yield Stream.open(deployment.stream_path(f"{name}_events")), deployment.version_path(name)
    finally:
        deployment.execute(f"STOP JOB {learner(deployment, name)}")


def learner(deployment: Deployment, model: str) -> int:
    """The newest job that teaches a model."""
    with deployment.connect() as connection:
        query = "SELECT max(id) FROM flinkms.jobs WHERE kind = 'learn' AND model = %s"
        return connection.execute(query, (model,)).fetchone()[0]


@pytest.fixture(scope="module")
def events() -> Events:
    users, items, ratings = PlantedRatings(users=USERS * 4 // 3, items=ITEMS * 4 // 3, rank=4, seed=SEED).ratings(EVENTS)
    return Events(users=users, items=items, ratings=ratings)


def test_readers_end_equal_to_a_sequential_reference_and_no_delta_is_missing(deployment: Deployment, events: Events):
    with learning(deployment, "exact") as (stream, version), Reader(version) as one, Reader(version) as other:
        with pushing(stream, events):
            pass
        check(version, events, [one, other])


def test_the_same_after_killing_the_task_manager_twice_in_the_middle(deployment: Deployment, events: Events):
    with learning(deployment, "exact_killed") as (stream, version), Reader(version) as one, Reader(version) as other:
        with pushing(stream, events), replica_of(version) as replica:
            for share in (0.2, 0.5):
                wait_for(lambda share=share: learned(replica) > share * EVENTS, "events to be learned", WAIT_S_MAX)
                healed(deployment, "flink-taskmanager", kill(deployment, "flink-taskmanager"))
        assert check(version, events, [one, other]) >= 3, "every kill begins an epoch"


def test_the_same_when_the_job_is_stopped_and_another_query_goes_on(deployment: Deployment, events: Events):
    """Nothing of the first job is restored: its positions are read from its savepoint, those of both subtasks."""
    with learning(deployment, "exact_changed") as (stream, version), Reader(version) as one, Reader(version) as other:
        with pushing(stream, events), replica_of(version) as replica:
            for share, query in ((0.2, "SELECT u, i, r + 0.0 FROM exact_changed_events"),
                                 (0.5, "SELECT u, i, r FROM exact_changed_events WHERE u >= 0")):
                wait_for(lambda share=share: learned(replica) > share * EVENTS, "events to be learned", WAIT_S_MAX)
                deployment.execute(f"STOP JOB {learner(deployment, 'exact_changed')}")
                deployment.execute(f"INSERT INTO MODEL exact_changed {query}")
        check(version, events, [one, other])


def test_the_same_while_the_log_is_compacted_under_a_job_that_is_killed(deployment: Deployment, events: Events):
    with learning(deployment, "exact_compacted") as (stream, version), Reader(version) as one, Reader(version) as other:
        with pushing(stream, events), replica_of(version) as replica, Compacting(version) as compacting:
            wait_for(lambda: len(compacting.bases) >= 2, "both tables to be compacted", WAIT_S_MAX)
            assert learned(replica) < EVENTS, "the kill comes too late to matter"
            healed(deployment, "flink-taskmanager", kill(deployment, "flink-taskmanager"))
        check(version, events, [one, other])
        late = VersionReplica(version)
        while late.poll():
            pass
        check_every_delta(late, events.keys)
        late.close()


class Compacting(Background):
    """Compacts whatever has been committed, again and again; ``bases`` are those that were made. Nothing is deleted."""

    def __init__(self, version: Path) -> None:
        super().__init__(self._run)
        self._version = version
        self.bases: list[str] = []

    def _run(self) -> None:
        while not self.stopping.wait(0.5):
            self.bases += keep_up_version(self._version, keep_s=3600, log_bytes_min=1)


def check(version: Path, events: Events, readers: list[Reader]) -> int:
    """Every law; the newest epoch of any partition."""
    with replica_of(version) as replica:
        wait_for(lambda: learned(replica) >= EVENTS, "everything to be learned", WAIT_S_MAX)
    for reader in readers:
        replica = reader.finished()
        check_every_delta(replica, events.keys)
        for name, table in replica.tables.items():
            expected = reference(version / name, replica.version.partitions)
            keys, sequences, rows = state_of(table)
            assert keys.tolist() == sorted(expected)
            assert sequences.tolist() == [expected[key][0] for key in keys.tolist()]
            assert rows.tobytes() == b"".join(expected[key][1] for key in keys.tolist())
    return max(position.epoch for partitions in readers[0].replica.positions.values() for position in partitions.values())


def reference(table: Path, partitions: int) -> dict[int, tuple[int, bytes]]:
    """Key -> (sequence, row) after the first base and every surviving frame."""
    base = read_base(table / "base-000001")
    state = {key: (0, row.tobytes()) for key, row in zip(read_keys(base).tolist(), map_rows(base), strict=False)}
    for number in range(partitions):
        reader = PartitionReader(table / "log" / f"p{number}", UPSERT, None)
        while frames := reader.poll():
            for frame in frames:
                assert not isinstance(frame, Superseded)
                _, keys, sequences, _, rows = (column.values for column in frame.columns())
                for key, sequence, row in zip(keys.tolist(), sequences.tolist(), rows, strict=True):
                    assert sequence > state.get(key, (0, b""))[0], "a row's sequence rises with every record"
                    state[key] = (sequence, row.tobytes())
        reader.close()
    return state
