"""Training inside a Flink job: udfs/training.py as a vectorized Python aggregate function.

The only file here that imports pyflink. The function gets a whole group of packed blocks as one pandas Series, so
Flink moves blocks and not rows to its Python worker. What happens is appended to a file of JSON lines, because a Flink
job has no other way to tell: progress while it trains, and what kind of error ended it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyflink.table import DataTypes
from pyflink.table.udf import udaf

from udfs.source import code_hash
from udfs.training import TrainConfig, train

PROGRESS_SECONDS_MIN = 0.1
"""Shortest time between two lines of progress; the last iteration is always written."""


def fit_function(config: TrainConfig, progress_path: str) -> Any:
    """A pandas UDAF fit(block BYTES) -> ARRAY<BYTES> of fit bundles, with config and path captured.

    progress_path gets lines {"phase": "train", "done", "total", "metrics"} and, before an exception leaves,
    {"error": {"kind", "message"}}, kind being the exception's class: OptionError, ArgumentError, DivergedError, ….
    """
    fields = asdict(config)

    def fit(blocks: Any) -> list[bytes]:
        progress = ProgressFile(progress_path)
        try:
            return train(
                [block for block in blocks if block is not None],
                TrainConfig(**fields),
                progress=progress.report, clock=time.monotonic, code_hash=code_hash(),
            )  # fmt: skip
        except Exception as error:
            progress.append({"error": {"kind": type(error).__name__, "message": str(error)}})
            raise

    return udaf(fit, result_type=DataTypes.ARRAY(DataTypes.BYTES()), func_type="pandas", name="flinkms_fit")


class ProgressFile:
    """A file of JSON lines, appended to; each line is one write, so that a reader sees whole lines or none."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._reported_at = -PROGRESS_SECONDS_MIN

    def report(self, done: int, total: int, metrics: Any) -> None:
        """The Progress of a fit, thinned out to one line per PROGRESS_SECONDS_MIN."""
        now = time.monotonic()
        if done < total and now - self._reported_at < PROGRESS_SECONDS_MIN:
            return
        self._reported_at = now
        self.append({"phase": "train", "done": done, "total": total, "metrics": dict(metrics)})

    def append(self, line: dict[str, Any]) -> None:
        """Write one line."""
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
