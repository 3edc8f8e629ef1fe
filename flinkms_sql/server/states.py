"""The states of a session, and which may follow which.

Must not know what a session does in them. What arrives is handled by state: see ``Session.data_received``.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """What a session is doing."""

    STARTING = auto()
    """The client is not in yet."""
    RESTING = auto()
    """Everything is answered, nothing is buffered: the next byte starts a new series."""
    BETWEEN = auto()
    """Nothing is at work, but a series is open, a message is not whole, or PostgreSQL has answers to give."""
    HOT = auto()
    """The hot path has a request, and answers it in this turn of the event loop."""
    WORKING = auto()
    """A task carries out a request, and the next one waits for it."""
    COPYING = auto()
    """As WORKING, and the client sends COPY data, which is passed on meanwhile."""
    ENDED = auto()
    """Nothing is taken or sent any more."""


NEXT: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.WORKING, State.RESTING, State.BETWEEN, State.ENDED}),
    State.RESTING: frozenset({State.HOT, State.BETWEEN, State.WORKING, State.ENDED}),
    State.BETWEEN: frozenset({State.RESTING, State.WORKING, State.ENDED}),
    State.HOT: frozenset({State.RESTING, State.BETWEEN, State.WORKING, State.ENDED}),
    State.WORKING: frozenset({State.COPYING, State.STARTING, State.RESTING, State.BETWEEN, State.ENDED}),
    State.COPYING: frozenset({State.WORKING, State.RESTING, State.BETWEEN, State.ENDED}),
    State.ENDED: frozenset(),
}
"""state -> what may come next; staying is always allowed."""
