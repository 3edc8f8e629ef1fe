"""Writes tests/vectors/: bytes of blocks, bundles, frames and segments, and vectors.json that says what they hold.

Built with ``struct`` from docs/modellog.md alone. Must not use either codec: both are tested against these bytes,
neither against the other. Run it after a change of the format: ``python tests/vectors/make.py``.

In vectors.json NULL is null, floats are strings (``float`` and ``Double.parseDouble`` read them), bytes are hex.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent

BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BYTES, DATE, TIMESTAMP, TIMESTAMP_LTZ = range(1, 13)
LIST = 0x20
STRUCT_CODES = {1: "B", 2: "b", 3: "h", 4: "i", 5: "q", 6: "f", 7: "d", 10: "i", 11: "q", 12: "q"}

Column = tuple[int, int, list]
"""Type code, width, values."""


def crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli, reflected polynomial 0x82F63B78), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def pad(data: bytes, filler: bytes = b"\0") -> bytes:
    """``data`` with filler up to a multiple of 8 bytes."""
    return data + filler * (-len(data) % 8)


def pack(code: int, values: list) -> bytes:
    """Little-endian elements of a fixed type."""
    numbers = [float(v) for v in values] if code in (FLOAT, DOUBLE) else [int(v) for v in values]
    return struct.pack(f"<{len(numbers)}{STRUCT_CODES[code]}", *numbers)


def spans(items: list[bytes], unit: int) -> bytes:
    """Offsets section and data section of variable values; ``unit`` bytes count as one."""
    offsets = [0]
    for item in items:
        offsets.append(offsets[-1] + len(item) // unit)
    return pad(struct.pack(f"<{len(offsets)}I", *offsets)) + pad(b"".join(items))


def body(code: int, width: int, values: list) -> bytes:
    """The values of a column's body, without validity."""
    if code == STRING:
        return spans([(v or "").encode() for v in values], 1)
    if code == BYTES:
        return spans([bytes.fromhex(v or "") for v in values], 1)
    if code & LIST:
        element = code - LIST
        return spans([pack(element, v or []) for v in values], struct.calcsize(STRUCT_CODES[element]))
    if width > 1:
        return pad(b"".join(pack(code, v or [0] * width) for v in values))
    return pad(pack(code, [v or 0 for v in values]))


def block(columns: list[Column], rows: int, *, always_nullable: bool = False) -> bytes:
    """Bytes of a block; a column has a validity section when it holds a NULL (or always)."""
    descriptors, bodies = b"", b""
    for code, width, values in columns:
        nullable = always_nullable or any(v is None for v in values)
        data = pad(bytes(v is not None for v in values)) if nullable else b""
        data += body(code, width, values)
        descriptors += struct.pack("<BBHIQ", code, nullable, 0, width, len(data))
        bodies += data
    return struct.pack("<II", len(columns), rows) + descriptors + bodies


def bundle(entries: list[tuple[int, bytes]]) -> bytes:
    """Bytes of a bundle."""
    return struct.pack("<II", len(entries), 0) + b"".join(struct.pack("<II", tag, len(e)) + e for tag, e in entries)


def frame(kind: int, rows: int, written_at: int, content: bytes) -> bytes:
    """Bytes of a frame around a block."""
    checked = struct.pack("<IIq", rows, 0, written_at) + content
    return struct.pack("<IBBHII", 0x464D5346, 1, kind, 0, len(content), crc32c(checked)) + checked


def segment(epoch: int, partition: int, start: int, parent: tuple[int, int], created_at: int) -> bytes:
    """The 64 bytes at the start of a segment."""
    checked = struct.pack("<IIQIIQqQ", epoch, partition, start, parent[0], 0, parent[1], created_at, 0)
    return b"FLINKMS\x01" + struct.pack("<II", 64, crc32c(checked)) + checked


SCALARS: list[Column] = [
    (BOOLEAN, 1, [1, 0, 1]),
    (TINYINT, 1, [-128, 0, 127]),
    (SMALLINT, 1, [-32768, 1, 32767]),
    (INT, 1, [-(2**31), 2, 2**31 - 1]),
    (BIGINT, 1, [-(2**63), 3, 2**63 - 1]),
    (FLOAT, 1, ["-0.0", "1.5", "Infinity"]),
    (DOUBLE, 1, ["0.1", "NaN", "-1.7976931348623157e308"]),
    (STRING, 1, ["", "a", "Grüße, 世界 🎬"]),
    (BYTES, 1, ["", "00ff", "0102030405060708"]),
    (DATE, 1, [-1, 0, 20000]),
    (TIMESTAMP, 1, [-1, 0, 1763000000123456]),
    (TIMESTAMP_LTZ, 1, [-62135596800000000, 1, 1763000000123456]),
]
NULLS: list[Column] = [(code, width, [None, values[1], None]) for code, width, values in SCALARS]
LISTS: list[Column] = [
    (LIST + BOOLEAN, 1, [[1, 0], [], None]),
    (LIST + TINYINT, 1, [[-1], [], [1, 2]]),
    (LIST + SMALLINT, 1, [[], [256], [1]]),
    (LIST + INT, 1, [[1, 2, 3], None, [-1]]),
    (LIST + BIGINT, 1, [[], [], []]),
    (LIST + FLOAT, 1, [["0.5"], None, ["1.0", "-2.0"]]),
    (LIST + DOUBLE, 1, [["0.1", "0.2"], [], ["0.3"]]),
]
VECTORS: list[Column] = [
    (BIGINT, 1, [7, 8]),
    (FLOAT, 3, [["0.25", "-1.0", "2.0"], ["0.0", "1e-40", "3.4028234663852886e38"]]),
    (DOUBLE, 2, [["0.1", "0.2"], None]),
    (FLOAT, 1, ["1.0", "2.0"]),
]
UPSERTS: list[Column] = [
    (TINYINT, 1, [1, 2]),
    (STRING, 1, ["a", "b"]),
    (BIGINT, 1, [5, 6]),
    (BIGINT, 1, [0, 1763000000123456]),
    (FLOAT, 2, [["1.0", "2.0"], ["0.0", "0.0"]]),
]
BLOCKS: dict[str, tuple[list[Column], int]] = {
    "scalars": (SCALARS, 3),
    "nulls": (NULLS, 3),
    "lists": (LISTS, 3),
    "vectors": (VECTORS, 2),
    "upserts": (UPSERTS, 2),
    "no-rows": ([(code, width, []) for code, width, _ in SCALARS + LISTS[:1] + VECTORS[1:2]], 0),
    "no-columns": ([], 0),
}


