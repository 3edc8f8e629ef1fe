"""The protocol as tables: what a client may send in which phase, and how a server answers each request.

Must not know how messages are encoded. One ``Conversation`` follows one connection, as seen from either end: the
server's side checks what the client sends and what it answers itself, the client's side the same with roles swapped.
The rules for errors and pipelining are here, once: after an error in an extended series the server reads on to the
next Sync without answering (54.2.3), and answers come in the order of the requests (54.2.4).
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from flinkms_sql.pgwire.wire import LocalProtocolError, ProtocolError


class Phase(Enum):
    """Where a connection is."""

    STARTING = auto()
    """Nothing agreed yet: the next packet has no kind byte."""
    AUTHENTICATING = auto()
    PREPARING = auto()
    """Authenticated: the server sends settings and the secret key."""
    READY = auto()
    """Requests and answers."""
    CLOSED = auto()


ENCRYPTION, CANCEL, STARTUP = b"encryption", b"cancel", b"startup"
"""Stand-ins for the kind byte that packets of the first phase do not have."""

CLIENT: dict[Phase, dict[bytes, Phase]] = {
    Phase.STARTING: {ENCRYPTION: Phase.STARTING, CANCEL: Phase.CLOSED, STARTUP: Phase.AUTHENTICATING},
    Phase.AUTHENTICATING: {b"p": Phase.AUTHENTICATING, b"X": Phase.CLOSED},
    Phase.PREPARING: {},
    Phase.READY: dict.fromkeys((bytes((kind,)) for kind in b"QPBDECHSFdcf"), Phase.READY) | {b"X": Phase.CLOSED},
    Phase.CLOSED: {},
}
"""What a client may send: phase -> kind -> next phase."""

SERVER: dict[Phase, dict[bytes, Phase]] = {
    Phase.STARTING: {b"E": Phase.CLOSED},
    Phase.AUTHENTICATING: {b"R": Phase.AUTHENTICATING, b"v": Phase.AUTHENTICATING, b"E": Phase.CLOSED},
    Phase.PREPARING: {
        b"S": Phase.PREPARING,
        b"K": Phase.PREPARING,
        b"N": Phase.PREPARING,
        b"Z": Phase.READY,
        b"E": Phase.CLOSED,
    },
    Phase.CLOSED: {},
}
"""What a server may send before it is ready. AuthenticationOk leads on to PREPARING (``Conversation.server_sent``)."""

ANY_TIME = b"NSA"
"""Notices, settings and notifications answer nothing: a ready server may send them at any moment."""


class Step(Enum):
    """What an answer means for the request it belongs to."""

    MORE = auto()
    """More answers follow."""
    DONE = auto()
    """The request is answered."""
    COPY_IN = auto()
    """The server reads COPY data now."""


_ROWS = {b"D": Step.MORE, b"C": Step.DONE, b"I": Step.DONE, b"s": Step.DONE}
_COPY = {b"G": Step.COPY_IN, b"W": Step.COPY_IN, b"H": Step.MORE, b"d": Step.MORE, b"c": Step.MORE}
_DESCRIBED = {b"T": Step.DONE, b"n": Step.DONE}

ANSWERS: dict[bytes, dict[bytes, Step]] = {
    b"Q": {b"T": Step.MORE, b"Z": Step.DONE, b"E": Step.MORE} | dict.fromkeys(_ROWS, Step.MORE) | _COPY,
    b"P": {b"1": Step.DONE},
    b"B": {b"2": Step.DONE},
    b"D": {b"t": Step.MORE} | _DESCRIBED,
    b"E": _ROWS | _COPY,
    b"C": {b"3": Step.DONE},
    b"S": {b"Z": Step.DONE, b"E": Step.MORE},
    b"F": {b"V": Step.MORE, b"E": Step.MORE, b"Z": Step.DONE},
}
"""request kind -> answer kind -> step. An error of the extended kinds (PBDEC) is DONE for all up to the next Sync."""

EXTENDED = b"PBDEC"
_UNANSWERED = b"Hdcf"
"""Flush and COPY data are answered by nothing of their own."""


class Conversation:
    """One connection's phase and its requests that wait for an answer, oldest first.

    A request may carry a ``tag``, whatever its sender wants to find again when it is answered or dropped.
    """

    __slots__ = ("copying_in", "dropped", "pending", "phase", "skipping")

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.pending: deque[tuple[bytes, object]] = deque()
        self.dropped: list[tuple[bytes, object]] = []
        """Requests the last answer left without an answer of their own: an error's successors, Syncs inside COPY."""
        self.skipping = False
        """An error was answered and no Sync has come yet: extended requests get no answer."""
        self.copying_in = False
        """The server asked for COPY data and the client has not ended it yet."""

    def client_sent(self, kind: bytes, tag: object = None) -> bool:
        """Note a client's message; False when it is to be dropped unanswered. Raises ProtocolError when forbidden."""
        after = CLIENT[self.phase].get(kind)
        if after is None:
            raise ProtocolError(f"unexpected message {kind!r} while {self.phase.name.lower()}")
        if self.phase is not Phase.READY or after is Phase.CLOSED:
            self.phase = after
            return True
        if self.copying_in:
            # Sync and Flush inside COPY data are ignored (54.2.6): libpq sends one with the COPY, one after the data.
            self.copying_in = kind not in (b"c", b"f")
            return kind not in (b"S", b"H")
        if kind == b"S":
            self.skipping = False
        elif self.skipping:
            # A simple Query or a function call is skipped too: only Sync ends the series.
            return False
        if kind not in _UNANSWERED:
            self.pending.append((kind, tag))
        return True

    def server_sent(self, kind: bytes, *, authenticated: bool = False) -> bool:
        """Note a server's message; True when it completes the oldest request. Raises LocalProtocolError if forbidden.

        authenticated: the message is AuthenticationOk.
        """
        if self.phase is not Phase.READY:
            self._before_ready(kind, authenticated)
            return False
        if kind in ANY_TIME:
            return False
        if not self.pending:
            # A server that shuts down reports it (FATAL) and closes, without being asked.
            if kind == b"E":
                return False
            raise LocalProtocolError(f"answer {kind!r} without a request")
        self.dropped = []
        request = self.pending[0][0]
        if kind == b"E" and request in EXTENDED:
            self._fail()
            return True
        step = ANSWERS[request].get(kind)
        if step is None:
            raise LocalProtocolError(f"answer {kind!r} to request {request!r}")
        self.copying_in = step is Step.COPY_IN
        if self.copying_in:
            self._drop_early_syncs()
        if step is Step.DONE:
            self.pending.popleft()
            return True
        return False

    def _before_ready(self, kind: bytes, authenticated: bool) -> None:
        after = SERVER[self.phase].get(kind)
        if after is None:
            raise LocalProtocolError(f"answer {kind!r} while {self.phase.name.lower()}")
        self.phase = Phase.PREPARING if authenticated else after

    def _drop_early_syncs(self) -> None:
        """Forget each Sync that was sent right behind the COPY: the server meets it inside the data."""
        while len(self.pending) > 1 and self.pending[1][0] == b"S":
            self.dropped.append(self.pending[1])
            del self.pending[1]

    def _fail(self) -> None:
        """Drop the requests up to the next Sync: they get no answer."""
        self.copying_in = False
        self.pending.popleft()
        while self.pending and self.pending[0][0] != b"S":
            self.dropped.append(self.pending.popleft())
        self.skipping = not self.pending
