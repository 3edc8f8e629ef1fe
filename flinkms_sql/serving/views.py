"""The registry's snapshot as the engine wants it: what every address means. Pure."""

from __future__ import annotations

from datetime import datetime

from flinkms_sql.catalog.records import LIVE, Snapshot
from flinkms_sql.engine.registry import Period, Pointers


def pointers_of(snapshot: Snapshot) -> dict[str, Pointers]:
    """Per model: ready versions, aliases, and the history of the alias live."""
    return {
        name: Pointers(
            versions=frozenset(number for model, number in snapshot.versions if model == name),
            aliases={alias: number for (model, alias), number in snapshot.aliases.items() if model == name},
            history=tuple(
                Period(version=change.version, valid_from=_microseconds(change.valid_from),
                       valid_to=None if change.valid_to is None else _microseconds(change.valid_to))
                for change in snapshot.history.get((name, LIVE), ())
            ),
        )
        for name in snapshot.models
    }


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