def malformed() -> dict[str, bytes]:
    """Bytes that are no block, each for one reason."""
    whole = block(VECTORS, 2)
    text = block([(STRING, 1, ["ab", "c"])], 2)

    def patched(data: bytes, at: int, value: bytes) -> bytes:
        return data[:at] + value + data[at + len(value) :]

    return {
        "empty": b"",
        "cut-short": whole[:-8],
        "trailing-bytes": whole + bytes(8),
        "unknown-code": patched(whole, 8, b"\x0d"),
        "list-of-text": patched(text, 8, b"\x28"),
        "width-of-integers": patched(whole, 12, b"\x02"),
        "width-zero": patched(whole, 12, b"\0"),
        "body-too-long": patched(whole, 16, b"\xff\xff\xff\xff"),
        "more-columns": patched(whole, 0, b"\xff\xff\xff\x7f"),
        "more-rows": patched(whole, 4, b"\x03"),
        "offsets-fall": patched(text, 28, b"\x04"),
        "offsets-start": patched(text, 24, b"\x01"),
        "offsets-past-end": patched(text, 32, b"\x20"),
    }


KEYS = [0, 1, -1, 42, 2**63 - 1, -(2**63)]
TEXTS = ["", "a", "Grüße, 世界 🎬"]
MASK = 2**64 - 1


def hash_number(key: int) -> int:
    """SplitMix64's finalizer, as connectors' KeyHash documents it."""
    z = (key + 0x9E3779B97F4A7C15) & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def hash_text(key: str) -> int:
    """FNV-1a over the UTF-8, then the finalizer."""
    value = 0xCBF29CE484222325
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return hash_number(value)


def main() -> None:
    """Writes all files."""
    for old in HERE.glob("*.bin"):
        old.unlink()
    described: dict[str, list] = {name: [] for name in ("blocks", "malformed", "bundles", "frames", "segments")}

    def write(group: str, name: str, data: bytes, **facts: object) -> None:
        (HERE / f"{name}.bin").write_bytes(data)
        described[group].append({"file": f"{name}.bin", **facts})

    for name, (columns, rows) in BLOCKS.items():
        facts = [{"code": code, "width": width, "values": values} for code, width, values in columns]
        write("blocks", f"block-{name}", block(columns, rows), rows=rows, columns=facts, canonical=True)
    facts = [{"code": code, "width": width, "values": values} for code, width, values in SCALARS]
    data = block(SCALARS, 3, always_nullable=True)
    write("blocks", "block-valid-but-nullable", data, rows=3, columns=facts, canonical=False)
    for name, data in malformed().items():
        write("malformed", f"malformed-{name}", data)

    fit = {"rmse": 0.875, "title": "é"}
    text = json.dumps(fit, ensure_ascii=False)
    entries = [(1, block(VECTORS, 2)), (0xFFFFFFFF, pad(text.encode(), b" "))]
    write("bundles", "bundle-fit", bundle(entries), entries=[{"tag": 1, "block": "block-vectors.bin"}, {"json": text}])
    write("bundles", "bundle-empty", bundle([]), entries=[])
    at = 1763000000123456
    for name, kind, block_name in (("append", 1, "scalars"), ("upsert", 2, "upserts")):
        columns, rows = BLOCKS[block_name]
        data = frame(kind, rows, at, block(columns, rows))
        write("frames", f"frame-{name}", data, kind=kind, rows=rows, written_at=at, block=f"block-{block_name}.bin")
    for name, values in (("first", (1, 0, 0, (0, 0), at)), ("child", (12, 3, 2**36 + 64, (11, 2**40), at))):
        epoch, partition, start, parent, created_at = values
        write("segments", f"segment-{name}", segment(*values), epoch=epoch, partition=partition, start=start,
              parent=list(parent), created_at=created_at, file_name=f"{epoch:08d}-{start:012d}.log")
    hashes = [{"key": k, "hash": str(hash_number(k & MASK)), "of7": hash_number(k & MASK) % 7} for k in KEYS]
    hashes += [{"key": k, "hash": str(hash_text(k)), "of7": hash_text(k) % 7} for k in TEXTS]
    document = {**described, "hashes": hashes}
    (HERE / "vectors.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
