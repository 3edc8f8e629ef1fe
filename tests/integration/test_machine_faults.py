"""A full disk, a port in use, the wrong Java: each is one clear error, and what runs goes on running.

The full disks are real: a file system without a free byte, and /dev/full, where every write fails with ENOSPC.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from flinkms_sql.runtime import state
from flinkms_sql.runtime.part import Part
from tests.deployment import ROOT, Deployment
from tests.running import running, wait_for

pytestmark = pytest.mark.integration

FULL = Path("/dev/full")

UP_WITHOUT_INSTALLED_JAVA = """\
import sys
from flinkms_sql import cli
from flinkms_sql.runtime import jdk
jdk.find.__defaults__ = ((),)
sys.exit(cli.main(sys.argv[1:]))
"""
"""``flinkms`` on a machine that has no Java but those JAVA_HOME and PATH name."""


def flinkms(*arguments: str, code: str | None = None, **environment: str) -> list[str]:
    """Lines on standard error of a ``flinkms`` that fails. It must not be a traceback."""
    command = [sys.executable, "-m", "flinkms_sql"] if code is None else [sys.executable, "-c", code]
    done = subprocess.run([*command, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, text=True,
                          capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_up_on_a_full_disk(how: tuple[str, ...]) -> None:
    # /proc has no free block, whoever asks.
    first, *more = flinkms("up", *how, "--data-dir", "/proc/flinkms")
    assert first == "flinkms: error 53100: disk of /proc/flinkms is full: 0 MiB are left"
    assert "--data-dir" in more[-1]


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_up_with_its_port_in_use(tmp_path: Path, how: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        first, *more = flinkms("up", *how, "--data-dir", str(tmp_path), "--port", port)
    assert first == f"flinkms: error 55000: port {port} on 127.0.0.1 is in use"
    assert more == ["  hint: Choose another with --port, or end what listens there."]


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_up_with_the_wrong_java(tmp_path: Path, how: tuple[str, ...]) -> None:
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_292\"' >&2\n")
    java.chmod(0o755)
    first, *more = flinkms("up", *how, "--data-dir", str(tmp_path / "data"), code=UP_WITHOUT_INSTALLED_JAVA,
                           JAVA_HOME=str(java.parents[1]), PATH=str(java.parent))
    assert first == "flinkms: error 55000: no Java 11 to 21 was found"
    assert more[0] == f"  detail: Found Java 8 in {java.parents[1].resolve()}."
    assert more[1].startswith("  hint: Install one, for example: apt-get install openjdk-17-jdk-headless")


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    (line,) = flinkms("up", "--data-dir", str(tmp_path / "taken"))
    assert line == f'flinkms: error 58030: file "{tmp_path / "taken"}": Not a directory'


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_supervisor_outlives_a_full_disk(tmp_path: Path) -> None:
    unwritable = tmp_path / "run" / "state.json.new"
    part = Part(name="one", command=("sleep", "600"), address="", ready=lambda pid: True)
    with running([part], tmp_path) as held:
        held.wait_ready()
        recorded = state.read(tmp_path / "run")
        unwritable.symlink_to(FULL)
        os.kill(held.parts["one"].process.pid, signal.SIGKILL)
        wait_for(lambda: held.parts["one"].restarts == 1 and held.parts["one"].phase == "ready")
        assert state.read(tmp_path / "run") == recorded and held.error is None
        unwritable.unlink()
        wait_for(lambda: state.read(tmp_path / "run").parts == tuple(held.parts.values()))


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_an_insert_on_a_full_disk_is_refused_and_the_session_lives_on(deployment: Deployment) -> None:
    deployment.execute("CREATE TABLE full_events (id BIGINT) WITH ('connector' = 'flinkms')")
    log = deployment.stream_path("full_events") / "log" / "frontend-0"
    log.mkdir()
    # Where the first segment is written before it gets its name. The writer removes it when it gives up.
    (log / ".00000001-000000000000.log").symlink_to(FULL)
    with deployment.connect() as connection:
        with pytest.raises(psycopg.errors.DiskFull, match="could not create file .*No space left on device") as raised:
            connection.execute("INSERT INTO full_events VALUES (1)")
        assert raised.value.diag.message_hint == "Free space on the warehouse's disk and try again."
        assert connection.execute("INSERT INTO full_events VALUES (2)").rowcount == 1
