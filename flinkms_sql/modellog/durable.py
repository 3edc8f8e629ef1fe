"""The file ``durable`` of a partition that a frontend writes: up to where its frames are on disk, for readers to stop at.

Must not know about segments or frames. It is overwritten in place, without a sync of its own: it tells readers of this
moment what they may hand on. A power failure leaves an older one, or none; the writer writes it anew when it starts.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from flinkms_sql.modellog.files import Fsync, corrupted, io_error, sync_directory
from flinkms_sql.modellog.frame import Position, crc32c

READS_MAX = 1000
"""Looks at a file that is being overwritten; a torn one lasts for less than a microsecond."""

_NAME = "durable"
_MAGIC = 0x464D5344
_FORM = struct.Struct("<IIIIQ")
_CHECKED_FROM = 8


class DurableMark:
    """The file of one partition, open for its writer. Raises FlinkmsError 53100, 58030."""

    def __init__(self, partition: Path, position: Position, fsync: Fsync) -> None:
        self._file = partition / _NAME
        hidden = partition / f".{_NAME}"
        try:
            self._handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise io_error(error, hidden, "create") from error
        try:
            self.publish(position)
            fsync(self._handle)
            os.rename(hidden, self._file)
            sync_directory(partition, fsync)
        except OSError as error:
            os.close(self._handle)
            raise io_error(error, self._file, "create") from error

    def publish(self, position: Position) -> None:
        """Let readers read up to ``position``. Raises OSError."""
        body = _FORM.pack(_MAGIC, 0, position.epoch, 0, position.offset)
        crc = crc32c(body[_CHECKED_FROM:])
        os.pwrite(self._handle, _FORM.pack(_MAGIC, crc, position.epoch, 0, position.offset), 0)

    def close(self) -> None:
        os.close(self._handle)


def read_durable(partition: Path) -> Position | None:
    """Up to where a partition's frames are on disk, None when its writer does not say. Raises FlinkmsError 58030, XX001."""
    file = partition / _NAME
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise io_error(error, file, "open") from error
    try:
        for _ in range(READS_MAX):
            data = os.pread(handle, _FORM.size, 0)
            if len(data) == _FORM.size:
                magic, crc, epoch, _, offset = _FORM.unpack(data)
                if magic == _MAGIC and crc == crc32c(data[_CHECKED_FROM:]):
                    return Position(epoch, offset)
    except OSError as error:
        raise io_error(error, file, "read") from error
    finally:
        os.close(handle)
    raise corrupted(file, "no position with a right checksum")
