"""Training over bytes: blocks in, bundles out, every row of the fit in them once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.model_cases import CASES, Case, ignore_progress, rows
from udfs import training
from udfs.block import (
    BIGINT,
    DOUBLE,
    FLOAT,
    INT,
    JSON_TAG,
    LIST,
    STRING,
    Column,
    decode_block,
    decode_bundle,
    encode_block,
)
from udfs.model import ArgumentError, OptionError
from udfs.source import code_hash
from udfs.training import TrainConfig, train

CODES = {"BIGINT": BIGINT, "DOUBLE": DOUBLE, "STRING": STRING, "FLOAT_ARRAY": LIST + FLOAT, "INT_ARRAY": LIST + INT,
         "DOUBLE_ARRAY": LIST + DOUBLE}  # fmt: skip


def blocks_of(case: Case, columns: list[Column], sizes: tuple[int, ...]) -> list[bytes]:
    codes = [*(CODES[kind] for kind in case.input_types), DOUBLE]
    ends = np.cumsum(sizes).tolist()
    parts = [rows(columns, slice(end - size, end)) for end, size in zip(ends, sizes, strict=True)]
    return [encode_block(list(zip(codes, part, strict=True))) for part in parts]


def run(case: Case, blocks: list[bytes], **options: str) -> list[bytes]:
    given = {**case.options, **options}
    config = TrainConfig(algorithm=case.algorithm, options=given, input_types=case.input_types)
    ticks = iter((10.0, 12.5))
    return train(blocks, config, progress=ignore_progress, clock=lambda: next(ticks), code_hash="c0de")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_bundles_hold_the_fit_of_all_blocks_together(case: Case):
    columns = case.columns(400, 1)
    valid = np.ones(400, bool)
    valid[3] = False
    columns[-1] = Column(columns[-1].values, valid)
    bundles = run(case, blocks_of(case, columns, (100, 0, 299, 1)))
    fitted = case.model().fit(columns, ignore_progress)
    entries = [entry for bundle in bundles for entry in decode_bundle(bundle)]
    assert [tag for tag, _ in entries] == [*range(len(case.model().tables())), JSON_TAG]
    described = json.loads(bytes(entries[-1][1]))
    for (_, block), table in zip(entries[:-1], described["tables"], strict=True):
        keys, matrix = decode_block(block)
        assert keys.values.tolist() == fitted.rows[table["name"]][0].tolist()
        assert np.array_equal(matrix.values, fitted.rows[table["name"]][1])
        assert matrix.values.shape[1] == table["width"]
    found = {name: np.array(values, np.float64) for name, values in described["constants"].items()}
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in fitted.constants.items()
    }
    assert (described["rows_read"], described["rows_failed"], described["failures"]) == (400, 1, {"label is null": 1})
    assert (described["duration_ms"], described["code_hash"], described["algorithm"]) == (2500, "c0de", case.algorithm)
    assert described["metrics"] == dict(fitted.metrics)


def test_als_tables_name_the_row_that_an_unknown_key_starts_from():
    bundles = run(CASES[0], blocks_of(CASES[0], CASES[0].columns(50, 1), (50,)))
    described = json.loads(bytes(decode_bundle(bundles[-1])[0][1]))
    for table in described["tables"]:
        expected = np.array(described["constants"][table["name"]], np.float32)
        assert np.array_equal(np.array(table["initial"], np.float32), expected)


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.name)
def test_bundles_stay_below_their_largest_size(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "BUNDLE_BYTES_MAX", 8192)
    bundles = run(case, blocks_of(case, case.columns(2000, 1), (2000,)), factors="4")
    tables = [entry for bundle in bundles[:-1] for entry in decode_bundle(bundle)]
    assert len(bundles) > 3 and max(len(bundle) for bundle in bundles[:-1]) <= 8192
    keys = [key for tag, block in tables if tag == 0 for key in decode_block(block)[0].values.tolist()]
    assert len(keys) == len(set(keys)) == 200


def test_what_cannot_be_trained_is_named():
    case = CASES[0]
    with pytest.raises(ArgumentError, match="no rows to train on"):
        run(case, [])
    with pytest.raises(ArgumentError, match="2 training columns, expected 2 inputs and a label"):
        run(case, [encode_block([(BIGINT, column) for column in case.columns(3, 1)[:2]])])
    with pytest.raises(OptionError, match="factors"):
        run(case, [], factors="0")
    with pytest.raises(ValueError, match="block"):
        run(case, [b"not a block"])


def test_the_hash_of_the_source_is_stable_and_a_sha256():
    assert code_hash() == code_hash() and len(bytes.fromhex(code_hash())) == 32
