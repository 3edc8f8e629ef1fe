"""A table's base: its trained rows, immutable, written once and memory-mapped by every reader.

Must not know about the log. A base of any size is written from chunks; a reader maps ``rows.f32`` privately, so that
processes share its pages until one of them updates a row, and has room in the mapping for new keys.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.files import Fsync, corrupted, io_error, read_json, sync_directory, write_json
from flinkms_sql.modellog.frame import Position, crc32c

HEADROOM_ROWS = 1024
"""Rows of room at the least, so that a small table can take new keys."""
VERIFY_BYTES = 16 << 20
"""Bytes checked at a time when a base's checksums are verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows of a base: keys[n] (int64, or object of str), rows float32[n, width], int64[n] or None for zeros."""

    keys: np.ndarray
    rows: np.ndarray
    sequences: np.ndarray | None = None
    event_times: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base as it lies there. ``positions``: partition -> up to where it contains the log."""

    path: Path
    rows: int
    capacity: int
    width: int
    key: Literal["int64", "text"]
    files: Mapping[str, tuple[int, int]]
    """File name -> (bytes, CRC32C), of the rows without headroom."""
    positions: Mapping[str, Position]


class _Output:
    """One file of a base that is being written, with its checksum."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.bytes = 0
        self.crc = 0
        self.file = file

    def write(self, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array)
        self.crc = crc32c(data.reshape(-1).view(np.uint8), self.crc)
        self.bytes += data.nbytes
        self.file.write(data.data.cast("B") if data.size else b"")


def capacity_for(rows: int) -> int:
    """Rows a mapping has room for: a quarter more than there are, and HEADROOM_ROWS."""
    return rows + rows // 4 + HEADROOM_ROWS


def write_base(
    table: Path,
    number: int,
    chunks: Iterable[Chunk],
    *,
    key: Literal["int64", "text"],
    width: int,
    positions: Mapping[str, Position] | None = None,
    fsync: Fsync = os.fsync,
) -> str:
    """Write ``base-<number>`` below the table's directory, from chunks of any size; its name. Keys must be unique.

    Nothing is visible before all is durable. Raises FlinkmsError 53100, 58030; ValueError when a chunk does not fit.
    """
    name = f"base-{number:06d}"
    temporary = table / f".{name}"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            outputs = {f: _Output(f, stack.enter_context(open(temporary / f, "wb"))) for f in _files(key)}
            rows = sum(_write_chunk(chunk, outputs, key, width) for chunk in chunks)
            if key == "text":
                outputs["keys.offsets"].write(np.array([outputs["keys.bytes"].bytes], "<u8"))
            for output in outputs.values():
                output.file.flush()
                if output.name == "rows.f32":
                    output.file.truncate(capacity_for(rows) * width * 4)
                fsync(output.file.fileno())
        described = {
            "format": 1,
            "rows": rows,
            "capacity": capacity_for(rows),
            "width": width,
            "key": key,
            "files": {o.name: {"bytes": o.bytes, "crc32c": f"{o.crc:08x}"} for o in outputs.values()},
            "positions": _positions_json(positions or {}),
        }
        write_json(temporary / "base.json", described, fsync)
        os.rename(temporary, table / name)
        sync_directory(table, fsync)
    except OSError as error:
        raise io_error(error, temporary, "write") from error
    return name


def _files(key: str) -> tuple[str, ...]:
    keys = ("keys.i64",) if key == "int64" else ("keys.offsets", "keys.bytes")
    return (*keys, "rows.f32", "sequences.i64", "event_times.i64")


def _write_chunk(chunk: Chunk, outputs: Mapping[str, _Output], key: str, width: int) -> int:
    """Rows of the chunk, written to every file. Raises ValueError."""
    count = len(chunk.keys)
    rows = np.ascontiguousarray(chunk.rows, "<f4")
    if rows.shape != (count, width):
        raise ValueError(f"{count} keys come with rows of shape {rows.shape}, the table is {width} wide")
    if key == "int64":
        if not np.can_cast(chunk.keys.dtype, np.int64, "safe"):
            raise ValueError(f"keys of a table of int64 keys are {chunk.keys.dtype}")
        outputs["keys.i64"].write(chunk.keys.astype("<i8"))
    else:
        texts = [text.encode() for text in chunk.keys.tolist()]
        lengths = np.fromiter(map(len, texts), np.int64, count)
        start = outputs["keys.bytes"].bytes
        outputs["keys.offsets"].write((start + np.cumsum(lengths) - lengths).astype("<u8"))
        outputs["keys.bytes"].write(np.frombuffer(b"".join(texts), np.uint8))
    outputs["rows.f32"].write(rows)
    for name, values in (("sequences.i64", chunk.sequences), ("event_times.i64", chunk.event_times)):
        numbers = np.zeros(count, "<i8") if values is None else np.ascontiguousarray(values, "<i8")
        if numbers.shape != (count,):
            raise ValueError(f"{count} keys come with {len(numbers)} {name.removesuffix('.i64')}")
        outputs[name].write(numbers)
    return count


def write_manifest(table: Path, base: str, positions: Mapping[str, Position], fsync: Fsync = os.fsync) -> None:
    """Make a base the current one, from which readers go on at ``positions``. Raises FlinkmsError 53100, 58030."""
    write_json(table / "manifest.json", {"format": 1, "base": base, "positions": _positions_json(positions)}, fsync)


def read_manifest(table: Path) -> tuple[str, dict[str, Position]]:
    """(name of the current base, positions). Raises FlinkmsError 58030 when missing, XX001 when damaged."""
    file = table / "manifest.json"
    match read_json(file):
        case {"format": 1, "base": str(base), "positions": dict(positions)} if base.startswith("base-"):
            return base, _positions(file, positions)
    raise corrupted(file, "no base and positions of format 1")


