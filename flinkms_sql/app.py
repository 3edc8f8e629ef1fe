"""The composition root: the one place that knows every part and puts them together.

``python -m flinkms_sql.app jobs`` is the job runner's process; ``… frontend`` is a frontend's.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from flinkms_sql import errors
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Places
from flinkms_sql.runtime import postgres, state
from flinkms_sql.settings import Settings, forget_postgres

logger = logging.getLogger(__name__)


def control_dsn(settings: Settings) -> str:
    """Connection string of the control database, given or embedded."""
    return settings.control_dsn or postgres.dsn(settings.data_dir)


def running_dsn(settings: Settings) -> str:
    """Connection string of the control database of a deployment that runs. Raises FlinkmsError 55000 when none does."""
    if settings.control_dsn is not None:
        return settings.control_dsn
    if not state.is_held(settings.run):
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"nothing runs over {settings.data_dir}",
                           hint="Start it with flinkms up, or name another directory with --data-dir.")
    if not (postgres.socket_dir(settings.data_dir) / postgres.SOCKET_NAME).exists():
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"the control database does not run over {settings.data_dir}",
                           hint="flinkms status shows how far it is.")
    return control_dsn(settings)


def places(settings: Settings) -> Places:
    """Where a deployment may read, write and delete."""
    return Places(warehouse=settings.warehouse, roots=settings.roots, closed=settings.closed)


@contextmanager
def open_deployer(settings: Settings) -> Iterator[Deployer]:
    """A deployer over the registry and warehouse of a deployment that runs. Raises FlinkmsError 55000 when none does."""
    with closing(PostgresStore(running_dsn(settings))) as store:
        yield Deployer(store=store, places=places(settings))


def run_jobs(settings: Settings) -> None:
    """The job runner, until SIGTERM."""
    from flinkms_sql.jobs.clock import Clock
    from flinkms_sql.jobs.cluster import Cluster
    from flinkms_sql.jobs.compiler import Compiler
    from flinkms_sql.jobs.context import JobContext
    from flinkms_sql.jobs.environment import FlinkTarget
    from flinkms_sql.jobs.launcher import write_launcher
    from flinkms_sql.jobs.runner import JOBS_AT_ONCE_MAX, run
    from flinkms_sql.jobs.upkeep import Upkeep

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    launcher = settings.run / "python"
    write_launcher(launcher, sys.executable, settings.fork_socket)
    checkpoints = settings.data_dir / "flink" / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    address = settings.flink or ""
    with closing(PostgresStore(control_dsn(settings))) as store:
        upkeep = Upkeep(store=store, places=places(settings), checkpoints=checkpoints,
                        report=settings.upkeep_report, keep_s=settings.log_retention_s, jobs_keep=settings.jobs_keep)
        threading.Thread(target=upkeep.run, args=(stopping,), name="upkeep", daemon=True).start()
        context = JobContext(
            store=store, cluster=Cluster(address), checkpoints=checkpoints, places=places(settings), clock=Clock(stopping),
            flink=Compiler(FlinkTarget(address=address, checkpoints=checkpoints, python=launcher)),
        )
        with ThreadPoolExecutor(JOBS_AT_ONCE_MAX, thread_name_prefix="job") as pool:
            run(context, pool)


def main(argv: list[str]) -> int:
    """Run one process of a deployment; its settings are in the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    forget_postgres(os.environ)
    settings = Settings.from_environment(os.environ)
    match argv:
        case ["jobs"]:
            run_jobs(settings)
        case ["frontend"]:
            from flinkms_sql.serving.process import run_frontend

            run_frontend(settings, control_dsn(settings))
        case _:
            print("usage: python -m flinkms_sql.app jobs | frontend", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
