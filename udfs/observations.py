"""Observations: which rows of some columns can be learned from, and their keys as small integers.

Must not know any algorithm. A row that cannot be used is data, not an error: it is counted under one reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from udfs.block import Column
from udfs.model import ArgumentError, DivergedError, NoneUsableError

NULL_LABEL = "label is null"
NOT_FINITE_LABEL = "label is not finite"
UNKNOWN_CLASS = "label is none of the classes"


class Failures(dict[str, int]):
    """Reason -> how many rows are left out for it; ``first`` holds the number, from 0, of the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, int] = {}

    def add(self, reason: str, rows: np.ndarray) -> None:
        """Count the rows where the mask is true."""
        count = int(np.count_nonzero(rows))
        if count:
            self[reason] = self.get(reason, 0) + count
            self.first[reason] = min(self.first.get(reason, len(rows)), int(np.argmax(rows)))


    def forget(self, rows: int) -> None:
        """Take so many rows out of what was counted first: those in which all is NULL were."""
        first = next(iter(self), "")
        if rows and self[first] > rows:
            self[first] -= rows
        elif rows:
            del self[first]


def empty_rows(columns: Sequence[Column], label: Column) -> int:
    """How many rows hold nothing but NULLs. One of them begins each job that learns, to wake its workers."""
    empty = np.ones(len(label), bool)
    for column in (*columns, label):
        if column.valid is not None:
            empty &= ~column.valid
        elif column.values.dtype.kind == "f" and column.offsets is None:
            empty &= np.isnan(column.values)  # Flink's workers are given the NULLs of these as NaN
        else:
            return 0
    return int(np.count_nonzero(empty))


def null_input(number: int) -> str:
    """The reason for a NULL in an input, counted from 0."""
    return f"input {number + 1} is null"


def not_finite_input(number: int) -> str:
    """The reason for NaN or infinity in an input, counted from 0."""
    return f"input {number + 1} is not finite"


def key_values(column: Column, kind: str, argument: int) -> np.ndarray:
    """int64[n] or object[n] of str, as the table's key kind asks. Raises ArgumentError when the column is not."""
    values = column.values
    if column.offsets is not None:
        raise ArgumentError(f"argument {argument + 1} is an array, not a key", argument)
    if kind == "int64":
        if values.dtype == np.int64:
            return values
        if values.dtype.kind == "i":
            return values.astype(np.int64)
    elif values.dtype.kind == "O":
        return values
    raise ArgumentError(f"argument {argument + 1} is {values.dtype}, the model's keys are {kind}", argument)


def label_values(label: Column) -> np.ndarray:
    """float64[n]. Raises ArgumentError when the label is not a number (or BOOLEAN: 0 and 1)."""
    if label.offsets is not None or label.values.ndim != 1 or label.values.dtype.kind not in "bif":
        raise ArgumentError("the label is not a number")
    return label.values.astype(np.float64, copy=False)


def present(columns: Sequence[Column]) -> np.ndarray | None:
    """bool[n]: rows without a NULL in any column; None when no column has one."""
    found = None
    for column in columns:
        if column.valid is not None:
            found = column.valid if found is None else found & column.valid
    return found


def usable_rows(inputs: Sequence[Column], label: Column, values: np.ndarray) -> tuple[np.ndarray, Failures]:
    """bool[n] of rows with all inputs and a finite label, and the count of other rows by their first reason.

    values: the label as float64[n], NULL rows anything.
    """
    usable = np.ones(len(label), bool)
    failures = Failures()
    for number, column in enumerate(inputs):
        exclude(usable, column.valid, null_input(number), failures)
    exclude(usable, label.valid, NULL_LABEL, failures)
    exclude(usable, np.isfinite(values), NOT_FINITE_LABEL, failures)
    return usable, failures


def check_usable(usable: np.ndarray, failures: Failures) -> None:
    """Raise NoneUsableError, with the reasons, when a fit has to leave out every row."""
    if not usable.any():
        raise NoneUsableError(len(usable), failures, failures.first)


def exclude(usable: np.ndarray, good: np.ndarray | None, reason: str, failures: Failures) -> None:
    """Take rows that are not ``good`` out of ``usable`` (in place), counting those that were in it until now."""
    if good is None:
        return
    failures.add(reason, usable & ~good)
    usable &= good


def moments(values: np.ndarray) -> tuple[float, float]:
    """(mean, standard deviation, 1 where it is 0). Raises DivergedError when the variance overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(values.mean()), float(values.std())
    if not np.isfinite(deviation):
        raise DivergedError("training diverged before iteration 1: the variance of the label overflows")
    return mean, deviation or 1.0


def factorize(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sorted unique keys, int64[n] position of each key among them); keys are int64[n] or object[n] of str."""
    if keys.dtype.kind != "O":
        unique, codes = np.unique(keys, return_inverse=True)
        return unique, codes
    texts = keys.tolist()
    ordered = sorted(set(texts))
    position = {text: number for number, text in enumerate(ordered)}
    unique = np.empty(len(ordered), object)
    unique[:] = ordered
    return unique, np.fromiter(map(position.__getitem__, texts), np.int64, len(texts))
