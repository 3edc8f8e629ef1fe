"""The embedded PostgreSQL, started for real: where its socket is, who may reach it, and coming back after kill -9."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import postgres, processes, state
from tests.running import running, running_postgres, wait_for

pytestmark = pytest.mark.integration

SUPERVISE = """\
import sys
from pathlib import Path
from flinkms_sql.runtime import postgres
from flinkms_sql.runtime.supervisor import Supervisor
data_dir = Path(sys.argv[1])
Supervisor([postgres.part(data_dir)], data_dir=data_dir, report=lambda parts: None).run()
"""


def test_a_long_data_directory_gets_a_short_socket_that_nobody_else_can_reach(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a rather long directory's name"] * 4)
    sockets = postgres.socket_dir(deep)
    assert not sockets.is_relative_to(deep)
    try:
        with running_postgres(deep) as dsn, psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    finally:
        sockets.rmdir()


def test_a_socket_directory_that_somebody_made_before_us_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory of somebody else's")
    sockets = postgres.socket_dir(tmp_path)
    sockets.mkdir(parents=True)
    os.chown(sockets, 12345, 12345)
    with running([postgres.part(tmp_path)], tmp_path) as held:
        wait_for(lambda: held.error)
    assert isinstance(held.error, FlinkmsError)
    assert held.error.message == f"{sockets} belongs to another user"


def test_an_interrupted_first_start_leaves_nothing_behind(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with running_postgres(tmp_path) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SHOW server_version_num").fetchone()[0].startswith("18")


def test_the_pid_of_a_dead_server_may_be_a_zombie_or_somebody_elses(tmp_path: Path) -> None:
    with running_postgres(tmp_path):
        pass
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    for pid in (zombie.pid, os.getpid()):
        for file in ("data/postmaster.pid", f"socket/{postgres.SOCKET_NAME}.lock"):
            (tmp_path / "postgres" / file).write_text(f"{pid}\n")
        with running_postgres(tmp_path) as dsn, psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    zombie.wait()


def test_what_was_committed_survives_kill_9_of_supervisor_and_server_together(tmp_path: Path) -> None:
    with running_postgres(tmp_path) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x integer)")
    first = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(tmp_path)])
    wait_for(lambda: (last := state.read(tmp_path / "run")) and last.parts[0].phase == "ready")
    server = state.read(tmp_path / "run").parts[0].process
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (42)")
        os.kill(server.pid, signal.SIGKILL)
        first.kill()
        first.wait()
    wait_for(lambda: not server.alive)
    with running_postgres(tmp_path) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT x FROM kept").fetchall() == [(42,)]
    assert processes.descendants(tmp_path) == []
