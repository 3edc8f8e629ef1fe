"""Logs of parts, bounded while they are written to: a log that is too long is copied aside and cut to nothing.

Parts write to what they were given at their start, among them processes that are not ours, so a log cannot be exchanged
under them. It can be cut: they append, so what they write next stands at its beginning. What is written between the copy
and the cut, some milliseconds of it, is lost. Must not know what a part is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

LOG_BYTES_MAX = 64 << 20
"""Bytes at which a log is set aside. One old one is kept, so a part's logs are twice that long at most, and what comes in
a ``LOOK_S``."""

LOOK_S = 10.0
"""Seconds between looks: a part that logs 5 MB/s writes 50 MB in them."""


def set_aside(directory: Path, bytes_max: int = LOG_BYTES_MAX) -> list[Path]:
    """Cut every ``*.log`` in a directory that is longer than ``bytes_max``; what was cut is ``*.log.1``. Those cut.

    Raises OSError: then a log is as long as it was.
    """
    cut = []
    for log in sorted(directory.glob("*.log")):
        if log.stat().st_size > bytes_max:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            with log.open("r+b") as file:
                file.truncate(0)
            cut.append(log)
    return cut
