"""Start the control database, Flink, the jobs runner and the frontend, and keep them running."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import closing

from flinkms_sql.catalog.adopting import adopt
from flinkms_sql.catalog.postgres import PostgresStore
from flinkms_sql.runtime import background, doctor, parts, private, progress, state, supervisor
from flinkms_sql.runtime.supervisor import Supervisor
from flinkms_sql.server.authentication import read_password_file
from flinkms_sql.server.exposure import check_exposure, tls_context
from flinkms_sql.settings import DATABASE, Settings, variable


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``up``."""
    parser.add_argument("--detach", action="store_true", help="return once everything is ready; end it with flinkms down")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Runs until SIGINT or SIGTERM; with --detach until ready."""
    if settings.password_file is not None:
        read_password_file(settings.password_file)
    check_exposure((settings.host,), passwords=settings.password_file is not None,
                   tls=tls_context(settings.tls_cert, settings.tls_key) is not None, allow_plaintext=settings.allow_plaintext)
    doctor.check_disk(settings.data_dir)
    os.umask(private.PRIVATE_UMASK)
    private.secure(settings.data_dir)
    with state.held(settings.run):
        # What a killed supervisor left may still hold the port.
        supervisor.end_leftovers(settings.data_dir)
        doctor.check_port(settings.host, settings.port)
    # Also before detaching: what is missing is said here, and not in a log.
    found, _ = parts.all_parts(settings, adopt=adopt, migrate=migrate, environment=os.environ)
    with progress.shown(sys.stdout, lambda: connection_hint(settings)) as report:
        if arguments.detach:
            # The options travel as variables, so that both take the same way.
            os.environ.update(settings.environment())
            background.detach([sys.executable, "-m", "flinkms_sql.cli", "up"], data_dir=settings.data_dir, report=report)
            return 0
        told = {name: text for name, text in settings.environment().items() if name != variable("host")}
        running = Supervisor(found, data_dir=settings.data_dir, report=report, settings=told)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: running.stop())
        running.run()
    return 0


def migrate(dsn: str) -> None:
    """Bring the registry of a control database up to date."""
    with closing(PostgresStore(dsn)) as store:
        store.migrate()


def connection_hint(settings: Settings) -> str:
    """The command line that connects to the frontend."""
    return f"psql 'host={settings.host} port={settings.port} user={DATABASE} dbname={DATABASE}'"
