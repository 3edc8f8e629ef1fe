"""What a deploying statement says while it is carried out, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flinkms_sql.types import SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: ``done`` of ``total`` steps (0 of 0 when unknown) of a phase, with the newest metrics."""

    job: int
    phase: str
    done: int = 0
    total: int = 0
    metrics: Mapping[str, float] | None = None

    def __str__(self) -> str:
        steps = f" {self.done}/{self.total}" if self.total else ""
        numbers = "".join(f", {name} {value:.4g}" for name, value in (self.metrics or {}).items())
        return f"job {self.job}: {self.phase}{steps}{numbers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A result set: (name, type) of each column, and rows of Python values."""

    columns: tuple[tuple[str, SqlType], ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end: the command tag; ``changed`` is False when the statement was already true."""

    tag: str
    changed: bool = True


Event = Progress | Rows | Done
