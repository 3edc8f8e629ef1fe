"""A replica that fails at any step of a poll: it is the log applied in order afterwards, or it refuses; it never skips.

The failures come from a trace function: an exception at the n-th line that the model log runs, whatever that line does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest

import flinkms_sql.modellog
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.replica import VersionReplica
from tests.test_modellog_replica import Run, State, state_of

FOLDER = str(Path(flinkms_sql.modellog.__file__).parent)

FAILURES = (MemoryError("injected"), ValueError("injected"), OSError(5, "injected"))

RUNS = 160
"""Lines at which each history fails, spread evenly over those that its poll runs."""


@contextmanager
def failing(at: int, error: Exception) -> Iterator[Callable[[], int]]:
    """Raise at the ``at``-th line of the model log that is run; gives the number of lines that were."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable | None:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        if event == "line":
            lines += 1
            if lines == at:
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: lines
    finally:
        sys.settrace(before)


def new_keys(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0), (1, 7, 1, 2.0), (1, 8, 1, 2.5)])
    run.step("write", [(2, 0, 2, 0.0), (1, 7, 2, 3.0), (1, 9, 1, 3.5)])
    run.step("roll", None)
    run.step("write", [(1, 0, 3, 4.0), (2, 8, 2, 0.0)])


def taken_back(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0), (1, 7, 1, 2.0), (2, 1, 1, 0.0)])
    run.step("write", [(1, 7, 2, 3.0), (2, 0, 3, 0.0)])
    run.step("poll", None)
    run.step("restore", 2)
    run.step("write", [(1, 2, 1, 9.0), (1, 11, 1, 9.5)])


def loaded_again(run: Run) -> None:
    run.step("write", [(1, 0, 1, 1.0)])
    run.step("write", [(1, 0, 2, 2.0), (1, 8, 1, 3.0)])
    run.step("commit", None)
    run.step("poll", None)
    run.committed = 0
    run.step("restore", 1)
    run.step("write", [(1, 3, 1, 7.0)])


def settled(replica: VersionReplica, run: Run) -> State:
    """The state once polling has nothing more to say; a failure must have been the injected one."""
    for _ in range(50):
        run.clock.now += 1
        try:
            if not replica.poll():
                return state_of(replica)
        except FlinkmsError as error:
            assert "injected" in f"{error.message} {error.detail}"
    raise AssertionError("it never settles")


def refused_or(replica: VersionReplica, states: list[State]) -> None:
    """What a reader meets right after the failure: a state between whole frames, or an error."""
    try:
        found = state_of(replica)
    except FlinkmsError as error:
        assert error.sqlstate == "55000"
        return
    assert found in states


@pytest.mark.parametrize("history", [new_keys, taken_back, loaded_again])
@pytest.mark.parametrize("keys", [[0, 10**9, 2 * 10**9], ["k0", "k1", "k2"]], ids=["int64", "text"])
def test_a_poll_that_fails_at_any_line_skips_nothing(tmp_path: Path, history: Callable, keys: list) -> None:
    def at_line(number: int, error: Exception, folder: Path) -> int:
        run = Run(folder / "v1", keys)
        seen = [run.history[-1][1]]
        history(run)
        replica = run.replicas[0]
        seen += [state_of(replica), *(state for _, state in run.history)]
        run.clock.now += 1
        with failing(number, error) as lines, suppress(FlinkmsError, type(error)):
            replica.poll()
        if lines() >= number:
            refused_or(replica, seen)
        assert settled(replica, run) == run.history[-1][1]
        run.finish()
        return lines()

    total = at_line(sys.maxsize, FAILURES[0], tmp_path / "whole")
    assert total > 100
    for count, number in enumerate(range(1, total, max(1, total // RUNS))):
        at_line(number, FAILURES[count % len(FAILURES)], tmp_path / str(number))
