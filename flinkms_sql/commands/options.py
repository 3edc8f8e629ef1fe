"""Options that every command has: the settings.

Must not know the environment: what is not given is not among the parsed arguments.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from flinkms_sql import settings
from flinkms_sql.settings import Settings

Value = TypeVar("Value")


def settings_options() -> argparse.ArgumentParser:
    """A parser that has them, for others to include: before the name of an action and after it."""
    default = Settings()
    # What is not given leaves no trace: an action must not take back what stands before its name.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("settings")
    group.add_argument("--data-dir", type=Path, metavar="DIR", help=f"all state; default {default.data_dir}")
    group.add_argument("--host", help=f"address of the frontend; default {default.host}")
    group.add_argument("--port", type=_checked(settings.port_number), help=f"its port; default {default.port}")
    group.add_argument("--control-dsn", metavar="DSN", help="a PostgreSQL to use instead of the embedded one")
    group.add_argument("--flink", type=_checked(settings.endpoint), metavar="HOST:PORT",
                       help="REST address of a session cluster to use instead of the embedded one")
    group.add_argument("--data-roots", metavar="DIRS", help=f"directories that tables may name, separated by {os.pathsep!r}; "
                                                           "default: the current one, and always the warehouse")
    group.add_argument("--client-dsn", metavar="DSN", help="how clients' statements reach that PostgreSQL; default: as the "
                                                          "client's own role")
    group.add_argument("--password-file", type=Path, metavar="FILE", help="users that may connect; default: trust")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate of the frontend, PEM; with --tls-key")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, which nobody else may read")
    group.add_argument("--allow-plaintext", action="store_true",
                       help="let clients of other machines connect without TLS")
    group.add_argument("--jobmanager-memory-mb", type=_checked(settings.memory_mb), metavar="MB",
                       help=f"default {default.jobmanager_memory_mb}")
    group.add_argument("--taskmanager-memory-mb", type=_checked(settings.memory_mb), metavar="MB",
                       help=f"default {default.taskmanager_memory_mb}, without its Python workers")
    group.add_argument("--task-slots", type=_checked(settings.slots), metavar="N", help=f"default {default.task_slots}")
    group.add_argument("--log-retention-s", type=_checked(settings.seconds), metavar="S",
                       help=f"how long files that nothing needs any more stay; default {default.log_retention_s}, a day")
    group.add_argument("--jobs-keep", type=_checked(settings.jobs), metavar="N",
                       help=f"ended jobs that SHOW JOBS remembers; default {default.jobs_keep}")
    return common


def _checked(parser: Callable[[str], Value]) -> Callable[[str], Value]:
    """A settings parser whose reason argparse shows."""

    def parse(text: str) -> Value:
        try:
            return parser(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse
