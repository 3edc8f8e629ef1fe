"""As which type a label is read, which every job has to decide alike: what a version learns, what it is measured by.

Must not know Flink. A model that answers one of the labels reads them as its output type; one that answers a score of
them takes texts as well; any other label is a number, whatever the answer is rounded to.
"""

from __future__ import annotations

import numpy as np

from flinkms_sql.modellog.version import Version
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.model import Model


def training_label(model: Model, output: SqlType, *, is_text: bool) -> SqlType:
    """The type of the label of a training; ``is_text``: the query gives texts."""
    if model.answer == "class":
        # A class of type FLOAT is kept as the DOUBLE it was given as, and rounded in answers.
        return SqlType.DOUBLE if output is SqlType.FLOAT else output
    return SqlType.STRING if model.answer == "score" and is_text else SqlType.DOUBLE


def served_label(version: Version, output: SqlType) -> SqlType:
    """The type of the label of observations that a trained version learns from or is measured by."""
    model = configure(version.algorithm, version.options, version.input_types)
    return training_label(model, output, is_text=named_by_text(version.classes))


def named_by_text(classes: np.ndarray | None) -> bool:
    """Whether classes are texts."""
    return classes is not None and classes.dtype == object
