"""Values by type: text and binary, both ways, against forms PostgreSQL 18 gave and by round trips."""

from __future__ import annotations

import math
import struct
from datetime import datetime, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import oids, server_messages
from flinkms_sql.pgwire.arrays import format_array, parse_array
from flinkms_sql.pgwire.columns import data_rows, describe, encode_column
from flinkms_sql.pgwire.floats import format_float4, format_float8
from flinkms_sql.pgwire.frames import Splitter
from flinkms_sql.pgwire.messages import Field
from flinkms_sql.pgwire.parameters import decode, decode_text
from flinkms_sql.types import SqlType
from udfs.block import Column

UTC = timezone.utc

FLOAT8 = [
    (0.1, "0.1"), (1.0, "1"), (-0.0, "-0"), (1e14, "100000000000000"), (1e15, "1e+15"),
    (1234567890123456.0, "1.234567890123456e+15"), (123456789012345.6, "123456789012345.6"), (1e-4, "0.0001"),
    (1e-5, "1e-05"), (1e100, "1e+100"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"),
    (2 / 3, "0.6666666666666666"), (19413807925999848.0, "1.9413807925999848e+16"),
    (3453958143114688.5, "3.4539581431146885e+15"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
]  # fmt: skip
FLOAT4 = [(0.1, "0.1"), (1e5, "100000"), (1e6, "1e+06"), (1234567.0, "1.234567e+06"), (-0.0, "-0"), (math.nan, "NaN"),
          (1e-5, "1e-05"), (123.456, "123.456"), (math.inf, "Infinity")]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), FLOAT8)
def test_float8_is_printed_as_postgresql_does(value, text):
    assert format_float8(value) == text


@pytest.mark.parametrize(("value", "text"), FLOAT4)
def test_float4_is_printed_as_postgresql_does(value, text):
    assert format_float4(np.float32(value)) == text


@given(st.floats())
def test_float8_text_reads_back_as_the_same_bits(value):
    again = decode_text(format_float8(value), oids.FLOAT8)
    assert struct.pack("<d", again) == struct.pack("<d", value) or math.isnan(value) and math.isnan(again)


@given(st.floats(width=32, allow_nan=False))
def test_float4_text_reads_back_as_the_same_bits(value):
    assert decode_text(format_float4(np.float32(value)), oids.FLOAT4) == value


DECODED = [
    # type, text form, binary form (hex), value
    (oids.BOOL, "t", "01", True),
    (oids.BOOL, " OFF ", "00", False),
    (oids.INT2, "-5", "fffb", -5),
    (oids.INT4, " 7 ", "00000007", 7),
    (oids.INT8, "9223372036854775807", "7fffffffffffffff", 2**63 - 1),
    (oids.FLOAT4, "0.5", "3f000000", 0.5),
    (oids.FLOAT8, "-Infinity", "fff0000000000000", -math.inf),
    (oids.NUMERIC, "12345.678", "0003 0001 0000 0003 0001 0929 1a7c", Decimal("12345.678")),
    (oids.NUMERIC, "-0.001", "0001 ffff 4000 0003 000a", Decimal("-0.001")),
    (oids.NUMERIC, "Infinity", "0000 0000 d000 0000", Decimal("Infinity")),
    (oids.NUMERIC, "0", "0000 0000 0000 0000", Decimal(0)),
    (oids.TEXT, "ä", "c3a4", "ä"),
    (oids.UNKNOWN, "42", "3432", "42"),
    (0, "42", "3432", "42"),
    (oids.BYTEA, "\\x00ff", "00ff", b"\0\xff"),
    (oids.BYTEA, "a\\\\b\\001", "615c6201", b"a\\b\1"),
    (oids.DATE, "2000-01-01", "00000000", 10957),
    (oids.DATE, "-infinity", "80000000", -(2**31)),
    (oids.TIMESTAMP, "2000-01-01 00:00:00.5", "000000000007a120", 946684800_500000),
    (oids.TIMESTAMP, "infinity", "7fffffffffffffff", 2**63 - 1),
    (oids.TIMESTAMPTZ, "1999-12-31T19:00:00-05", "0000000000000000", 946684800_000000),
]


