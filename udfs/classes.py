"""Classes: the labels of a classifier as float64 numbers, which kernels work with, and back.

Must not know any algorithm. Labels that float64 holds are their own numbers: BOOLEAN (0 and 1), integers up to 2^53 and
floats. Texts, and larger integers, are numbered in ascending order; the sorted ones are then the ``classes`` of a
version: object[c] of str, or int64[c].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from udfs.block import Column
from udfs.model import ArgumentError
from udfs.observations import factorize, label_values

EXACT_MAX = 2**53
"""Largest integer below which float64 holds every one."""

NO_CLASS = -1.0
"""The number of a label that is none of the classes: no prediction is equal to it."""


def numbered(label: Column) -> tuple[np.ndarray, np.ndarray | None]:
    """(float64[n], classes or None) of a training's labels; NULL rows have some number."""
    values = label.values
    if label.offsets is None and values.dtype == object:
        unique, codes = factorize(values)
        return codes.astype(np.float64), unique
    if values.dtype == np.int64 and len(values) and max(-int(values.min()), int(values.max())) > EXACT_MAX:
        unique, codes = factorize(values)
        return codes.astype(np.float64), unique
    return label_values(label), None


def known_numbers(label: Column, classes: np.ndarray | None) -> np.ndarray:
    """float64[n]: the numbers that labels have in a version with these classes; NO_CLASS for another.

    Raises ArgumentError when the labels are of another type than the classes.
    """
    if classes is None:
        return label_values(label)
    if (label.values.dtype == object) != (classes.dtype == object):
        raise ArgumentError("the label is of another type than the model's classes")
    number = {name: float(at) for at, name in enumerate(classes.tolist())}
    return np.fromiter((number.get(name, NO_CLASS) for name in label.values.tolist()), np.float64, len(label))


def used(values: np.ndarray, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers and the classes once more, without classes that no number names."""
    if classes is None:
        return values, None
    kept, values = np.unique(values, return_inverse=True)
    return values.astype(np.float64), classes[kept.astype(np.int64)]


def named(numbers: Sequence[float], classes: np.ndarray | None) -> list[str]:
    """How labels are written in messages."""
    if classes is not None:
        return [repr(classes[int(number)]) if classes.dtype == object else str(classes[int(number)]) for number in numbers]
    return [f"{number:g}" for number in numbers]
