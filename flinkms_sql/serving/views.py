"""The registry's snapshot as the engine wants it: what every address means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from types import MappingProxyType

from flinkms_sql.catalog.records import LIVE, AliasChange, Snapshot
from flinkms_sql.engine.registry import Period, Pointers
from flinkms_sql.errors import FlinkmsError

Key = tuple[str, int]
"""A model and the number of one of its versions."""


def pointers_of(
    snapshot: Snapshot, loaded: AbstractSet[Key], failures: Mapping[Key, FlinkmsError] = MappingProxyType({})
) -> dict[str, Pointers]:
    """Per model: ready versions, aliases, the history of the alias live, and what cannot be loaded.

    An alias means what the registry says if that is ``loaded`` here, else the version it named last that is: the former
    one serves on while the new one cannot be loaded.
    """
    pointers = {}
    for name in snapshot.models:
        here = {number for model, number in loaded if model == name}
        pointers[name] = Pointers(
            versions=frozenset(number for model, number in snapshot.versions if model == name),
            retired=frozenset(number for model, number in snapshot.retired if model == name),
            aliases={alias: _meaning(number, snapshot.history.get((name, alias), ()), here)
                     for (model, alias), number in snapshot.aliases.items() if model == name},
            history=tuple(
                Period(version=change.version, valid_from=_microseconds(change.valid_from),
                       valid_to=None if change.valid_to is None else _microseconds(change.valid_to))
                for change in snapshot.history.get((name, LIVE), ())
            ),
            failures={number: error for (model, number), error in failures.items() if model == name},
        )
    return pointers


def _meaning(number: int, history: Sequence[AliasChange], here: AbstractSet[int]) -> int:
    former = (change.version for change in reversed(history) if change.version in here)
    return number if number in here else next(former, number)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