@pytest.mark.parametrize(("oid", "text", "binary", "value"), DECODED)
def test_parameters_decode_from_both_forms(oid, text, binary, value):
    from_text, from_binary = decode(text.encode(), 0, oid), decode(bytes.fromhex(binary), 1, oid)
    assert from_text == value and type(from_text) is type(value)
    assert from_binary == value and type(from_binary) is type(value)


def test_null_is_null_in_every_type():
    assert all(decode(None, code, oid) is None for oid in oids.NAMES for code in (0, 1))


MALFORMED = [
    (oids.INT4, "abc", "22P02", 'invalid input syntax for type integer: "abc"'),
    (oids.INT4, "", "22P02", 'invalid input syntax for type integer: ""'),
    (oids.INT4, "٣", "22P02", 'invalid input syntax for type integer: "٣"'),
    (oids.INT2, "32768", "22003", 'value "32768" is out of range for type smallint'),
    (oids.INT8, "9" * 5000, "22003", f'value "{"9" * 5000}" is out of range for type bigint'),
    (oids.FLOAT8, "1e999", "22003", 'value "1e999" is out of range for type double precision'),
    (oids.FLOAT8, "1_0", "22P02", 'invalid input syntax for type double precision: "1_0"'),
    (oids.FLOAT4, "1e39", "22003", 'value "1e39" is out of range for type real'),
    (oids.BOOL, "maybe", "22P02", 'invalid input syntax for type boolean: "maybe"'),
    (oids.NUMERIC, "x", "22P02", 'invalid input syntax for type numeric: "x"'),
    (oids.BYTEA, "\\xzz", "22P02", "invalid hexadecimal data"),
    (oids.BYTEA, "\\9", "22P02", 'invalid input syntax for type bytea: "\\9"'),
    (oids.DATE, "tomorrow", "22007", 'invalid input syntax for type date: "tomorrow"'),
    (oids.TIMESTAMP, "2026-13-01", "22008", 'date/time field value out of range: "2026-13-01"'),
    (oids.TIMESTAMP, "2026-01-01 25:00", "22008", 'date/time field value out of range: "2026-01-01 25:00"'),
    (1007, "{1,2", "22P02", 'malformed array literal: "{1,2"'),
    (1007, "{1,,2}", "22P02", 'malformed array literal: "{1,,2}"'),
    (1007, "{{1}}", "0A000", "arrays of more than one dimension are not supported here"),
    (3802, "{}", "0A000", "parameters of type with OID 3802 are not supported"),
]


@pytest.mark.parametrize(("oid", "text", "sqlstate", "message"), MALFORMED)
def test_malformed_text_is_an_error_with_a_sqlstate(oid, text, sqlstate, message):
    with pytest.raises(FlinkmsError) as caught:
        decode(text.encode(), 0, oid)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


@given(st.sampled_from(sorted(set(oids.NAMES) | set(oids.ELEMENTS))), st.binary(max_size=40), st.integers(0, 1))
def test_no_bytes_raise_anything_but_an_error_with_a_sqlstate(oid, data, code):
    try:
        decode(data, code, oid)
    except FlinkmsError as error:
        assert error.sqlstate[:2] in ("22", "42", "0A")


