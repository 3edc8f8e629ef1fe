"""Blocks and bundles: what is encoded is decoded, and no malformed bytes pass as a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from udfs import block
from udfs.block import Column, decode_block, decode_bundle, encode_block, encode_bundle

DTYPES = {
    block.BOOLEAN: "?", block.TINYINT: "i1", block.SMALLINT: "<i2", block.INT: "<i4", block.BIGINT: "<i8",
    block.FLOAT: "<f4", block.DOUBLE: "<f8", block.DATE: "<i4", block.TIMESTAMP: "<i8", block.TIMESTAMP_LTZ: "<i8",
}  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def objects(items: list) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[int, Column]:
    valid = None
    if draw(st.booleans()):
        valid = draw(npst.arrays(np.bool_, rows))
    kind = draw(st.sampled_from(["fixed", "vector", "text", "bytes", "list"]))
    if kind in ("text", "bytes"):
        items = TEXT if kind == "text" else st.binary(max_size=6)
        values = objects(draw(st.lists(items, min_size=rows, max_size=rows)))
        return (block.STRING if kind == "text" else block.BYTES), Column(values, valid)
    code = draw(st.sampled_from([block.FLOAT, block.DOUBLE] if kind == "vector" else sorted(DTYPES)))
    if kind == "fixed":
        return code, Column(draw(npst.arrays(DTYPES[code], rows)), valid)
    if kind == "vector":
        return code, Column(draw(npst.arrays(DTYPES[code], (rows, draw(st.integers(2, 5))))), valid)
    lengths = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
    offsets = np.concatenate(([0], np.cumsum(np.array(lengths, np.int64))))
    return block.LIST + code, Column(draw(npst.arrays(DTYPES[code], int(offsets[-1]))), valid, offsets)


BLOCKS = st.integers(0, 5).flatmap(lambda rows: st.lists(columns(rows), min_size=1, max_size=4))


def assert_same(column: Column, expected: Column) -> None:
    """Bit by bit on rows that are not NULL; NULL rows hold the type's zero."""
    valid = np.ones(len(expected), bool) if expected.valid is None else expected.valid
    assert (column.valid is None) == bool(valid.all())
    assert column.valid is None or (column.valid == valid).all()
    assert len(column) == len(expected)
    for row in range(len(expected)):
        found, wanted = row_of(column, row), row_of(expected, row)
        if valid[row]:
            assert found == wanted
        else:
            assert found == type(found)() or not any(found)


def row_of(column: Column, row: int) -> str | bytes:
    if column.offsets is not None:
        return column.values[column.offsets[row] : column.offsets[row + 1]].tobytes()
    value = column.values[row]
    return value if isinstance(value, (str, bytes)) else value.tobytes()


@given(BLOCKS)
@settings(max_examples=20, deadline=None)
def test_decoding_gives_back_what_was_encoded(batch: list[tuple[int, Column]]) -> None:
    data = encode_block(batch)
    assert len(data) % 8 == 0
    decoded = decode_block(data)
    assert len(decoded) == len(batch)
    for found, (code, expected) in zip(decoded, batch):
        assert found.values.dtype == expected.values.dtype
        assert not found.values.flags.writeable
        assert_same(found, expected)
    again = [(code, column) for (code, _), column in zip(batch, decoded)]
    assert encode_block(again) == data


@given(BLOCKS)
@settings(max_examples=10, deadline=None)
def test_every_truncation_and_every_addition_is_an_error(batch: list[tuple[int, Column]]) -> None:
    data = encode_block(batch)
    for size in range(len(data)):
        with pytest.raises(ValueError):
            decode_block(data[:size])
    with pytest.raises(ValueError):
        decode_block(data + bytes(8))


@given(BLOCKS, st.data())
@settings(max_examples=30, deadline=None)
def test_changed_bytes_decode_or_are_a_value_error(batch: list[tuple[int, Column]], draw: st.DataObject) -> None:
    data = bytearray(encode_block(batch))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        decoded = decode_block(bytes(data))
    except ValueError:
        return
    assert all(column.values.dtype != bool or set(column.values.tobytes()) <= {0, 1} for column in decoded)
    assert len({len(column) for column in decoded}) <= 1


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_no_block_by_accident(data: bytes) -> None:
    for decode in (decode_block, decode_bundle):
        try:
            decode(data)
        except ValueError:
            continue


def test_fixed_columns_are_views_of_the_buffer() -> None:
    data = encode_block([(block.BIGINT, Column(np.arange(3))), (block.FLOAT, Column(np.ones((3, 4), np.float32)))])
    buffer = np.frombuffer(data, np.uint8)
    assert all(np.shares_memory(column.values, buffer) for column in decode_block(data))


def test_a_text_cut_inside_a_character_is_an_error() -> None:
    data = bytearray(encode_block([(block.STRING, Column(objects(["é", "x"])))]))
    assert data[24:36] == np.array([0, 2, 3], "<u4").tobytes()
    data[28] = 1
    with pytest.raises(ValueError, match="inside a character"):
        decode_block(data)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([(block.INT, Column(np.arange(2)))], "without loss"),
        ([(99, Column(np.arange(2)))], "unknown type code"),
        ([(block.BIGINT, Column(np.arange(2))), (block.BIGINT, Column(np.arange(3)))], "3 rows"),
        ([(block.BIGINT, Column(np.zeros((2, 2), "<i8")))], "shape"),
        ([(block.STRING, Column(objects(["a", None])))], "wrong type"),
        ([(block.STRING, Column(objects(["\ud800"])))], "surrogates"),
        ([(block.LIST + block.INT, Column(np.zeros(3, "<i4"), offsets=np.array([0, 2, 1, 3])))], "offsets"),
        ([(block.LIST + block.INT, Column(np.zeros(3, "<i4")))], "needs offsets"),
        ([(block.INT, Column(np.zeros(3, "<i4"), valid=np.ones(2, bool)))], "validity"),
    ],
)
def test_columns_that_do_not_fit_are_refused(batch: list[tuple[int, Column]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_block(batch)


def test_bundles_round_trip_and_every_truncation_is_an_error() -> None:
    body = encode_block([(block.BIGINT, Column(np.arange(5)))])
    data = encode_bundle([(0, body), (block.JSON_TAG, b'{"a": 1}x'), (3, b"")])
    assert [(tag, bytes(part)) for tag, part in decode_bundle(data)] == [
        (0, body), (block.JSON_TAG, b'{"a": 1}x' + b" " * 7), (3, b""),
    ]  # fmt: skip
    assert decode_bundle(encode_bundle([])) == []
    for size in range(len(data)):
        with pytest.raises(ValueError):
            decode_bundle(data[:size])
    with pytest.raises(ValueError, match="not a block"):
        encode_bundle([(0, b"1234567")])
