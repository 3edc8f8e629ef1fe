"""Observations that a learning job leaves out, counted by reason: its workers write the counts down, the runner adds them up.

A Flink job has no other way to tell; each worker has a file of its own, written anew as its count grows. After a failure
what is read again is counted again. Must not know why an observation is left out, nor Flink.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

FOLDER = "left-out"
"""Directory of these files in a version's, with which it goes."""

LEFT_OUT = "left_out"
"""In the progress of a standing job: reason -> observations left out of the version it teaches."""


class LeftOut:
    """The count of one worker on behalf of the standing job ``job``."""

    def __init__(self, version: Path, job: int) -> None:
        self._file = version / FOLDER / f"{job}-{uuid.uuid4().hex}.json"
        self._counts: Counter[str] = Counter()

    def add(self, failures: Mapping[str, int]) -> None:
        """Count these, by reason."""
        if not failures:
            return
        self._counts.update(failures)
        self._file.parent.mkdir(exist_ok=True)
        _write(self._file, self._counts)


def counted(version: Path, job: int) -> dict[str, int]:
    """What all workers of a standing job have left out of a version, by reason."""
    total: Counter[str] = Counter()
    for file in (version / FOLDER).glob(f"{job}-*.json"):
        with suppress(OSError, ValueError):
            total.update(json.loads(file.read_bytes()))
    return dict(sorted(total.items()))


def gather(version: Path, job: int) -> None:
    """Make one file of what the workers of a standing job have left, when none of them runs any more."""
    files = list((version / FOLDER).glob(f"{job}-*.json"))
    if len(files) > 1:
        _write(files[0], Counter(counted(version, job)))
        for file in files[1:]:
            file.unlink(missing_ok=True)


def _write(file: Path, counts: Counter[str]) -> None:
    """Whole or not at all: it is read meanwhile."""
    hidden = file.with_suffix(f".{os.getpid()}.new")
    hidden.write_text(json.dumps(counts))
    hidden.replace(file)
