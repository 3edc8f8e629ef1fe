"""Evaluating a model as it is served: the metrics that its kind of answer calls for, over all rows of a data set.

Must not know where the rows or the view come from. Rows with an unknown key are predicted as they would be for a user
(cold start) and count; they are also counted apart. Rows without a prediction or label have no error and are counted as
failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from udfs.answers import compared
from udfs.block import Column, concatenated
from udfs.classes import known_numbers
from udfs.metrics import Metric
from udfs.model import Model, ModelView

Batch = tuple[Sequence[Column], Column]
"""Argument columns and the label column of some rows."""


def evaluate(
    model: Model, view: ModelView, batches: Iterable[Batch], output_type: str = "DOUBLE"
) -> tuple[list[Metric], int]:
    """Metrics over all rows of all batches, and how many rows named an unknown key. No row: metrics are NaN.

    Predictions are measured as they are answered, as values of ``output_type``, a name of SqlType.
    """
    predictions, labels, unknown = [], [], 0
    judge = model.measured(view)
    for args, label in batches:
        scores = judge.predict(view, args)
        # A class is compared by its number: as a value of its type it may be rounded, or a name.
        predictions.append(scores if judge.answer == "class" else compared(scores, output_type))
        labels.append(Column(known_numbers(label, view.classes), label.valid))
        unknown += int(np.count_nonzero(model.unknown(view, args)))
    prediction, label = (concatenated(parts) if parts else Column(np.empty(0)) for parts in (predictions, labels))
    return [metric(prediction, label) for metric in model.metrics(view)], unknown
