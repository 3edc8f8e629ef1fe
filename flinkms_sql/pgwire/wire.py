"""Reading and writing the fields of one message body, and the two errors of a protocol: whose fault was it?

Must not know which messages there are. Every read is checked: a body that is too short, has no terminator or has
bytes left over is the peer's fault and never an IndexError.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

_I16 = struct.Struct(">h")
_U16 = struct.Struct(">H")
_I32 = struct.Struct(">i")


class ProtocolError(FlinkmsError):
    """The peer broke the protocol (08P01): its fault. The connection cannot go on."""

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(errors.PROTOCOL_VIOLATION, message, detail=detail)


class MalformedMessage(ProtocolError):
    """One message cannot be read, but where it ends is known: the connection can go on after an error."""


class LocalProtocolError(RuntimeError):
    """This process was about to send what the state table forbids: our fault, a bug."""


def decode_utf8(data: bytes) -> str:
    """Text of a string the peer sent. Raises FlinkmsError 22021 when it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.end])
        raise FlinkmsError(errors.CHARACTER_NOT_IN_REPERTOIRE, f'invalid byte sequence for encoding "UTF8": {shown}') from None


class Body:
    """A cursor over the bytes of one message body."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, start: int = 0) -> None:
        self._data = data
        self._at = start

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start, end = self._at, self._at + count
        if count < 0 or end > len(self._data):
            raise MalformedMessage("insufficient data left in message")
        self._at = end
        return self._data[start:end]

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(self.left)

    def byte(self) -> bytes:
        """One byte, as bytes of length one."""
        return self.take(1)

    def int16(self) -> int:
        """A signed 16-bit integer."""
        return _I16.unpack(self.take(2))[0]

    def count(self) -> int:
        """An unsigned 16-bit count: PostgreSQL allows 65535 parameters."""
        return _U16.unpack(self.take(2))[0]

    def int32(self) -> int:
        """A signed 32-bit integer."""
        return _I32.unpack(self.take(4))[0]

    def raw_cstring(self) -> bytes:
        """Bytes up to the next zero byte, which is passed over."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise MalformedMessage("invalid string in message")
        start, self._at = self._at, end + 1
        return self._data[start:end]

    def cstring(self) -> str:
        """UTF-8 text up to the next zero byte."""
        return decode_utf8(self.raw_cstring())

    def value(self) -> bytes | None:
        """A length-prefixed value; length -1 is NULL (None)."""
        length = self.int32()
        if length == -1:
            return None
        return self.take(length)

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise MalformedMessage("invalid message format")


def cstring(text: str) -> bytes:
    """UTF-8 bytes and the terminator. A zero character in it would end the string early, so it is refused."""
    data = text.encode("utf-8")
    if b"\0" in data:
        raise LocalProtocolError("a zero byte cannot be sent inside a string")
    return data + b"\0"


def framed(kind: bytes, body: bytes) -> bytes:
    """A whole message: kind, length (of itself and the body), body."""
    return kind + _I32.pack(len(body) + 4) + body


def counted(layout: str, numbers: Sequence[int]) -> bytes:
    """How many there are, then the numbers, each of a struct ``layout``."""
    return struct.pack(f">H{len(numbers)}{layout}", len(numbers), *numbers)


def counted_values(values: Sequence[bytes | None]) -> bytes:
    """How many there are, then the values, as ``value`` writes each."""
    return struct.pack(">H", len(values)) + b"".join(map(value, values))


def value(data: bytes | None) -> bytes:
    """Its length, then a value; NULL has the length -1."""
    return b"\xff\xff\xff\xff" if data is None else struct.pack(">i", len(data)) + data
