"""What runs inside Flink's Python workers over a served version: predict, learn, evaluate.

Each function opens the version's replica in its worker: keys cross the boundary from the JVM, rows do not
(docs/performance.md: 3 us for a row of keys, 25 us for one that carries 400 bytes). The replica is the same class as in
the frontend and the kernels are the same functions, so a prediction has the same bits. Must not know about the catalog:
all it is told is the directory of the version, which says how its model is configured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import AggregateFunction, FunctionContext, ScalarFunction, udaf, udf

from flinkms_sql.jobs.datatypes import data_type
from flinkms_sql.jobs.leftout import LeftOut
from flinkms_sql.jobs.measuring import evaluate_blocks
from flinkms_sql.modellog.loading import open_version
from flinkms_sql.types import SqlType
from udfs.answers import answered
from udfs.block import Column, encode_block, encode_bundle


def to_column(series: pd.Series, sql_type: SqlType) -> Column:
    """A worker's pandas Series as a Column of the declared type; None and NaN of an object column are NULL."""
    if sql_type.is_array:
        return _to_list_column(series, sql_type)
    if sql_type is SqlType.STRING:
        valid = series.notna().to_numpy()
        values = series.to_numpy(dtype=object)
        return Column(np.where(valid, values, ""), None if valid.all() else valid)
    values = series.to_numpy()
    dtype = np.dtype(sql_type.value.dtype)
    if values.dtype == dtype:
        return Column(values)
    valid = series.notna().to_numpy()
    if valid.all():
        return Column(values.astype(dtype))
    return Column(series.fillna(0).to_numpy().astype(dtype), valid)


def _to_list_column(series: pd.Series, sql_type: SqlType) -> Column:
    valid = series.notna().to_numpy()
    dtype = np.dtype(sql_type.value.dtype)
    lists = [np.asarray(value, dtype) if present else np.empty(0, dtype) for value, present in zip(series, valid)]
    offsets = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(item) for item in lists], out=offsets[1:])
    values = np.concatenate(lists) if lists else np.empty(0, dtype)
    return Column(values, None if valid.all() else valid, offsets)


def each_row(arguments: Sequence[object]) -> list[pd.Series]:
    """The arguments of a batch, one value a row each: Flink hands a literal of the query over as the value itself."""
    rows = next((len(argument) for argument in arguments if isinstance(argument, pd.Series)), 1)
    return [argument if isinstance(argument, pd.Series) else pd.Series([np.nan if argument is None else argument] * rows)
            for argument in arguments]


def to_series(column: Column) -> pd.Series:
    """A column as the Series a pandas function returns; NULL is None."""
    if column.valid is None:
        return pd.Series(column.values)
    values = column.values.astype(object)
    values[~column.valid] = None
    return pd.Series(values)


class _ServedFunction(ScalarFunction):
    """A function over the version in directory ``path``, opened once a worker."""

    def __init__(self, path: str) -> None:
        self.path = path

    def open(self, function_context: FunctionContext) -> None:
        opened = open_version(Path(self.path))
        self.model, self.replica, self.types = opened.model, opened.replica, opened.inputs

    def close(self) -> None:
        self.replica.close()

    def is_deterministic(self) -> bool:
        """The rows a version serves change while it learns: a call must not be folded or repeated."""
        return False

    def columns(self, series: Sequence[object]) -> list[Column]:
        return [to_column(values, kind) for values, kind in zip(each_row(series), self.types)]


class Predict(_ServedFunction):
    """``predict(args…)`` for one version, vectorized; its values are of type ``output``."""

    def __init__(self, path: str, output: SqlType) -> None:
        super().__init__(path)
        self.output = output

    def eval(self, *args: pd.Series | object) -> pd.Series:
        self.replica.poll()
        scores = self.model.predict(self.replica, self.columns(args))
        return to_series(answered(scores, self.output.name, self.replica.classes))


class Learn(_ServedFunction):
    """``learn(args…, label) -> BYTES``: the push bundle of a whole batch in its first row, NULL in the others.

    One value a batch, because a value costs the boundary more than its bytes do.
    """

    def __init__(self, path: str, label: SqlType, job: int) -> None:
        super().__init__(path)
        self.label = label
        self.job = job

    def open(self, function_context: FunctionContext) -> None:
        super().open(function_context)
        self.left_out = LeftOut(Path(self.path), self.job)
        self.table_index = {spec.name: index for index, spec in enumerate(self.model.tables())}

    def eval(self, *args: pd.Series | object) -> pd.Series:
        self.replica.poll()
        *inputs, label = each_row(args)
        pushes = self.model.learn(self.replica, self.columns(inputs), to_column(label, self.label))
        # A NULL that a pandas Series of numbers holds is NaN.
        self.left_out.add({reason.replace("is not finite", "is null or not finite"): count
                           for reason, count in pushes.failures.items()})
        entries = [
            (self.table_index[push.table], encode_block([
                (SqlType.BIGINT.value.code if push.keys.dtype != object else SqlType.STRING.value.code, Column(push.keys)),
                (SqlType.INT.value.code, Column(push.counts)),
                (SqlType.FLOAT.value.code, Column(push.deltas)),
            ]))
            for push in pushes if len(push.keys)
        ]
        carried: list[bytes | None] = [None] * len(label)
        if entries:
            carried[0] = encode_bundle(entries)
        return pd.Series(carried, dtype=object)


class Evaluate(AggregateFunction):
    """``evaluate(block) -> STRING``: JSON of evaluate_blocks over packed (args…, label) blocks, of the version as it is served."""

    def __init__(self, path: str, output: SqlType) -> None:
        self.path = path
        self.output = output

    def open(self, function_context: FunctionContext) -> None:
        opened = open_version(Path(self.path))
        self.model, self.replica = opened.model, opened.replica

    def close(self) -> None:
        self.replica.close()

    def create_accumulator(self) -> list:
        return []

    def accumulate(self, accumulator: list, *args: pd.Series) -> None:
        accumulator.extend(args[0])

    def get_value(self, accumulator: list) -> str:
        return json.dumps(evaluate_blocks(self.model, self.replica, accumulator, self.output), allow_nan=False)


def predict_function(path: str, output: SqlType):
    """The registered form of Predict."""
    return udf(Predict(path, output), result_type=data_type(output), func_type="pandas")


def learn_function(path: str, label: SqlType, job: int):
    """The registered form of Learn; ``label`` is the type of its last argument, ``job`` the standing job it works for."""
    return udf(Learn(path, label, job), result_type=DataTypes.BYTES(), func_type="pandas")


def evaluate_function(path: str, output: SqlType):
    """The registered form of Evaluate; ``output`` is the type of the model's answers."""
    return udaf(Evaluate(path, output), result_type=DataTypes.STRING(), func_type="pandas")
