"""Where bytes that should be UTF-8 are not. Must not know where they come from."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from itertools import chain


def undecodable(pieces: Iterable[bytes]) -> str | None:
    """Where the first byte is that is no UTF-8, as in ``byte 0xe4 in line 3, byte 17 of it``; None when there is none."""
    line, column, rest = 1, 1, b""
    for piece in chain(pieces, (None,)):
        data = rest + (piece or b"")
        try:
            _, read = codecs.utf_8_decode(data, "strict", piece is None)
        except UnicodeDecodeError as error:
            line, column = _past(line, column, data[: error.start])
            return f"byte 0x{data[error.start]:02x} in line {line}, byte {column} of it"
        line, column = _past(line, column, data[:read])
        rest = data[read:]
    return None


def _past(line: int, column: int, data: bytes) -> tuple[int, int]:
    """The 1-based place behind data that begins at one."""
    newlines = data.count(b"\n")
    return line + newlines, len(data) - data.rindex(b"\n") if newlines else column + len(data)
