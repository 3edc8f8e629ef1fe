"""Small files, durably: JSON that is replaced by rename, and errors that name the file.

Must not know what is in the files. Every rename is preceded by an fsync of the file and followed by one of its
directory: a name never leads to bytes that a power failure may take away.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

Fsync = Callable[[int], None]
"""``os.fsync`` or, in tests, something that sees it happen or makes it fail."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def io_error(error: OSError, path: Path, action: str) -> FlinkmsError:
    """58030, or 53100 when the disk is full: ``could not <action> file "<path>": <reason>``."""
    sqlstate = errors.DISK_FULL if error.errno in _FULL else errors.IO_ERROR
    hint = "Free space on the warehouse's disk and try again." if error.errno in _FULL else None
    return FlinkmsError(sqlstate, f'could not {action} file "{path}": {error.strerror or error}', hint=hint)


def corrupted(path: Path, reason: str, *, offset: int | None = None) -> FlinkmsError:
    """XX001 that names the file and, where there is one, the byte offset in it."""
    where = f' at byte {offset}' if offset is not None else ""
    return FlinkmsError(
        errors.DATA_CORRUPTED, f'file "{path}" is damaged{where}: {reason}',
        hint="Restore the file from a copy, or train a new version of the model.",
    )  # fmt: skip


def reason_of(error: Exception, path: Path) -> FlinkmsError:
    """Whatever opening or reading something at ``path`` raised, as the FlinkmsError that says why."""
    match error:
        case FlinkmsError():
            return error
        case MemoryError():
            return FlinkmsError(errors.OUT_OF_MEMORY, f'out of memory for "{path}"', detail=str(error) or None,
                                hint="Free memory, or retire versions that nobody asks.")
        case OSError():
            return io_error(error, path, "read")
    return FlinkmsError(errors.INTERNAL_ERROR, f'"{path}" cannot be served: {type(error).__name__}: {error}')


def sync_directory(path: Path, fsync: Fsync = os.fsync) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict:
    """The JSON object in a file. Raises FlinkmsError 58030 when unreadable, XX001 when it is no JSON object."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise io_error(error, path, "read") from error
    try:
        value = json.loads(text)
    except ValueError as error:
        raise corrupted(path, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise corrupted(path, "not a JSON object")
    return value


def write_json(path: Path, value: dict, fsync: Fsync = os.fsync) -> None:
    """Replace a file by JSON text, atomically and durably. Raises FlinkmsError 53100 or 58030, ValueError on NaN."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(text.encode())
            file.flush()
            fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent, fsync)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise io_error(error, path, "write") from error


def delete_directory(path: Path, hidden: Path) -> bool:
    """Hide a directory under the name ``hidden``, then delete it; whether any of the two was there.

    Nobody sees half of it, and what a crash left hidden goes with the next one of that name. Raises FlinkmsError 58030.
    """
    try:
        was_hidden, was_there = hidden.exists(), path.exists()
        if was_hidden:
            shutil.rmtree(hidden)
        if was_there:
            os.rename(path, hidden)
            shutil.rmtree(hidden)
    except OSError as error:
        raise io_error(error, path, "delete") from error
    return was_hidden or was_there