ARRAYS = [
    ("{}", []), ("{1,NULL,3}", ["1", None, "3"]), ('{"a b","NULL","x\\"y"}', ["a b", "NULL", 'x"y']),
    ("[0:1]={1,2}", ["1", "2"]), (" { 1 , 2 } ", ["1", "2"]), ('{""}', [""]), ("{a b}", ["a b"]), (r"{a\,b}", ["a,b"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "elements"), ARRAYS)
def test_array_text(text, elements):
    assert parse_array(text) == elements


def test_array_parameters_become_columns():
    text = decode(b"{1,NULL,3}", 0, 1016)
    assert text.values.dtype == "<i8" and text.values.tolist() == [1, 0, 3] and text.valid.tolist() == [1, 0, 1]
    head = struct.pack(">iiIii", 1, 0, oids.INT8, 2, 1)
    binary = decode(head + struct.pack(">iqiq", 8, 5, 8, -6), 1, 1016)
    assert binary.values.dtype == "<i8" and binary.values.tolist() == [5, -6] and binary.valid is None
    with_null = decode(struct.pack(">iiIiiii", 1, 1, oids.INT4, 1, 1, -1, 0)[:-4], 1, 1007)
    assert with_null.valid.tolist() == [False]
    assert decode(b"{a,b}", 0, 1009).values.tolist() == ["a", "b"]
    with pytest.raises(FlinkmsError, match="binary data has array element type 20 instead of expected 23"):
        decode(head, 1, 1007)


def column(values, sql_type, valid=None):
    return Column(np.array(values, dtype=sql_type.value.dtype), None if valid is None else np.array(valid))


ENCODED = [
    (SqlType.BOOLEAN, [True, False], [b"t", b"f"], ["01", "00"]),
    (SqlType.SMALLINT, [-1], [b"-1"], ["ffff"]),
    (SqlType.INT, [7], [b"7"], ["00000007"]),
    (SqlType.BIGINT, [2**62], [b"4611686018427387904"], ["4000000000000000"]),
    (SqlType.FLOAT, [0.1], [b"0.1"], ["3dcccccd"]),
    (SqlType.DOUBLE, [3.5, math.inf], [b"3.5", b"Infinity"], ["400c000000000000", "7ff0000000000000"]),
    (SqlType.STRING, ["ä", ""], [b"\xc3\xa4", b""], ["c3a4", ""]),
    (SqlType.BYTES, [b"\0\xff"], [b"\\x00ff"], ["00ff"]),
    (SqlType.DATE, [0, 10957, 2**31 - 1], [b"1970-01-01", b"2000-01-01", b"infinity"],
     ["ffffd533", "00000000", "7fffffff"]),
    (SqlType.TIMESTAMP, [946684800_000000, 946684800_120000, -(2**63)],
     [b"2000-01-01 00:00:00", b"2000-01-01 00:00:00.12", b"-infinity"],
     ["0000000000000000", "000000000001d4c0", "8000000000000000"]),
    (SqlType.TIMESTAMP_LTZ, [946684800_000001], [b"2000-01-01 00:00:00.000001+00"], ["0000000000000001"]),
]  # fmt: skip


@pytest.mark.parametrize(("sql_type", "values", "texts", "binaries"), ENCODED)
def test_columns_encode_to_both_forms(sql_type, values, texts, binaries):
    assert encode_column(column(values, sql_type), sql_type, 0) == texts
    assert [value.hex() for value in encode_column(column(values, sql_type), sql_type, 1)] == binaries


def test_null_encodes_as_none_whatever_the_value_beneath():
    assert encode_column(column([1, 2], SqlType.INT, [False, True]), SqlType.INT, 0) == [None, b"2"]
    assert encode_column(column([None], SqlType.STRING, [False]), SqlType.STRING, 1) == [None]


def test_arrays_and_vectors_encode_as_arrays():
    lists = Column(np.array([1, 2, 3]), None, np.array([0, 2, 2, 3]))
    assert encode_column(lists, SqlType.BIGINT_ARRAY, 0) == [b"{1,2}", b"{}", b"{3}"]
    binary = encode_column(lists, SqlType.BIGINT_ARRAY, 1)
    assert [decode(value, 1, 1016).values.tolist() for value in binary] == [[1, 2], [], [3]]
    vectors = Column(np.array([[0.5, 1], [2, 3]], dtype="<f4"))
    assert encode_column(vectors, SqlType.FLOAT_ARRAY, 0) == [b"{0.5,1}", b"{2,3}"]
    assert decode(encode_column(vectors, SqlType.FLOAT_ARRAY, 1)[1], 1, 1021).values.tolist() == [2, 3]
    assert format_array(["1", None]) == "{1,NULL}"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, b"2026-07-01 12:00:00.5+00"),
        (ZoneInfo("Europe/Berlin"), b"2026-07-01 14:00:00.5+02"),
        (ZoneInfo("Asia/Kolkata"), b"2026-07-01 17:30:00.5+05:30"),
        (ZoneInfo("America/New_York"), b"2026-07-01 08:00:00.5-04"),
    ],
)
def test_timestamptz_text_is_in_the_sessions_zone_and_reads_back(zone, text):
    moment = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000 + 500_000
    assert encode_column(column([moment], SqlType.TIMESTAMP_LTZ), SqlType.TIMESTAMP_LTZ, 0, zone) == [text]
    assert decode_text(text.decode(), oids.TIMESTAMPTZ, UTC) == moment
    assert decode_text("2026-07-01 12:00:00.5", oids.TIMESTAMPTZ, zone) == moment - int(
        zone.utcoffset(datetime(2026, 7, 1)).total_seconds() * 1_000_000
    )


