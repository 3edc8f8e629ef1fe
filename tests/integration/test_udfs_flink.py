"""Training inside Flink: the aggregate function in a real batch job, with its progress and its errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import numpy as np
import pytest

from udfs.block import BIGINT, DOUBLE, JSON_TAG, Column, decode_block, decode_bundle, encode_block
from udfs.generate import PlantedRatings
from udfs.training import TrainConfig

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A local Flink runs its workers here, and sets variables that no process started later should inherit."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def _run(config: TrainConfig, blocks: list[bytes], path: str) -> list[bytes]:
    """Fit bundles from one global aggregation in a local Flink."""
    from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment

    from udfs.flink import fit_function

    environment = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    environment.get_config().set("parallelism.default", "1").set("restart-strategy.type", "none")
    environment.create_temporary_system_function("fit", fit_function(config, path))
    schema = DataTypes.ROW([DataTypes.FIELD("block", DataTypes.BYTES())])
    table = environment.from_elements([(bytearray(block),) for block in blocks], schema)
    environment.create_temporary_view("blocks", table)
    result = environment.execute_sql(
        "SELECT bundle FROM (SELECT fit(block) AS bundles FROM blocks) CROSS JOIN UNNEST(bundles) AS t (bundle)"
    )
    with result.collect() as rows:
        return [bytes(row[0]) for row in rows]


@pytest.mark.filterwarnings("default")
def test_a_fit_in_flink_returns_the_bundles_of_a_fit_here_and_reports_progress_and_errors(tmp_path):
    """Law: the job's rows are the rows that train() gives, and a failing fit names itself in the progress file."""
    user, item, rating = PlantedRatings(users=50, items=40).ratings(1000)
    blocks = [
        encode_block([(BIGINT, Column(user[part])), (BIGINT, Column(item[part])), (DOUBLE, Column(rating[part]))])
        for part in (slice(0, 600), slice(600, 1000))
    ]
    config = TrainConfig(algorithm="als", options={"factors": "4"}, input_types=["BIGINT", "BIGINT"])
    path = tmp_path / "progress.jsonl"
    bundles = _run(config, blocks, str(path))
    entries = [entry for bundle in bundles for entry in decode_bundle(bundle)]
    assert [tag for tag, _ in entries] == [0, 1, JSON_TAG]
    described = json.loads(bytes(entries[2][1]))
    assert described["rows_read"] == 1000 and len(described["code_hash"]) == 64
    keys, rows = decode_block(entries[0][1])
    assert np.array_equal(keys.values, np.unique(user)) and rows.values.shape[1] == 6
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["done"] == lines[-1]["total"] == 10 and lines[-1]["metrics"]["rmse"] > 0

    broken = TrainConfig(algorithm="als", options={"factors": "0"}, input_types=["BIGINT", "BIGINT"])
    with pytest.raises(Exception, match="factors"):
        _run(broken, blocks, str(path))
    error = json.loads(path.read_text().splitlines()[-1])["error"]
    assert error["kind"] == "OptionError" and "factors" in error["message"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyFlink's own, of its import
def test_a_literal_of_the_query_is_a_value_in_each_row() -> None:
    import pandas as pd

    from flinkms_sql.jobs.worker import each_row, to_column
    from flinkms_sql.types import SqlType

    users, label, text, nothing = each_row([pd.Series([7, 8, 9]), 4.0, "a", None])
    assert to_column(users, SqlType.BIGINT).values.tolist() == [7, 8, 9]
    assert to_column(label, SqlType.DOUBLE).values.tolist() == [4.0] * 3
    assert to_column(text, SqlType.STRING).values.tolist() == ["a"] * 3
    assert to_column(nothing, SqlType.BIGINT).valid.tolist() == [False] * 3
    assert [len(column) for column in each_row([True, 1])] == [1, 1]
