"""The supervisor over small processes: order, restarts, giving up, and leaving nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flinkms_sql import cli, errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import background, processes, state, status, supervisor
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.processes import Identity
from tests.running import running, wait_for

pytestmark = pytest.mark.integration

PARENT = """\
import subprocess, sys, time
subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(600)
"""
"""A part that starts something which leaves its process group."""

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"

SUPERVISE = """\
import sys
from pathlib import Path
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.supervisor import Supervisor
import signal
parts = [Part(name="one", command=("sleep", "600"), address=""),
         Part(name="two", command=("sleep", "600"), address="", needs=("one",))]
made = Supervisor(parts, data_dir=Path(sys.argv[1]), report=lambda parts: None)
signal.signal(signal.SIGTERM, lambda *_: made.stop())
made.run()
"""


def python(name: str, code: str, **given: object) -> Part:
    return Part(name=name, command=(sys.executable, "-I", "-S", "-c", textwrap.dedent(code)), address="here", **given)


def sleeper(name: str, **given: object) -> Part:
    return Part(name=name, command=("sleep", "600"), address="here", **{"ready": lambda pid: True, **given})


def test_a_part_starts_after_those_it_needs_and_ends_before_them(tmp_path: Path) -> None:
    events = []

    def ready(name: str, needed: str | None) -> bool:
        events.append(f"{name} after {needed}" if needed is None or f"{needed} started" in events else f"{name} too early")
        return True

    parts = [sleeper("second", needs=("first",), ready=lambda pid: ready("second", "first")),
             sleeper("first", ready=lambda pid: ready("first", None), started=lambda: events.append("first started"))]
    with running(parts, tmp_path) as held:
        held.wait_ready()
        first = held.parts["first"].process
        assert events == ["first after None", "first started", "second after first"]
        assert first.alive
    assert not first.alive
    assert processes.descendants(tmp_path) == []
    assert state.read(tmp_path / "run") is None


def test_a_part_that_dies_is_restarted_and_the_others_stay(tmp_path: Path) -> None:
    with running([sleeper("one"), sleeper("two", needs=("one",))], tmp_path) as held:
        held.wait_ready()
        before = dict(held.parts)
        os.kill(before["one"].process.pid, signal.SIGKILL)
        wait_for(lambda: held.parts["one"].restarts == 1 and held.parts["one"].phase == "ready")
        assert held.parts["one"].process != before["one"].process
        assert held.parts["two"].process == before["two"].process


def test_up_gives_up_on_a_part_that_never_gets_ready(tmp_path: Path) -> None:
    with running([sleeper("good"), python("bad", "import sys; print('no room at the inn'); sys.exit(7)",
                                        ready=lambda pid: False)],
                 tmp_path) as held:
        wait_for(lambda: held.error)
    assert held.error.sqlstate == errors.CANNOT_CONNECT_NOW
    assert held.error.message == "bad ended with exit code 7"
    assert held.error.detail.endswith("no room at the inn")
    assert processes.descendants(tmp_path) == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    code = "import sys; print('could not write: No space left on device'); sys.exit(1)"
    with running([python("bad", code, ready=lambda pid: False)], tmp_path) as held:
        wait_for(lambda: held.error)
    assert held.error.sqlstate == errors.DISK_FULL
    assert held.error.message == "bad ended with exit code 1: the disk is full"


def test_a_probe_that_never_succeeds_runs_into_its_limit(tmp_path: Path) -> None:
    with running([sleeper("slow", ready=lambda pid: False, ready_wait_s=0.1)], tmp_path) as held:
        wait_for(lambda: held.error)
    assert held.error.message == "slow was not ready after 0 s"


def test_an_error_while_preparing_is_the_error_of_up(tmp_path: Path) -> None:
    def prepare() -> None:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, "not here")

    with running([sleeper("one", prepare=prepare)], tmp_path) as held:
        wait_for(lambda: held.error)
    assert held.error.message == "not here"


def test_a_part_without_a_probe_is_ready_when_it_has_settled(tmp_path: Path) -> None:
    with running([sleeper("silent", ready=None)], tmp_path) as held:
        held.wait_ready()
        assert held.parts["silent"].ready_ms >= 1000


def test_what_runs_already_is_only_waited_for(tmp_path: Path) -> None:
    asked = iter([False, True])
    with running([Part(name="outside", command=(), address="db:5432", ready=lambda pid: next(asked)),
                  sleeper("inside", needs=("outside",))], tmp_path) as held:
        held.wait_ready()
        assert held.parts["outside"].process is None


def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "deaf.log"
    with running([python("deaf", DEAF, stop_wait_s=0.2, ready=lambda pid: "deaf" in log.read_text())], tmp_path) as held:
        held.wait_ready()
        deaf = held.parts["deaf"].process
    assert not deaf.alive


def test_what_a_part_started_does_not_outlive_it(tmp_path: Path) -> None:
    with running([python("parent", PARENT, ready=lambda pid: True)], tmp_path) as held:
        held.wait_ready()
        wait_for(lambda: len(processes.descendants(tmp_path)) == 2)
        family = processes.descendants(tmp_path)
    assert not any(member.alive for member in family)


def test_a_reused_pid_is_not_ours(tmp_path: Path) -> None:
    ours = processes.identify(os.getpid())
    assert ours.alive
    stranger = Identity(pid=ours.pid, started_at=ours.started_at - 60)
    assert not stranger.alive
    (tmp_path / "run").mkdir()
    part = state.PartState(name="one", phase="ready", address="", process=stranger, restarts=0, ready_ms=1, reason=None,
                           stop_signal=int(signal.SIGTERM))
    state.write(tmp_path / "run", state.State(supervisor=stranger, parts=(part,)))
    assert supervisor.end_leftovers(tmp_path) == []
    assert [found.state for found in status.read(tmp_path)] == ["stopped"]


def test_one_supervisor_per_data_directory(tmp_path: Path) -> None:
    with running([sleeper("one")], tmp_path) as held:
        held.wait_ready()
        with running([sleeper("one")], tmp_path) as other:
            wait_for(lambda: other.error)
        assert other.error.sqlstate == errors.OBJECT_NOT_IN_PREREQUISITE_STATE
        assert f"already in use by process {os.getpid()}" in other.error.message
        assert held.parts["one"].process.alive


def test_children_of_a_killed_supervisor_end_and_the_next_up_starts(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(tmp_path)])
    wait_for(lambda: (last := state.read(tmp_path / "run")) and all(part.phase == "ready" for part in last.parts))
    children = [part.process for part in state.read(tmp_path / "run").parts]
    assert all(child.alive for child in children)
    first.kill()
    first.wait()
    wait_for(lambda: not any(child.alive for child in children))
    with running([sleeper("one")], tmp_path) as held:
        held.wait_ready()


def test_detach_status_and_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    background.detach([sys.executable, "-c", SUPERVISE, str(tmp_path)], data_dir=tmp_path, report=reports.append)
    assert [part.phase for part in reports[-1]] == ["ready", "ready"]
    assert cli.main(["status", "--json", "--data-dir", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out)["parts"]
    assert [(part["part"], part["state"]) for part in shown] == [("one", "ready"), ("two", "ready")]
    assert cli.main(["status", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [
        "part", "state", "pid", "uptime", "memory", "restarts", "address"]
    assert cli.main(["down", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "stopped\n"
    assert not any(processes.Identity(pid=part["pid"], started_at=reports[-1][0].process.started_at).alive
                   for part in shown)
    assert cli.main(["status", "--data-dir", str(tmp_path)]) == 3
    assert cli.main(["down", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"nothing runs over {tmp_path}\n"


def test_detach_says_why_it_failed(tmp_path: Path) -> None:
    with pytest.raises(FlinkmsError) as raised:
        background.detach([sys.executable, "-c", "print('because'); raise SystemExit(4)"], data_dir=tmp_path,
                          report=lambda parts: None)
    assert (raised.value.message, raised.value.detail) == ("flinkms up ended with exit code 4", "because")
