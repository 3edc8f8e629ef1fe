"""A replica equals a dict to which the surviving log is applied record by record, whatever happens to the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog import replica as replica_module
from flinkms_sql.modellog.base import Chunk, write_base, write_manifest
from flinkms_sql.modellog.compact import compact, retire
from flinkms_sql.modellog.frame import UPSERT, Position, encode_frame
from flinkms_sql.modellog.replica import VersionReplica
from flinkms_sql.modellog.version import Table, Version, write_version
from tests.modellog_files import WIDTH, Clock, FlinkWriter, append_frame, no_sync, objects, upsert_block, upsert_frame

Record = tuple[int, int | str, int, float]
State = dict[int | str, tuple[float, int]]


def make_version(path: Path, keys: Sequence, *, partitions: int = 1) -> Path:
    """A version with one table ``t`` whose base holds the keys, each with the row (0.5, 0.5)."""
    kind = "text" if keys and isinstance(keys[0], str) else "int64"
    version = Version(algorithm="als", options={}, input_types=(), partitions=partitions,
                      tables=(Table(name="t", key=kind, width=WIDTH),))  # fmt: skip
    path.mkdir(parents=True)
    write_version(path, version, no_sync)
    array = objects(keys) if kind == "text" else np.array(keys, np.int64)
    chunk = Chunk(keys=array, rows=np.full((len(keys), WIDTH), 0.5, np.float32))
    write_manifest(path / "t", write_base(path / "t", 1, [chunk], key=kind, width=WIDTH, fsync=no_sync), {}, no_sync)
    return path


def state_of(replica: VersionReplica) -> State:
    """Key -> (value, sequence), read through the view as a model reads it."""
    view = replica.tables["t"]
    live = np.ones(len(view.keys), bool) if view.live is None else view.live
    keys = view.keys[live]
    rows = view.find(keys)
    assert (rows == np.flatnonzero(live)).all()
    assert [view.find_one(key) for key in keys.tolist()] == rows.tolist()
    assert (view.matrix[rows] == view.matrix[rows][:, :1]).all()
    assert (view.event_times[rows] == view.sequences[rows] * 10).all()
    return dict(zip(keys.tolist(), zip(view.matrix[rows, 0].tolist(), view.sequences[rows].tolist())))


def apply_in_order(state: State, records: Sequence[Record]) -> None:
    for op, key, sequence, value in records:
        if op == 1:
            state[key] = (value, sequence)
        else:
            state.pop(key, None)


def poll_all(replica: VersionReplica, clock: Clock) -> None:
    clock.now += 1
    while replica.poll():
        pass


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2]), st.integers(0, 12), st.integers(0, 100), st.floats(-9, 9, width=32)
    ),
    min_size=1, max_size=12,
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), RECORDS),
        st.tuples(st.just("restore"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["poll", "commit", "roll", "compact", "retire", "open"]), st.none()),
    ),
    max_size=25,
)


class Run:
    """One log, its reference history, and replicas that started at different times."""

    def __init__(self, path: Path, keys: Sequence) -> None:
        self.path = make_version(path, keys)
        self.text = bool(keys) and isinstance(keys[0], str)
        self.clock = Clock()
        self.log = FlinkWriter(path / "t" / "log" / "p0")
        base: State = {key: (0.5, 0) for key in keys}
        self.history = [(self.log.begin(), base)]
        self.committed = 0
        self.replicas = [VersionReplica(path, clock=self.clock)]

    def step(self, action: str, argument: object) -> None:
        match action:
            case "write":
                records = [(o, f"k{k}" if self.text else k * 10**9, s, v) for o, k, s, v in argument]
                state = dict(self.history[-1][1])
                apply_in_order(state, records)
                self.history.append((self.log.write(upsert_frame(*records)), state))
            case "restore":
                kept = max(self.committed, len(self.history) - 1 - argument)
                parent, state = self.history[kept]
                begun = self.log.begin(parent)
                self.log.commit()  # as the sink does; the end of the parent and the begin of its child are one place
                self.history[kept:] = [(parent if argument % 2 else begun, state)]
                self.committed = kept
            case "commit":
                self.committed = len(self.history) - 1
                self.log.commit()
            case "roll" if self.log.offset > self.log.start:
                self.log.roll()
            case "poll":
                for replica in self.replicas:
                    poll_all(replica, self.clock)
                    assert state_of(replica) == self.history[-1][1]
            case "compact":
                compact(self.path / "t", self.replicas[0].version.tables[0], fsync=no_sync)
            case "retire":
                for replica in self.replicas:  # readers have kept up, as retention assumes
                    poll_all(replica, self.clock)
                retire(self.path / "t", now=2e18, keep_s=0)
            case "open":
                self.replicas.append(VersionReplica(self.path, clock=self.clock))

    def finish(self) -> None:
        self.step("open", None)
        self.step("poll", None)
        for replica in self.replicas:
            assert replica.positions["t"]["p0"] == self.log.position
            assert replica.reached({"t": {"p0": self.history[-1][0]}})
            replica.close()


@pytest.mark.parametrize("keys", [[], [0, 10**9, 5 * 10**9], ["k1", "k2", "k7"]], ids=["empty", "int64", "text"])
@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_replica_is_the_log_applied_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: Sequence, steps: list[tuple[str, object]]
) -> None:
    run = Run(tmp_path_factory.mktemp("version") / "v1", keys)
    for action, argument in steps:
        run.step(action, argument)
    run.finish()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "v1", [0, 10**9, 2 * 10**9])
    yield run
    for replica in run.replicas:
        replica.close()


def test_superseded_updates_new_keys_and_deletes_are_taken_back_without_a_reload(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0), (1, 0, 3, 2.5), (1, 7, 1, 3.0), (1, 7, 2, 3.5), (2, 1, 1, 0.0)])
    run.step("write", [(2, 0, 4, 0.0), (2, 7, 4, 0.0), (1, 1, 9, 9.0)])
    run.step("poll", None)
    table = run.replicas[0].tables["t"]
    generation = run.replicas[0].generation
    run.step("restore", 2)
    run.step("poll", None)
    assert run.replicas[0].tables["t"] is table
    assert run.replicas[0].generation > generation
    assert state_of(run.replicas[0])[0] == (1.0, 1)


def test_what_a_restored_writer_commits_is_not_forgotten_before_it_is_followed(run: Run) -> None:
    replica = run.replicas[0]
    run.step("write", [(1, 0, 1, 1.0)])
    run.clock.now = 1.0
    replica.poll()
    table = replica.tables["t"]
    run.clock.now = 1.24
    replica.poll()
    run.step("write", [(1, 0, 2, 2.0)])
    run.step("write", [(1, 0, 3, 3.0)])
    run.step("restore", 1)
    run.clock.now = 1.26
    assert replica.poll() == 2
    run.step("poll", None)
    assert replica.tables["t"] is table


def test_a_restore_to_before_what_was_committed_loads_the_table_again(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0), (1, 8, 1, 3.0)])
    run.step("commit", None)
    run.step("poll", None)
    table = run.replicas[0].tables["t"]
    run.committed = 0
    run.step("restore", 1)
    run.step("poll", None)
    assert run.replicas[0].tables["t"] is not table
    assert state_of(run.replicas[0])[0] == (1.0, 1)


def test_a_restore_beyond_what_can_be_remembered_loads_the_table_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "UNDO_BYTES_MAX", 10)
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0)])
    run.step("poll", None)
    table = run.replicas[0].tables["t"]
    run.step("restore", 1)
    run.step("poll", None)
    assert run.replicas[0].tables["t"] is not table


def test_a_restore_to_before_the_base_is_an_error(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0)])
    run.step("commit", None)
    run.step("poll", None)
    run.step("compact", None)
    run.committed = 0
    run.step("restore", 1)
    with pytest.raises(FlinkmsError, match="base holds updates that were taken out of this log"):
        poll_all(run.replicas[0], run.clock)


def test_new_keys_outgrow_the_mapping_and_the_base_file_stays_as_it_was(run: Run) -> None:
    rows = run.path / "t" / "base-000001" / "rows.f32"
    before = rows.read_bytes()
    for start in range(0, 5000, 500):
        run.step("write", [(1, key, 1, 1.25) for key in range(start, start + 500)])
    run.step("poll", None)
    assert len(run.replicas[0].tables["t"].keys) == 5000
    assert rows.read_bytes() == before
    run.replicas[0].warm()


def test_two_replicas_of_one_base_do_not_see_each_others_rows(run: Run) -> None:
    run.step("open", None)
    run.step("write", [(1, 0, 1, 4.0)])
    first, second = run.replicas
    poll_all(first, run.clock)
    assert (state_of(first)[0], state_of(second)[0]) == ((4.0, 1), (0.5, 0))


def test_partitions_are_applied_each_from_its_own_position(tmp_path: Path) -> None:
    path = make_version(tmp_path / "v1", [1, 2], partitions=3)
    logs = [FlinkWriter(path / "t" / "log" / f"p{number}") for number in range(3)]
    for number in (0, 2):
        logs[number].begin()
        logs[number].write(upsert_frame((1, number, 1, 1.0)))
    clock = Clock()
    replica = VersionReplica(path, clock=clock)
    assert replica.poll() == 2
    assert replica.poll() == 0
    assert replica.generation == 1
    assert replica.positions == {"t": {"p0": logs[0].position, "p2": logs[2].position}}
    assert replica.reached({"t": {"p1": Position(1, 0)}})
    assert not replica.reached({"t": {"p1": Position(1, 8)}})
    replica.close()


def test_a_damaged_partition_does_not_hold_up_the_others(tmp_path: Path) -> None:
    path = make_version(tmp_path / "v1", [1, 2], partitions=2)
    logs = [FlinkWriter(path / "t" / "log" / f"p{number}") for number in range(2)]
    for log in logs:
        log.begin()
    logs[0].write(encode_frame(UPSERT, 1, upsert_block([(1, 1, 1, 1.0)], width=3), 0))
    logs[1].write(upsert_frame((1, 2, 1, 2.0)))
    replica = VersionReplica(path, clock=Clock())
    for _ in range(2):
        with pytest.raises(FlinkmsError, match=r"log/p0.* is damaged: frame 1/0: rows of shape"):
            replica.poll()
    assert state_of(replica) == {1: (0.5, 0), 2: (2.0, 1)}
    replica.close()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (append_frame(1), "kind 1"),
        (encode_frame(UPSERT, 1, append_frame(1)[32:], 0), "five columns"),
        (encode_frame(UPSERT, 2, upsert_block([(1, 1, 1, 1.0)]), 0), "frame of 2 rows"),
        (encode_frame(UPSERT, 1, upsert_block([(3, 1, 1, 1.0)]), 0), "neither upsert nor delete"),
        (encode_frame(UPSERT, 1, upsert_block([(1, "x", 1, 1.0)]), 0), "columns of types"),
        (encode_frame(UPSERT, 1, bytes(8) + b"12345678", 0), "bytes after"),
    ],
)
def test_a_frame_that_does_not_fit_the_table_is_damage(run: Run, frame: bytes, message: str) -> None:
    run.log.write(frame)
    with pytest.raises(FlinkmsError, match=message) as caught:
        poll_all(run.replicas[0], run.clock)
    assert caught.value.sqlstate == "XX001"


@pytest.mark.parametrize(
    "name",
    [
        "version.json",
        "t/manifest.json",
        "t/base-000001/base.json",
        "t/base-000001/keys.i64",
        "t/base-000001/rows.f32",
    ],
)
def test_a_missing_file_is_named(run: Run, name: str) -> None:
    (run.path / name).unlink()
    with pytest.raises(FlinkmsError) as caught:
        VersionReplica(run.path)
    assert caught.value.sqlstate == "58030"
    assert str(run.path / name) in caught.value.message