def open_current(table: Path) -> tuple[Base, dict[str, Position]]:
    """The current base of a table and the positions after it; retries when a compaction takes the base away."""
    name, positions = read_manifest(table)
    while True:
        try:
            return read_base(table / name), positions
        except FlinkmsError:
            again, positions = read_manifest(table)
            if again == name:
                raise
            name = again


def read_base(path: Path) -> Base:
    """The description of a base, its files' sizes checked. Raises FlinkmsError 58030, XX001."""
    file = path / "base.json"
    value = read_json(file)
    match value:
        case {"format": 1, "rows": int(rows), "capacity": int(capacity), "width": int(width), "files": dict(entries)}:
            key = value.get("key")
        case _:
            raise corrupted(file, "no rows, capacity, width and files of format 1")
    required = _files(key)[:-2] if key in ("int64", "text") else ("key",)
    if not (0 <= rows <= capacity and width >= 1) or not set(required) <= entries.keys():
        raise corrupted(file, f"it describes {rows} rows of {width}, capacity {capacity}, files {sorted(entries)}")
    files = {}
    for name, entry in entries.items():
        match entry:
            case {"bytes": int(size), "crc32c": str(crc)} if len(crc) == 8:
                files[name] = (size, int(crc, 16))
            case _:
                raise corrupted(file, f'no bytes and crc32c of "{name}"')
    positions = _positions(file, value.get("positions", {}))
    base = Base(path=path, rows=rows, capacity=capacity, width=width, key=key, files=files, positions=positions)
    for name, size in _sizes(base).items():
        _check_size(base, name, size)
    return base


def _sizes(base: Base) -> dict[str, int]:
    """File name -> bytes it must have, of the files there are; keys.bytes is checked against its offsets."""
    expected = {
        "keys.i64": base.rows * 8,
        "keys.offsets": (base.rows + 1) * 8,
        "rows.f32": base.capacity * base.width * 4,
        "sequences.i64": base.rows * 8,
        "event_times.i64": base.rows * 8,
    }
    return {name: size for name, size in expected.items() if name in base.files}


def _check_size(base: Base, name: str, size: int) -> None:
    file = base.path / name
    try:
        found = file.stat().st_size
    except OSError as error:
        raise io_error(error, file, "open") from error
    if found != size:
        raise corrupted(file, f"it has {found} bytes instead of {size}")


def read_keys(base: Base) -> np.ndarray:
    """int64[rows], or object[rows] of str. Raises FlinkmsError 58030, XX001."""
    if base.key == "int64":
        return _read(base, "keys.i64", "<i8")
    offsets = _read(base, "keys.offsets", "<u8").astype(np.int64)
    _check_size(base, "keys.bytes", int(offsets[-1]))
    data = _read(base, "keys.bytes", np.uint8).tobytes()
    if offsets[0] != 0 or (offsets[1:] < offsets[:-1]).any():
        raise corrupted(base.path / "keys.offsets", "offsets do not rise from 0")
    bounds = offsets.tolist()
    keys = np.empty(base.rows, object)
    try:
        keys[:] = [data[start:end].decode() for start, end in itertools.pairwise(bounds)]
    except UnicodeDecodeError as error:
        raise corrupted(base.path / "keys.bytes", f"not UTF-8: {error}") from error
    return keys


def read_numbers(base: Base, name: Literal["sequences.i64", "event_times.i64"]) -> np.ndarray:
    """int64[rows], zeros when the base has no such file. Raises FlinkmsError 58030."""
    return _read(base, name, "<i8") if name in base.files else np.zeros(base.rows, np.int64)


def map_rows(base: Base) -> np.ndarray:
    """float32[capacity, width], writable: a private mapping whose changes nobody else sees. Raises FlinkmsError 58030.

    The array keeps the mapping alive; pages nobody has written to are shared with other processes.
    """
    file = base.path / "rows.f32"
    try:
        with open(file, "rb") as opened:
            mapping = mmap.mmap(opened.fileno(), base.capacity * base.width * 4, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise io_error(OSError(str(error)), file, "map") from error
    return np.frombuffer(mapping, "<f4").reshape(base.capacity, base.width)


def verify_base(base: Base) -> None:
    """Check every file against its checksum. Raises FlinkmsError XX001 that names the file, 58030."""
    for name, (size, expected) in base.files.items():
        file, crc, left = base.path / name, 0, size
        try:
            with open(file, "rb") as opened:
                while left and (data := opened.read(min(left, VERIFY_BYTES))):
                    crc = crc32c(data, crc)
                    left -= len(data)
        except OSError as error:
            raise io_error(error, file, "read") from error
        if left or crc != expected:
            raise corrupted(file, f"its CRC32C is {crc:08x} instead of {expected:08x}")


def _read(base: Base, name: str, dtype: str | type) -> np.ndarray:
    file = base.path / name
    try:
        return np.fromfile(file, dtype)
    except OSError as error:
        raise io_error(error, file, "read") from error


def _positions_json(positions: Mapping[str, Position]) -> dict[str, list[int]]:
    return {partition: list(position) for partition, position in positions.items()}


def _positions(file: Path, value: object) -> dict[str, Position]:
    positions = {}
    for partition, entry in value.items() if isinstance(value, dict) else ():
        match entry:
            case [int(epoch), int(offset)] if epoch >= 1 and offset >= 0:
                positions[partition] = Position(epoch, offset)
            case _:
                raise corrupted(file, f'no position of partition "{partition}"')
    return positions
