"""``python -m tests.bench NAME``: run one benchmark, print its table and, as the last line, one JSON object.

Writes the table into docs/performance.md unless --no-write or --small is given. Exit code 1 when there were errors;
a goal that is not met is reported and is no error.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import report
from tests.deployment import Deployment

NAMES = ("predict", "predict-against", "recommend", "freshness", "learn", "score", "train")
AGAINST = "predict-against"

BUSY_S = 3.0
"""Seconds for which is watched what else runs."""

BUSY_CORES_MAX = 0.2


def main(argv: Sequence[str] | None = None, running: Deployment | None = None) -> int:
    """Run the benchmark the arguments name, on a deployment that runs already where one is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Run one benchmark beside its peers.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes; figures mean nothing")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--against", metavar="DIR", type=Path,
                        help=f"of predict: another tree of this project, as of a former commit; without it, {AGAINST} takes this one")
    arguments = parser.parse_args(argv)
    name: str = arguments.name
    options: dict[str, object] = {}
    if running is not None:
        options["running"] = running
    if arguments.against is not None:
        if name not in ("predict", AGAINST):
            parser.error("--against is of predict")
        name, options = AGAINST, {"against": arguments.against}
    # A deployment is ended on the way out, and by default SIGTERM leaves no way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    busy = report.busy_cores(0.1 if arguments.small else BUSY_S)
    if busy > BUSY_CORES_MAX:
        print(f"{busy:.1f} cores are busy with something else: the figures will mean little", file=sys.stderr)
    found = importlib.import_module(f"tests.bench.{name.replace('-', '_')}").run(small=arguments.small, **options)
    report.publish(found, command=f"make bench BENCH={name}{' DIR=…' if arguments.against else ''}", busy=busy,
                   document=None if arguments.small or arguments.no_write else report.DOCUMENT)
    return 1 if found.errors else 0


if __name__ == "__main__":
    sys.exit(main())
