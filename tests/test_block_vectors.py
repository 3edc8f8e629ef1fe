"""The Python codec against tests/vectors/: bytes that were made from the format's description alone.

The Java codec reads the same files (tests/integration/test_connector_format.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from udfs.block import JSON_TAG, Column, decode_block, decode_bundle, encode_block, encode_bundle

VECTORS = Path(__file__).parent / "vectors"
DESCRIBED = json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))
DTYPES = {1: "?", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f4", 7: "<f8", 10: "<i4", 11: "<i8", 12: "<i8"}
STRING, BYTES, LIST = 8, 9, 0x20


def data(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def column(facts: dict) -> Column:
    """The described column; NULL rows hold zeros and empty spans."""
    code, width, values = facts["code"], facts["width"], facts["values"]
    present = np.array([value is not None for value in values], bool)
    valid = None if present.all() else present
    if code in (STRING, BYTES):
        items = [(v or "") if code == STRING else bytes.fromhex(v or "") for v in values]
        return Column(np.array([*items, None], object)[:-1], valid)
    if code & LIST:
        lengths = [len(value or []) for value in values]
        elements = [float(e) if code - LIST in (6, 7) else e for value in values for e in value or []]
        offsets = np.concatenate(([0], np.cumsum(lengths, dtype=int)))
        return Column(np.array(elements, DTYPES[code - LIST]), valid, offsets)
    if width > 1:
        vectors = [[0.0] * width if v is None else [float(e) for e in v] for v in values]
        return Column(np.array(vectors, DTYPES[code]).reshape(len(values), width), valid)
    numbers = [0 if v is None else float(v) if code in (6, 7) else v for v in values]
    return Column(np.array(numbers, DTYPES[code]), valid)


@pytest.mark.parametrize("block", DESCRIBED["blocks"], ids=lambda block: block["file"])
def test_blocks_hold_what_is_described(block: dict) -> None:
    decoded = decode_block(data(block["file"]))
    assert len(decoded) == len(block["columns"])
    for got, facts in zip(decoded, block["columns"], strict=True):
        want = column(facts)
        if want.values.dtype == object:
            assert got.values.tolist() == want.values.tolist()
        else:  # bytes, so that NaN and -0.0 count
            assert (got.values.dtype, got.values.tobytes()) == (want.values.dtype, want.values.tobytes())
        assert (got.valid is None or got.valid.all()) == (want.valid is None)
        assert want.valid is None or got.valid.tolist() == want.valid.tolist()
        assert want.offsets is None or got.offsets.tolist() == want.offsets.tolist()


@pytest.mark.parametrize("block", [b for b in DESCRIBED["blocks"] if b["canonical"]], ids=lambda block: block["file"])
def test_described_blocks_have_these_bytes(block: dict) -> None:
    assert encode_block([(facts["code"], column(facts)) for facts in block["columns"]]) == data(block["file"])


@pytest.mark.parametrize("case", DESCRIBED["malformed"], ids=lambda case: case["file"])
def test_malformed_blocks_are_refused(case: dict) -> None:
    with pytest.raises(ValueError):
        decode_block(data(case["file"]))


@pytest.mark.parametrize("bundle", DESCRIBED["bundles"], ids=lambda bundle: bundle["file"])
def test_bundles(bundle: dict) -> None:
    entries = decode_bundle(data(bundle["file"]))
    for (tag, content), facts in zip(entries, bundle["entries"], strict=True):
        if "json" in facts:
            assert tag == JSON_TAG and bytes(content).decode().rstrip(" ") == facts["json"]
        else:
            assert tag == facts["tag"] and bytes(content) == data(facts["block"])
    assert encode_bundle([(tag, bytes(content)) for tag, content in entries]) == data(bundle["file"])
