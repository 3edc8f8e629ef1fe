"""The command line ``flinkms``: settings from variables and options, one command, errors as one clear block of text.

Must not do anything itself: the commands are modules of commands/.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from flinkms_sql import __version__, errors, settings
from flinkms_sql.commands import apply, demo, doctor, down, evaluate, generate, load, plan, status, up, user
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.settings import Settings

Value = TypeVar("Value")

COMMANDS: dict[str, ModuleType] = {
    "up": up, "down": down, "status": status, "doctor": doctor, "plan": plan, "apply": apply, "demo": demo,
    "generate": generate, "load": load, "evaluate": evaluate, "user": user,
}

EXAMPLES = """\
examples:
  flinkms doctor                          is everything there?
  flinkms up --detach                     start, return when ready
  flinkms up --flink flink.internal:8081  use a Flink session cluster that already runs
  flinkms status                          what runs, since when, how large
  flinkms down                            end it all; data stays

Every option is also a variable: --data-dir is FLINKMS_DATA_DIR, and so on.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. 1 after an error, which is printed, 130 after an interrupt."""
    arguments = _parser().parse_args(argv)
    settings.forget_postgres(os.environ)
    try:
        chosen = Settings.from_environment(os.environ).with_options(
            {name: value for name, value in vars(arguments).items() if name in Settings.__dataclass_fields__})
        return COMMANDS[arguments.command].run(arguments, chosen)
    except FlinkmsError as error:
        print(error_text(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(error_text(_file_error(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _file_error(error: OSError) -> FlinkmsError:
    """What a command could not read or write: a full disk, a directory of somebody else."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = f'file "{error.filename}": {error.strerror}' if error.filename is not None else str(error)
    return FlinkmsError(errors.DISK_FULL if full else errors.IO_ERROR, what,
                        hint="Make room, or choose another directory with --data-dir." if full else None)


def error_text(error: FlinkmsError) -> str:
    """An error as psql shows one."""
    lines = [f"flinkms: error {error.sqlstate}: {error.message}"]
    lines += [f"  detail: {error.detail}"] if error.detail else []
    lines += [f"  hint: {error.hint}"] if error.hint else []
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flinkms", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Train, update and serve machine-learning models from SQL.")
    parser.add_argument("--version", action="version", version=f"flinkms_sql {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    common = _common()
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        command = commands.add_parser(name, help=summary[0].lower() + summary[1:].rstrip("."), description=summary, parents=[common])
        module.configure(command)
    return parser


def _common() -> argparse.ArgumentParser:
    """Options that every command has: the settings."""
    default = Settings()
    common = argparse.ArgumentParser(add_help=False)
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
    group.add_argument("--allow-plaintext", action="store_true", default=None,
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


if __name__ == "__main__":
    sys.exit(main())
