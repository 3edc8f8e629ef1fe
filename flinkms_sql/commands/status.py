"""Show the parts that run over the data directory, and how large it is."""

from __future__ import annotations

import argparse
import sys

from flinkms_sql.runtime import sizes, status
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``status``."""
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every part is ready, 3 when not (as init scripts do)."""
    parts = status.read(settings.data_dir)
    found, upkeep = sizes.measure(settings.data_dir), sizes.last_upkeep(settings.upkeep_report)
    if arguments.json:
        print(status.as_json(parts, found, upkeep))
    elif parts:
        print(status.as_text(parts), status.sizes_as_text(found, upkeep), sep="\n\n")
    else:
        print(f"nothing runs over {settings.data_dir}", file=sys.stderr)
    return 0 if parts and all(part.state == "ready" for part in parts) else 3
