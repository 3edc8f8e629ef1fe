"""The metrics of a version over blocks of observations, as they are recorded. Must not know who calls it: a worker, or a
job over no rows, for which Flink calls nobody."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flinkms_sql.types import SqlType
from udfs import evaluation
from udfs.block import decode_block
from udfs.model import Model, ModelView


def evaluate_blocks(model: Model, view: ModelView, blocks: Sequence[bytes], output: SqlType) -> dict[str, object]:
    """{"metrics": {name: {"value", "rows", "failed_rows"}}, "unknown_rows"} over blocks of (args…, label).

    A value is None when no row has an error to count.
    """
    parts = [decode_block(block) for block in blocks if block is not None]
    batches = ((columns[:-1], columns[-1]) for columns in parts)
    found, unknown = evaluation.evaluate(model, view, batches, output.name)
    return {
        "metrics": {metric.name: {"value": metric.value if math.isfinite(metric.value) else None,
                                  "rows": metric.row_count, "failed_rows": metric.failed_rows}
                    for metric in found},
        "unknown_rows": unknown,
    }
