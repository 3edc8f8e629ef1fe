"""Show the parts that run over the data directory."""

from __future__ import annotations

import argparse
import sys

from flinkms_sql.runtime import status
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``status``."""
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every part is ready, 3 when not (as init scripts do)."""
    parts = status.read(settings.data_dir)
    if arguments.json:
        print(status.as_json(parts))
    elif parts:
        print(status.as_text(parts))
    else:
        print(f"nothing runs over {settings.data_dir}", file=sys.stderr)
    return 0 if parts and all(part.state == "ready" for part in parts) else 3
