"""Settings: one frozen value, from FLINKMS_* variables and command-line options, that every process starts from.

Must not read the environment itself (the caller passes it) and must not create or look at any file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

DATABASE = "flinkms"
"""Name of the database, and of the user that whoever comes from this machine is unless it says otherwise."""

OWNER = "flinkms_owner"
"""Role that owns the registry of the embedded control database: we log in as it, no client can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are and how large they may be. ``from_environment`` and ``with_options`` validate."""

    data_dir: Path = Path(".flinkms")
    """All state: warehouse, control database, checkpoints, logs. FLINKMS_DATA_DIR, made absolute."""

    host: str = "127.0.0.1"
    """Address the frontend listens on."""

    port: int = 5433
    """TCP port the frontend listens on."""

    control_dsn: str | None = None
    """libpq connection string of the control database; None: embedded, started by ``flinkms up``."""

    flink: str | None = None
    """host:port of a session cluster's REST endpoint; None: embedded, started by ``flinkms up``."""

    password_file: Path | None = None
    """File with ``user:verifier[:role]`` lines; None: clients from this machine are trusted."""

    data_roots: str | None = None
    """Directories below which tables may name files, separated as in PATH; None: where the command was given. The
    warehouse is always one of them."""

    client_dsn: str | None = None
    """libpq connection string that clients' own statements use on a control database that is not embedded; where it
    names no user, each client logs in as itself. None: ``control_dsn``'s place, as itself."""

    tls_cert: Path | None = None
    """PEM file of the frontend's certificate and its chain; with ``tls_key``. None: no TLS."""

    tls_key: Path | None = None
    """PEM file of the certificate's key, readable by nobody else."""

    allow_plaintext: bool = False
    """Whether clients of other machines may come without TLS, their statements and answers readable on the way."""

    jobmanager_memory_mb: int = 768
    """Whole process, MiB: heap, metaspace and overhead. A session cluster that runs a dozen jobs needs 300 of heap."""

    taskmanager_memory_mb: int = 1728
    """Whole JVM process, MiB (Flink's own default). Its Python workers come on top, about 150 each."""

    task_slots: int = 8
    """Pipelines that run at once: four standing jobs of parallelism 2, or bulk jobs beside fewer of them."""

    log_retention_s: int = 86_400
    """Seconds for which files stay after nothing needs them any more: bases and log segments that a compaction superseded,
    retired and failed versions, dropped models and streams, checkpoints."""

    jobs_keep: int = 1000
    """Ended jobs that the registry remembers; a learner's and each model's newest training stay beside them."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Defaults overridden by FLINKMS_<FIELD> variables. Raises FlinkmsError 22023 naming the variable."""
        given = {}
        for field in fields(cls):
            text = environment.get(variable(field.name))
            if text:
                given[field.name] = _parse(variable(field.name), text, _PARSERS[field.name])
        return cls().with_options(given)

    def with_options(self, options: Mapping[str, Any]) -> Settings:
        """These settings with the options that are not None in place of their own."""
        changed = replace(self, **{name: value for name, value in options.items() if value is not None})
        # Parts run in the data directory: what is relative is so to where the command was given.
        places = {name: Path(os.path.abspath(value.expanduser())) for name in _PLACES
                  if (value := getattr(changed, name)) is not None}
        roots = os.pathsep.join(os.path.abspath(os.path.expanduser(root))
                                for root in (changed.data_roots or os.curdir).split(os.pathsep) if root)
        return replace(changed, data_roots=roots, **places)

    def environment(self) -> dict[str, str]:
        """FLINKMS_* variables from which a child process gets these settings back."""
        return {variable(field.name): str(value) for field in fields(self)
                if (value := getattr(self, field.name)) is not None}

    @property
    def warehouse(self) -> Path:
        """Directory of streams and model logs (docs/modellog.md)."""
        return self.data_dir / "warehouse"

    @property
    def roots(self) -> tuple[Path, ...]:
        """Directories below which tables may name files, but for the warehouse."""
        return tuple(Path(root) for root in (self.data_roots or "").split(os.pathsep) if root)

    @property
    def closed(self) -> tuple[Path, ...]:
        """What no table may name: our own state, and the files that say who may come in."""
        own = [self.data_dir / name for name in ("postgres", "logs", "run", "flink")]
        return (*own, *(path for path in (self.password_file, self.tls_cert, self.tls_key) if path is not None))

    @property
    def logs(self) -> Path:
        """Directory of one log file per part."""
        return self.data_dir / "logs"

    @property
    def fork_socket(self) -> Path:
        """Socket of the fork server that Flink's Python workers start from."""
        return self.run / "workers.sock"

    @property
    def upkeep_report(self) -> Path:
        """File in which upkeep says what it did last."""
        return self.run / "upkeep.json"

    @property
    def run(self) -> Path:
        """Directory of the supervisor's lock and state file."""
        return self.data_dir / "run"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"FLINKMS_{field.upper()}"


def port_number(text: str) -> int:
    """A TCP port. Raises ValueError."""
    number = int(text)
    if not 1 <= number <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return number


def memory_mb(text: str) -> int:
    """A memory size in MiB. Raises ValueError."""
    number = int(text)
    if number < 512:
        raise ValueError("a process of the cluster needs 512 MiB or more")
    return number


def slots(text: str) -> int:
    """A number of task slots. Raises ValueError."""
    number = int(text)
    if not 1 <= number <= 1024:
        raise ValueError("slots are a number from 1 to 1024")
    return number


def seconds(text: str) -> int:
    """A duration in seconds. Raises ValueError."""
    number = int(text)
    if not 60 <= number <= 10 * 365 * 86_400:
        raise ValueError("a retention is 60 s to ten years, in seconds")
    return number


def jobs(text: str) -> int:
    """A number of jobs. Raises ValueError."""
    number = int(text)
    if not 10 <= number <= 1_000_000:
        raise ValueError("ended jobs that are remembered are a number from 10 to 1000000")
    return number


def switch(text: str) -> bool:
    """A yes or no. Raises ValueError."""
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError("write true or false")
    return known[text.lower()]


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without PG* variables.

    They are a person's settings for psql. libpq takes whatever a connection string leaves open from them, and the
    PostgreSQL server its port: a deployment would depend on who starts it.
    """
    return {name: value for name, value in environment.items() if not name.startswith("PG")}


def forget_postgres(environment: MutableMapping[str, str]) -> None:
    """Take the PG* variables out of a process' own environment, before anything of it connects.

    PGPASSWORD stays: commands that are clients of the frontend are given their password by it, and who is not asked for
    a password does not look.
    """
    for name in environment.keys() - own_environment(environment).keys() - {"PGPASSWORD"}:
        del environment[name]


def endpoint(text: str) -> str:
    """A host:port. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not host or not colon:
        raise ValueError("an address is host:port")
    port_number(port)
    return text


_PLACES = ("data_dir", "password_file", "tls_cert", "tls_key")

_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "data_dir": Path, "host": str, "port": port_number, "control_dsn": str, "flink": endpoint, "password_file": Path,
    "jobmanager_memory_mb": memory_mb, "taskmanager_memory_mb": memory_mb, "task_slots": slots,
    "log_retention_s": seconds, "jobs_keep": jobs, "data_roots": str, "client_dsn": str, "tls_cert": Path, "tls_key": Path, "allow_plaintext": switch,
}


def _parse(name: str, text: str, parser: Callable[[str], Any]) -> Any:
    try:
        return parser(text)
    except ValueError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"{name} is invalid: {text}",
                           detail=str(error).capitalize() + ".") from error
