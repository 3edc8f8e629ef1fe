"""Upkeep of the model log: a table whose log has outgrown it is compacted, and what nobody can need is deleted.

Must not know Flink or what learns. Everybody may go on meanwhile: readers keep the base they opened, and a writer is never
restored to before what a base holds (docs/modellog.md, "Compaction and retention").
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.store import Store
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.compact import compact, retire, sizes
from flinkms_sql.modellog.version import read_version

logger = logging.getLogger(__name__)

INTERVAL_S = 30.0
"""Seconds between two rounds over all tables: what a look costs is some file statuses a table."""

LOG_BYTES_MIN = 64 << 20
"""A log shorter than this is left alone however small its base is: reading it takes a starting worker half a second."""


def keep_up(store: Store, stopping: threading.Event, *, keep_s: float) -> None:
    """Look after the tables of every ready version until ``stopping`` is set.

    keep_s: seconds for which superseded bases and log segments stay.
    """
    while not stopping.wait(INTERVAL_S):
        try:
            paths = [record.path for record in store.snapshot().versions.values()]
        except FlinkmsError as error:
            logger.warning("upkeep: %s", error)
            continue
        for path in paths:
            keep_up_version(Path(path), keep_s=keep_s)


def keep_up_version(
    path: Path, *, keep_s: float, log_bytes_min: int = LOG_BYTES_MIN, clock: Callable[[], float] = time.time
) -> list[str]:
    """Compact the tables of one version that need it, delete what is older than ``keep_s``; the names of the new bases.

    A table that cannot be looked after, because its disk is full or somebody else compacts it, is logged and left for the
    next round.
    """
    made = []
    try:
        tables = read_version(path).tables
    except FlinkmsError as error:
        logger.warning("upkeep of %s: %s", path, error)
        return made
    for table in tables:
        directory = path / table.name
        try:
            base, log = sizes(directory)
            if log >= max(log_bytes_min, base):
                made.append(compact(directory, table))
                logger.info("table %s: %d bytes of log compacted into %s", directory, log, made[-1])
            retire(directory, clock(), keep_s)
        except FlinkmsError as error:
            busy = error.sqlstate == errors.OBJECT_NOT_IN_PREREQUISITE_STATE
            logger.log(logging.INFO if busy else logging.WARNING, "upkeep of %s: %s", directory, error)
    return made
