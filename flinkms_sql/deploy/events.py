"""What a deploying statement says while it is carried out, and how it ends: the one definition, for sessions and commands.

Must not know who listens: a session makes messages of the protocol of them, a command lines on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flinkms_sql.query.nodes import OutputColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: ``done`` of ``total`` steps (0 of 0 when unknown) of a phase, with the newest metrics.

    May come at every look: a listener shows as much of it as suits him.
    """

    job: int
    phase: str
    done: int = 0
    total: int = 0
    metrics: Mapping[str, float | str | None] | None = None

    def __str__(self) -> str:
        steps = f" {self.done}/{self.total}" if self.total else ""
        # What is no number, as far as JSON goes, says nothing of how far a job is.
        numbers = "".join(f", {name} {float(value):.4g}" for name, value in (self.metrics or {}).items() if value is not None)
        return f"job {self.job}: {self.phase}{steps}{numbers}"


class Telling:
    """Which progress a listener shows who wants a line for each change, at most one in ``pause_s`` seconds."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._told: Progress | None = None
        self._told_at = float("-inf")

    def is_due(self, step: Progress, now: float) -> bool:
        """Whether to show this one at ``now`` (seconds): it then counts as shown. What is left out comes at the next look."""
        if step == self._told or now - self._told_at < self._pause_s:
            return False
        self._told, self._told_at = step, now
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that must be told: what else a statement has changed, what it waits for. In PostgreSQL's form."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A result set. ``columns`` are the plan's: a session has told its client of them before the statement ran.

    ``rows`` hold Python values, None for NULL.
    """

    columns: tuple[OutputColumn, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end: the command tag; ``changed`` is False when the statement was already true."""

    tag: str
    changed: bool = True


Event = Progress | Notice | Rows | Done


def started(job: int) -> Iterator[Event]:
    """The end of a statement that starts a job: its number is told beside a tag in which no driver finds a row count."""
    yield Notice(message=f"started job {job}")
    yield Done(tag="START JOB")
