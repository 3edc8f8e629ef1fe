"""The parts of this project, from settings: embedded or already running PostgreSQL and Flink, jobs runner, frontend.

Must not start anything: the supervisor does. Command lines and addresses only.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from flinkms_sql.runtime import flink, jdk, postgres
from flinkms_sql.runtime.part import Part
from flinkms_sql.settings import Settings

EXTERNAL_WAIT_S_MAX = 10.0
"""Seconds for something that is said to run already to answer."""

PROBE_WAIT_S_MAX = 1.0

BLAS = {"OPENBLAS_NUM_THREADS": "1"}
"""Matrices here are small, and processes share the cores: threads of one that spin for each other cost the others more
than they gain it. Read once, when numpy is imported."""

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""The shortest question of PostgreSQL's protocol: a server answers it with one byte, before any session exists."""


def all_parts(settings: Settings, *, adopt: Callable[[str], None], migrate: Callable[[str], None],
              environment: Mapping[str, str]) -> tuple[list[Part], Settings]:
    """Every part, and the settings with the addresses of the embedded ones filled in.

    ``adopt`` gives the embedded database to its owner, by its superuser's connection string; ``migrate`` brings the
    schema of the control database at its owner's connection string up to date; ``environment`` is where
    Java is looked for. Raises 55000 when Java, a wheel or the connector is missing.
    """
    java = jdk.find(environment)
    control = _control(settings, adopt, migrate)
    clusters = list(flink.parts(settings, java)) if settings.flink is None else [_external_flink(settings.flink)]
    resolved = replace(settings, control_dsn=settings.control_dsn or postgres.dsn(settings.data_dir),
                       flink=settings.flink or flink.rest_address(clusters[0]))
    ours = {**flink.client_environment(settings, java), **resolved.environment(), **_python_path(environment),
            **BLAS}
    clusters = [replace(part, environment={**part.environment, **_python_path(environment), **BLAS}) for part in clusters]
    workers = Part(name="fork-server", command=(sys.executable, "-m", "flinkms_sql.jobs.forkserver", str(settings.fork_socket)),
                   address=str(settings.fork_socket), environment=ours, ready=lambda pid: settings.fork_socket.exists())
    jobs = Part(name="jobs", command=(sys.executable, "-m", "flinkms_sql.app", "jobs"), address="",
                needs=(control.name, clusters[-1].name), environment=ours)
    frontend = Part(name="frontend", command=(sys.executable, "-m", "flinkms_sql.app", "frontend"),
                    address=f"{settings.host}:{settings.port}", needs=(control.name,), environment=ours,
                    ready=lambda pid: speaks_postgres(settings.host, settings.port))
    return [control, *clusters, workers, jobs, frontend], resolved


def speaks_postgres(host: str, port: int) -> bool:
    """Whether a PostgreSQL-protocol server answers at an address."""
    try:
        with socket.create_connection((host, port), timeout=PROBE_WAIT_S_MAX) as probe:
            probe.sendall(SSL_REQUEST)
            return probe.recv(1) in (b"N", b"S")
    except OSError:
        return False


def _control(settings: Settings, adopt: Callable[[str], None], migrate: Callable[[str], None]) -> Part:
    if settings.control_dsn is not None:
        dsn = settings.control_dsn
        return Part(name="postgres", command=(), address="--control-dsn", started=lambda: migrate(dsn),
                    ready_wait_s=EXTERNAL_WAIT_S_MAX)

    def started() -> None:
        adopt(postgres.dsn(settings.data_dir, user=postgres.SUPERUSER))
        migrate(postgres.dsn(settings.data_dir))

    return replace(postgres.part(settings.data_dir), started=started)


def _external_flink(address: str) -> Part:
    return Part(name="flink", command=(), address=address, ready=lambda pid: flink.answers(address),
                ready_wait_s=EXTERNAL_WAIT_S_MAX)


def _python_path(environment: Mapping[str, str]) -> dict[str, str]:
    """PYTHONPATH with absolute entries: parts run in the data directory."""
    entries = [os.path.abspath(entry) for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}
