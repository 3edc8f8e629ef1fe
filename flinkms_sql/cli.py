"""The command line ``flinkms``: settings from variables and options, one command, errors as one clear block of text.

Must not do anything itself: the commands are modules of commands/.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from flinkms_sql import __version__, errors, settings
from flinkms_sql.commands import apply, demo, doctor, down, evaluate, generate, load, plan, status, up, user
from flinkms_sql.commands.options import settings_options
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.script import place
from flinkms_sql.runtime import state
from flinkms_sql.settings import Settings

COMMANDS: dict[str, ModuleType] = {
    "up": up, "down": down, "status": status, "doctor": doctor, "plan": plan, "apply": apply, "demo": demo,
    "generate": generate, "load": load, "evaluate": evaluate, "user": user,
}

_OWN_SETTINGS = ("up", "doctor")
"""Commands that look at no deployment that runs; to the others its settings are what nobody says otherwise."""

EXAMPLES = """\
examples:
  flinkms doctor                          is everything there?
  flinkms up --detach                     start, return when ready
  flinkms up --flink flink.internal:8081  use a Flink session cluster that already runs
  flinkms status                          what runs, since when, how large
  flinkms down                            end it all; data stays

Every option is also a variable: --data-dir is FLINKMS_DATA_DIR, and so on. What is left open is as the deployment that
runs over the data directory has it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. 1 after an error, which is printed, 130 after an interrupt."""
    arguments = _parser().parse_args(argv)
    settings.forget_postgres(os.environ)
    given = {name: value for name, value in vars(arguments).items() if name in Settings.__dataclass_fields__}
    try:
        chosen = Settings.from_environment(os.environ).with_options(given)
        if arguments.command not in _OWN_SETTINGS:
            running = state.remembered(chosen.run)
            chosen = Settings.from_environment({**running, **os.environ}).with_options(given)
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
    if error.query is not None and error.position is not None:
        where = place(error.query, error.position)
        lines += [f"  in the query, {where}:", f"    {where.text}", f"    {' ' * (where.column - 1)}^"]
    lines += ["  detail: " + error.detail.replace("\n", "\n    ")] if error.detail else []
    lines += [f"  hint: {error.hint}"] if error.hint else []
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flinkms", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Train, update and serve machine-learning models from SQL.")
    parser.add_argument("--version", action="version", version=f"flinkms_sql {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    common = settings_options()
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        command = commands.add_parser(name, help=summary[0].lower() + summary[1:].rstrip("."), description=summary, parents=[common])
        module.configure(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
