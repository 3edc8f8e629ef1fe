"""Bytes that one process keeps for its clients from one message to the next: rows that wait, portals, statements.

Must not know what is kept. Whoever keeps what a client chose takes its size from the session's share first, and gives
it back; so no number of sessions, names or values makes the process that serves all of them grow beyond a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

SESSION_KEPT_BYTES_MAX = 384 << 20
"""Bytes kept for one session: those of a transaction's rows, and some for what has names."""

KEPT_BYTES_MAX = 2 << 30
"""Bytes kept for all sessions: a few that load at once, beside the models."""

Item = TypeVar("Item")


class Budget:
    """One process's: ``kept`` is what all sessions have taken, in bytes."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = 0


class Share:
    """One session's share of a budget. What is given back after its end, by an append that goes on, does not count."""

    __slots__ = ("_budget", "_ended", "kept")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._ended = False
        self.kept = 0

    def take(self, size: int) -> None:
        """Count bytes that are going to be kept. Raises FlinkmsError 53400 for too many of the session's, 53200 of all."""
        if self.kept + size > SESSION_KEPT_BYTES_MAX:
            raise FlinkmsError(
                errors.CONFIGURATION_LIMIT_EXCEEDED,
                f"a session may keep at most {SESSION_KEPT_BYTES_MAX >> 20} MiB in portals, statements and uncommitted rows",
                hint="Close portals and statements that are not used any more, and commit more often.",
            )
        if self._budget.kept + size > KEPT_BYTES_MAX:
            raise FlinkmsError(
                errors.OUT_OF_MEMORY, "out of memory",
                detail=f"{KEPT_BYTES_MAX >> 20} MiB are kept for all sessions in portals, statements and uncommitted rows.",
                hint="Try again when other sessions have committed.",
            )  # fmt: skip
        self.kept += size
        self._budget.kept += size

    def give(self, size: int) -> None:
        """Bytes that are not kept any more."""
        if not self._ended:
            self.kept -= size
            self._budget.kept -= size

    def end(self) -> None:
        """The session has ended: nothing of it is kept."""
        self.give(self.kept)
        self._ended = True


class Kept(dict[str, Item]):
    """Things with names, each of which takes ``size(thing)`` bytes from a share for as long as it is here."""

    __slots__ = ("_share", "_size", "_sizes")

    def __init__(self, share: Share, size: Callable[[Item], int]) -> None:
        super().__init__()
        self._share, self._size = share, size
        self._sizes: dict[str, int] = {}

    def __setitem__(self, name: str, item: Item) -> None:
        size = self._size(item)
        self._share.take(size - self._sizes.get(name, 0))
        self._sizes[name] = size
        super().__setitem__(name, item)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._share.give(self._sizes.pop(name))

    def pop(self, name: str, default: Item | None = None) -> Item | None:  # type: ignore[override]  # never raises
        """What had the name, which is free now; ``default`` where nothing had it."""
        if name in self._sizes:
            self._share.give(self._sizes.pop(name))
        return super().pop(name, default)

    def clear(self) -> None:
        """Let go of everything."""
        if self._sizes:
            self._share.give(sum(self._sizes.values()))
            self._sizes.clear()
            super().clear()
