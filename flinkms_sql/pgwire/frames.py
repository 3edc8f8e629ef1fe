"""Cutting a stream of bytes into whole messages.

Must not know what a message means: only that the first packets of a connection have no kind byte, that every other
message is kind, length, body, and which lengths are allowed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from flinkms_sql.pgwire.wire import ProtocolError

MESSAGE_BYTES_MAX = 64 << 20
"""A client's message, in bytes: a statement with parameters. Larger ones are an attack or a mistake; COPY is chunked."""

STARTUP_BYTES_MAX = 10_000
"""A startup packet, in bytes: PostgreSQL's MAX_STARTUP_PACKET_LENGTH. It arrives before authentication."""

RELAYED_BYTES_MAX = 1 << 30
"""A message of the control database, in bytes: PostgreSQL's own limit for one value (MaxAllocSize)."""

_COMPACT_BYTES = 1 << 16
"""Consumed bytes kept at the front of the buffer before it is moved: amortises the move over many messages."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it was on the wire: ``kind`` is one byte, or b"" for a startup packet; ``raw`` is all of it.

    With merging (see Splitter) ``raw`` may be a run of consecutive messages of one kind.
    """

    kind: bytes
    raw: bytes

    @property
    def body(self) -> bytes:
        """The bytes after kind and length."""
        return self.raw[5:] if self.kind else self.raw[4:]


class Splitter:
    """A buffer that gives back whole messages in order.

    startup: the next packet is a startup packet; the caller clears it once the session has started.
    merged:  kinds whose consecutive messages come as one Frame, so that bulk rows cost one object per read.
    """

    __slots__ = ("_at", "_buffer", "_limit", "_merged", "startup")

    def __init__(self, *, startup: bool, limit: int = MESSAGE_BYTES_MAX, merged: bytes = b"") -> None:
        self._buffer = bytearray()
        self._at = 0
        self._limit = limit
        self._merged = merged
        self.startup = startup

    @property
    def buffered(self) -> int:
        """Bytes received and not given back yet."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._at > _COMPACT_BYTES or self._at == len(self._buffer):
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def take_rest(self) -> bytes:
        """Everything buffered, which then is no longer here: what followed the last message before a switch to TLS."""
        rest = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return rest

    def next_frame(self) -> Frame | None:
        """The next whole message, or None when more bytes are needed. Raises ProtocolError for a forbidden length."""
        end = self._end_of(self._at)
        if end is None:
            return None
        start = self._at
        if self.startup:
            self._at = end
            return Frame(b"", bytes(self._buffer[start:end]))
        kind = self._buffer[start]
        if kind in self._merged:
            end = self._end_of_run(end, kind)
        self._at = end
        return Frame(bytes((kind,)), bytes(memoryview(self._buffer)[start:end]))

    def _end_of(self, start: int) -> int | None:
        """Where the message at ``start`` ends, or None when it is not whole; its length is checked as soon as known."""
        head = start if self.startup else start + 1
        if len(self._buffer) - head < 4:
            return None
        length = _LENGTH.unpack_from(self._buffer, head)[0]
        if self.startup:
            if length < 8 or length > STARTUP_BYTES_MAX:
                raise ProtocolError("invalid length of startup packet")
        elif length < 4 or length > self._limit:
            raise ProtocolError("invalid message length", detail=f"The limit is {self._limit} bytes.")
        end = head + length
        return end if end <= len(self._buffer) else None

    def _end_of_run(self, end: int, kind: int) -> int:
        buffer, size = self._buffer, len(self._buffer)
        while size - end >= 5 and buffer[end] == kind:
            after = end + 1 + _LENGTH.unpack_from(buffer, end + 1)[0]
            if after > size or after < end + 5:
                break
            end = after
        return end