def test_years_outside_of_pythons_range_are_written():
    far = [253402300800_000000, -62167219200_000000, -62135596800_000000]
    assert encode_column(column(far, SqlType.TIMESTAMP), SqlType.TIMESTAMP, 0) == [
        b"10000-01-01 00:00:00", b"0001-01-01 00:00:00 BC", b"0001-01-01 00:00:00",
    ]  # fmt: skip
    assert encode_column(column(far[:2], SqlType.TIMESTAMP_LTZ), SqlType.TIMESTAMP_LTZ, 0) == [
        b"10000-01-01 00:00:00+00", b"0001-01-01 00:00:00+00 BC",
    ]  # fmt: skip


@given(st.integers(-62135596800_000000, 253402300799_999999))
def test_timestamps_read_back(value):
    text = encode_column(column([value], SqlType.TIMESTAMP), SqlType.TIMESTAMP, 0)[0]
    assert decode(text, 0, oids.TIMESTAMP) == value
    binary = encode_column(column([value], SqlType.TIMESTAMP_LTZ), SqlType.TIMESTAMP_LTZ, 1)[0]
    assert decode(binary, 1, oids.TIMESTAMPTZ) == value


def rows_of(data: bytes) -> list[tuple[bytes | None, ...]]:
    splitter, rows = Splitter(startup=False), []
    splitter.feed(data)
    while (frame := splitter.next_frame()) is not None:
        rows.append(server_messages.decode(frame).values)
    assert splitter.buffered == 0
    return rows


@pytest.mark.parametrize("count", [0, 1, 2, 100])
@pytest.mark.parametrize("codes", [(0, 0, 0), (1, 1, 1), (1, 0, 1)])
def test_rows_are_the_columns_side_by_side(count, codes):
    """Whichever way rows are built (at once for fixed binary, else value by value), they hold the same values."""
    columns = [
        (column(range(count), SqlType.BIGINT), SqlType.BIGINT, codes[0]),
        (column(np.arange(count) / 3, SqlType.DOUBLE), SqlType.DOUBLE, codes[1]),
        (column(np.arange(count) * 86_400_000_000, SqlType.TIMESTAMP), SqlType.TIMESTAMP, codes[2]),
    ]
    assert rows_of(data_rows(columns)) == list(zip(*(encode_column(*entry) for entry in columns)))


def test_rows_with_nulls_and_text():
    columns = [
        (column([1, 2], SqlType.INT, [True, False]), SqlType.INT, 1),
        (column(["a", "b"], SqlType.STRING), SqlType.STRING, 1),
    ]
    assert rows_of(data_rows(columns)) == [(b"\0\0\0\1", b"a"), (None, b"b")]


def test_fields_have_the_width_postgresql_gives_them():
    assert describe("x", SqlType.DOUBLE, 1) == Field(name="x", oid=701, size=8, format=1)
    assert describe("x", SqlType.STRING) == Field(name="x", oid=25, size=-1)
    assert describe("x", SqlType.BIGINT_ARRAY).size == -1
