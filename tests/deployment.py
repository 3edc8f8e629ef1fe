"""A deployment for the time of a test run or a benchmark: ``flinkms up`` over a temporary directory, on ports of its own.

Both use what users use: the command line, and connections to the frontend.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from flinkms_sql.runtime import status
from flinkms_sql.runtime.flink import free_ports
from flinkms_sql.settings import DATABASE, Settings

ROOT = Path(__file__).parents[1]


PERSONS_OWN = {
    "PGHOST": "db.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "nobody", "PGDATABASE": "nowhere",
    "PGPASSWORD": "wrong", "PGPASSFILE": "nowhere", "PGSERVICE": "nothing", "PGSERVICEFILE": "nowhere",
    "PGOPTIONS": "-c nonsense=1", "PGSSLMODE": "verify-full", "PGREQUIRESSL": "1", "PGTZ": "Mars/Base",
    "PGCLIENTENCODING": "LATIN1", "PGDATESTYLE": "nonsense", "PGTARGETSESSIONATTRS": "standby", "PGDATA": "nowhere",
    "PGAPPNAME": "psql", "PGCONNECT_TIMEOUT": "1", "PGREQUIREAUTH": "password", "PGCHANNELBINDING": "require",
}
"""Variables that somebody has set for psql: no deployment may notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment that runs; ``started_s`` is how long ``flinkms up --detach`` took."""

    settings: Settings
    started_s: float

    def command(self, *arguments: str) -> str:
        """Run ``flinkms …`` over this deployment; what it printed. Raises CalledProcessError."""
        return _flinkms(self.settings, arguments)

    def status(self, *options: str) -> str:
        """What ``flinkms status`` prints; some part may be down, for another test has killed it and it starts again."""
        try:
            return self.command("status", *options)
        except subprocess.CalledProcessError as error:
            if error.returncode != 3:
                raise
            return str(error.stdout)

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection:
        """A connection to the frontend."""
        return psycopg.connect(host=self.settings.host, port=self.settings.port, dbname=DATABASE, user=DATABASE,
                               autocommit=autocommit, connect_timeout=10)

    def execute(self, statement: str) -> None:
        """Run one statement on a connection of its own."""
        with self.connect() as connection:
            connection.execute(statement)

    def flink_address(self) -> str:
        """host:port of the session cluster's REST endpoint."""
        parts = {part.part: part for part in status.read(self.settings.data_dir)}
        return parts["flink-jobmanager"].address.removeprefix("http://")

    def version_path(self, model: str, version: int = 1) -> Path:
        """Directory of a version of a model in the warehouse."""
        return self._path("SELECT path FROM flinkms.model_versions WHERE model = %s AND version = %s", model, version)

    def stream_path(self, name: str) -> Path:
        """Directory of a stream in the warehouse."""
        return self._path("SELECT path FROM flinkms.tables WHERE name = %s", name)

    def _path(self, query: str, *parameters: object) -> Path:
        with self.connect() as connection:
            return Path(connection.execute(query, parameters).fetchone()[0])


def start_job(connection: psycopg.Connection, statement: str) -> int:
    """Run a statement that starts a job; the job's number, which a notice tells."""
    told: list[str] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        told.append(diagnostic.message_primary or "")

    connection.add_notice_handler(listen)
    try:
        assert connection.execute(statement).statusmessage == "START JOB"
    finally:
        connection.remove_notice_handler(listen)
    (number,) = [text.removeprefix("started job ") for text in told if text.startswith("started job ")]
    return int(number)


@contextmanager
def deployed(**settings: object) -> Iterator[Deployment]:
    """A deployment with these settings; ended, and its directory removed, on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="flinkms-bench-"))
    # PostgreSQL runs as another user when we are root, and has to pass.
    folder.chmod(0o711)
    roots = os.pathsep.join(filter(None, (tempfile.gettempdir(), os.environ.get("FLINKMS_DATA"))))
    chosen = Settings(data_dir=folder / "data", port=free_ports(1)[0], data_roots=roots).with_options(settings)
    began = time.monotonic()
    try:
        _flinkms(chosen, ("up", "--detach"))
        yield Deployment(settings=chosen, started_s=time.monotonic() - began)
    except subprocess.CalledProcessError:
        _show_logs(chosen)
        raise
    finally:
        _flinkms(chosen, ("down",))
        shutil.rmtree(folder, ignore_errors=True)


def _flinkms(settings: Settings, arguments: Sequence[str]) -> str:
    environment = {**os.environ, **settings.environment(), **PERSONS_OWN,
                   "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    done = subprocess.run([sys.executable, "-m", "flinkms_sql", *arguments], env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, ["flinkms", *arguments], done.stdout)
    return done.stdout


def _show_logs(settings: Settings) -> None:
    """The end of every log on standard error: the directory is about to go."""
    for log in sorted(settings.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-20:]
        sys.stderr.write("\n".join([f"--- {log.name}", *lines, ""]))
