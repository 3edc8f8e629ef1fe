"""The report of upkeep: what its last rounds did, and what the newest one could not do, for ``flinkms status``.

Whoever does a round adds it to what is there, one at a time: that of the runner and one by hand, or the rounds before and
after a restart, stand in one report. Must not know what a round does.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import io_error, read_json, write_json

logger = logging.getLogger(__name__)

ACTIONS_KEPT = 20
"""Last things done that the report holds, whoever did them."""


def add_round(report: Path, *, at: float, took_s: float, done: Sequence[str], problems: Sequence[str]) -> None:
    """Add a round that began at ``at`` (seconds since 1970-01-01 UTC). Raises FlinkmsError 53100, 58030."""
    with _only_one(report.with_suffix(".lock")):
        actions = [*_actions(report), *({"at": at, "action": line} for line in done)]
        write_json(report, {"format": 1, "at": at, "took_s": round(took_s, 3), "actions": actions[-ACTIONS_KEPT:],
                            "problems": list(problems)})


def _actions(report: Path) -> list[dict[str, Any]]:
    """What earlier rounds did; nothing when there is no report yet, or none that can be read."""
    if not report.exists():
        return []
    try:
        found = read_json(report).get("actions")
    except FlinkmsError as error:
        logger.warning("upkeep: %s; begun anew", error)
        return []
    return found if isinstance(found, list) else []


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the report's lock: it is read and replaced within milliseconds, so everybody waits for it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise io_error(error, path, "open") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
