"""What is looked for on the machine: Java, ports, disk, settings; and what is said when it is not there."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from flinkms_sql import cli, errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import account, doctor, flinkconf, jdk, postgres, private, processes, progress
from flinkms_sql.runtime.part import Part
from flinkms_sql.runtime.state import PartState
from flinkms_sql.settings import Settings
from tests.deployment import PERSONS_OWN


def fake_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-07-16' >&2\n")
    program.chmod(0o755)
    return home


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    first, second = fake_java(tmp_path / "a", "17.0.12"), fake_java(tmp_path / "b", "21")
    found = jdk.find({"JAVA_HOME": str(first), "PATH": str(second / "bin")}, ())
    assert (found.home, found.version, found.javac) == (first, 17, False)
    assert jdk.find({"PATH": str(second / "bin")}, ()).version == 21


@pytest.mark.parametrize(("version", "major"), [("1.8.0_292", 8), ("25.0.1", 25), ("10", 10)])
def test_a_wrong_java_is_named_with_a_remedy(tmp_path: Path, version: str, major: int) -> None:
    home = fake_java(tmp_path / "a", version)
    with pytest.raises(FlinkmsError) as raised:
        jdk.find({"JAVA_HOME": str(home), "PATH": ""}, ())
    assert raised.value.message == "no Java 11 to 21 was found"
    assert raised.value.detail == f"Found Java {major} in {home}."
    assert "apt-get install openjdk-17" in raised.value.hint


def test_a_wrong_java_home_does_not_hide_a_right_one(tmp_path: Path) -> None:
    right = fake_java(tmp_path / "b", "11.0.2")
    wrong = fake_java(tmp_path / "a", "25")
    assert jdk.find({"JAVA_HOME": str(wrong), "PATH": str(right / "bin")}, ()).home == right


def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FlinkmsError, match=f"port {port} on 127.0.0.1 is in use") as raised:
            doctor.check_port("127.0.0.1", port)
    assert "--port" in raised.value.hint
    assert doctor.check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(FlinkmsError, match="cannot listen on 192.0.2.1"):
        doctor.check_port("192.0.2.1", 5433)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlinkmsError) as raised:
        doctor.check_disk(tmp_path / "not" / "yet", free_mb_min=10**9)
    assert raised.value.sqlstate == errors.DISK_FULL
    assert "--data-dir" in raised.value.hint


def test_the_socket_path_is_short_however_long_the_data_directory_is(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["directory"] * 20)
    assert postgres.socket_dir(Path("/data")) == Path("/data/postgres/socket")
    found = postgres.socket_dir(deep)
    assert len(os.fsencode(found / postgres.SOCKET_NAME)) <= postgres.SOCKET_PATH_BYTES_MAX
    assert found == postgres.socket_dir(deep) != postgres.socket_dir(deep / "other")


def test_settings_travel_through_the_environment() -> None:
    chosen = Settings().with_options({"port": 6000, "data_dir": Path("x"), "flink": "host:8081"})
    assert chosen.data_dir == Path.cwd() / "x"
    assert Settings.from_environment(chosen.environment()) == chosen


@pytest.mark.parametrize("given", [{"FLINKMS_PORT": "0"}, {"FLINKMS_PORT": "x"}, {"FLINKMS_FLINK": "8081"},
                                   {"FLINKMS_TASKMANAGER_MEMORY_MB": "1"}, {"FLINKMS_TASK_SLOTS": "0"}])
def test_a_wrong_variable_is_named(given: dict[str, str]) -> None:
    with pytest.raises(FlinkmsError) as raised:
        Settings.from_environment(given)
    assert raised.value.sqlstate == errors.INVALID_PARAMETER_VALUE
    assert next(iter(given)) in raised.value.message


@pytest.mark.parametrize("process_mb", [512, 1024, 1728, 4096])
def test_a_task_manager_divides_all_of_its_memory(process_mb: int) -> None:
    memory = flinkconf.TaskManagerMemory.of(process_mb)
    fixed = (flinkconf.METASPACE_MB + flinkconf.OVERHEAD_MB + flinkconf.FRAMEWORK_HEAP_MB
             + flinkconf.FRAMEWORK_OFF_HEAP_MB + flinkconf.TASK_OFF_HEAP_MB + flinkconf.NETWORK_MB)
    assert fixed + memory.task_heap + memory.managed == max(process_mb, fixed + 128)
    assert min(memory.task_heap, memory.managed) >= 64


def test_every_address_of_the_cluster_is_of_this_machine() -> None:
    found = flinkconf.options(home=Path("/x"), java_options="", rest_port=1, rpc_port=2, slots=8, python="python",
                              memory=flinkconf.TaskManagerMemory.of(1728))
    assert {value for key, value in found.items() if key.endswith(("host", "address"))} == {"127.0.0.1"}
    assert 'jobmanager.rpc.port: 2\n' in flinkconf.text(found)


def test_an_error_is_one_clear_block(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINKMS_PORT", "none")
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == "flinkms: error 22023: FLINKMS_PORT is invalid: none"


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["doctor", "--data-dir", str(tmp_path), "--port", port]) == 1
    lines = capsys.readouterr().out.splitlines()
    missing = next(number for number, line in enumerate(lines) if line.startswith("MISSING port"))
    assert f"port {port} on 127.0.0.1 is in use" in lines[missing]
    assert "--port" in lines[missing + 1]


def test_progress_without_a_terminal_is_a_line_per_event(capsys: pytest.CaptureFixture[str]) -> None:
    def part(phase: str, reason: str | None = None) -> PartState:
        return PartState(name="postgres", phase=phase, address="here", process=None, restarts=0, ready_ms=1200,
                         reason=reason, stop_signal=15)

    with progress.shown(sys.stdout, lambda: "psql") as report:
        for state in (part("waiting"), part("starting"), part("ready"), part("restarting", "it died"), part("ready")):
            report([state])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["postgres", "ready", "1.2", "s", "here"]
    assert re.fullmatch(r"ready in \d+\.\d s: psql", lines[1])
    assert [line.split()[1] for line in lines[2:]] == ["restarting", "ready"]


def test_no_part_sees_what_somebody_has_set_for_psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSONS_OWN.items():
        monkeypatch.setenv(name, value)
    code = "import os; print(sorted(name for name in os.environ if name.startswith('PG'))); print(oct(os.umask(0)))"
    log = tmp_path / "part.log"
    started = processes.start(Part(name="part", command=(sys.executable, "-c", code), address=""), data_dir=tmp_path, log=log)
    assert started.wait(30) == 0
    assert log.read_text().splitlines() == ["[]", "0o77"]
    done = account.OURSELVES.run([sys.executable, "-c", code])
    assert done.stdout.splitlines() == ["[]", "0o77"]


def test_no_command_connects_by_what_somebody_has_set_for_psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSONS_OWN.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["status", "--data-dir", str(tmp_path)]) == 3
    assert [name for name in os.environ if name.startswith("PG")] == ["PGPASSWORD"]


def test_a_data_directory_is_nobody_elses(tmp_path: Path) -> None:
    mode = 0o711 if os.geteuid() == 0 else 0o700
    data_dir = tmp_path / "a" / "data"
    private.secure(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == mode
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in data_dir.iterdir()} == {0o700}
    for opened in (data_dir, *data_dir.iterdir()):
        opened.chmod(0o755)  # as earlier versions left them
    private.secure(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == mode
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in data_dir.iterdir()} == {0o700}


def test_directories_that_are_not_ours_keep_their_modes(tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    found.chmod(0o755)
    private.secure(found)
    assert stat.S_IMODE(found.stat().st_mode) == 0o755
    closed = Path(tempfile.mkdtemp(dir=tempfile.gettempdir()))
    somebody = account.Account(uid=os.geteuid() + 54321, gid=54321)
    with pytest.raises(FlinkmsError) as raised:
        account.check_reach(somebody, closed / "data")
    assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE
    assert f'may not pass "{closed}"' in raised.value.detail
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    account.check_reach(account.OURSELVES, closed / "data")
    closed.rmdir()
