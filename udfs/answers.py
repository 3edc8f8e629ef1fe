"""Answers: the float64 numbers that kernels give, as values of the type that a model declares for its output.

The only place where they are converted: a session, a streaming job, a batch job and an evaluation call it alike, so
that they give the same values. Must not know how a number came about. ``kind`` is a name of flinkms_sql.types.SqlType.
"""

from __future__ import annotations

import math

import numpy as np

from udfs.block import Column

NUMBERS = {"SMALLINT": np.int16, "INT": np.int32, "BIGINT": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}

OUTPUT_TYPES = (*NUMBERS, "BOOLEAN", "STRING")
"""The types an output can have."""


def answered(scores: Column, kind: str, classes: np.ndarray | None = None) -> Column:
    """The scores (float64[n]) as values of type ``kind``; NaN is NULL, and NULL rows hold a zero or an empty text.

    DOUBLE: the score itself. FLOAT: rounded as IEEE 754 has it. SMALLINT, INT, BIGINT: rounded to the nearest number,
    a half to the even one; beyond the type's range its lowest or highest. BOOLEAN: whether the score is above 0.5.
    A score of a model with ``classes`` that are of this type is the number of one of them, and that is the value.
    """
    values, valid = scores.values, scores.valid
    # A sum of squares is NaN just when one of them is, and a tenth of the time of looking at each.
    if math.isnan(values.dot(values)):
        known = ~np.isnan(values)
        valid = known if valid is None else valid & known
    if classes is not None and names(kind, classes):
        return _chosen(values, valid, classes)
    if kind == "DOUBLE":
        return scores if valid is scores.valid else Column(np.where(valid, values, 0.0), valid)
    if kind == "FLOAT":
        with np.errstate(over="ignore"):
            return Column(np.where(np.isnan(values), 0.0, values).astype(np.float32), valid)
    if kind == "BOOLEAN":
        return Column(values > 0.5, valid)
    if kind not in NUMBERS:
        raise ValueError(f"scores are no {kind}")
    return Column(_rounded(values, NUMBERS[kind]), valid)


def compared(scores: Column, kind: str) -> Column:
    """The answers of type ``kind``, which is no name's, as float64: as they are compared with labels."""
    found = answered(scores, kind)
    return Column(found.values.astype(np.float64), found.valid)


def names(kind: str, classes: np.ndarray | None) -> bool:
    """Whether there are classes, and they are values of type ``kind``: texts, or integers that float64 does not hold."""
    return classes is not None and kind == ("STRING" if classes.dtype == object else "BIGINT")


def _chosen(values: np.ndarray, valid: np.ndarray | None, classes: np.ndarray) -> Column:
    if valid is None:
        return Column(classes[values.astype(np.int64)])
    found = classes[np.where(valid, values, 0.0).astype(np.int64)]
    found[~valid] = "" if classes.dtype == object else 0
    return Column(found, valid)


def _rounded(values: np.ndarray, dtype: type) -> np.ndarray:
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    rounded = np.rint(values)
    # As float64 the highest BIGINT is 2^63, which is too high already.
    below, above = rounded <= float(lowest), rounded >= float(highest)
    found = np.where(below | above | np.isnan(rounded), 0.0, rounded).astype(dtype)
    found[below], found[above] = lowest, highest
    return found
