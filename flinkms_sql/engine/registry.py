"""The versions that are loaded here, and what every address means at this moment.

Must not know how a version is loaded or followed. Everything an address can mean is one immutable value that is
replaced whole, so a reader on another thread sees the state before a change or after it, never a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flinkms_sql import errors
from flinkms_sql.catalog.address import LIVE, ModelAddress, format_moment
from flinkms_sql.catalog.retirement import retired
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import SqlType
from udfs.model import Model, ModelView, Pointwise, Recommender


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedVersion:
    """One version, ready to answer, over arguments of the types ``inputs``.

    ``recommender`` and ``pointwise`` are the model again, if it is one. ``position`` gives the log positions the view has reached, as text for EXPLAIN.
    """

    name: str
    version: int
    inputs: tuple[SqlType, ...]
    model: Model
    view: ModelView
    recommender: Recommender | None = None
    pointwise: Pointwise | None = None
    position: Callable[[], str] = lambda: ""

    def check(self, types: Sequence[SqlType | None], at: int | None) -> None:
        """Raise 42804, at position ``at``, when a statement whose model is a parameter was made for other arguments.

        None: the statement has no such argument.
        """
        if len(types) == len(self.inputs) and all(kind in (None, own) for kind, own in zip(types, self.inputs)):
            return
        takes, given = (", ".join(kind.value.postgres for kind in kinds if kind) for kinds in (self.inputs, types))
        raise FlinkmsError(
            errors.DATATYPE_MISMATCH, f'model "{self.name}" takes ({takes}), the statement gives ({given})',
            hint="Write the model's name instead of a parameter, or cast the arguments.", position=at,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An alias meant ``version`` from ``valid_from`` until just before ``valid_to`` (None: still does).

    Moments are microseconds since 1970-01-01 UTC.
    """

    version: int
    valid_from: int
    valid_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointers:
    """What addresses of one model mean here: its versions, its aliases, what was live when, which versions cannot be
    loaded, with the reason, and which are not kept any more."""

    versions: frozenset[int]
    aliases: Mapping[str, int]
    history: tuple[Period, ...] = ()
    failures: Mapping[int, FlinkmsError] = field(default_factory=dict)
    retired: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _State:
    generation: int = 0
    loaded: Mapping[tuple[str, int], LoadedVersion] = field(default_factory=dict)
    pointers: Mapping[str, Pointers] = field(default_factory=dict)


class Registry:
    """Loaded versions and pointers. Changes are made by one thread; reads need no lock."""

    def __init__(self) -> None:
        self._state = _State()

    @property
    def generation(self) -> int:
        """Grows with every change: what was resolved at a generation holds while it stays."""
        return self._state.generation

    def become(self, *, loaded: Iterable[LoadedVersion], pointers: Mapping[str, Pointers]) -> None:
        """Replace what answers and all that addresses mean, of all models at once: an address never means one state's
        version of another state's model."""
        self._state = _State(
            generation=self._state.generation + 1,
            loaded={(version.name, version.version): version for version in loaded}, pointers=dict(pointers),
        )

    def loaded(self) -> list[LoadedVersion]:
        """All loaded versions, by model and number."""
        return [self._state.loaded[key] for key in sorted(self._state.loaded)]

    def resolve(self, address: ModelAddress) -> LoadedVersion:
        """The loaded version an address means now.

        Raises FlinkmsError 42704 when there is no such model, version or alias, 55000 when it cannot answer (yet).
        """
        state = self._state
        pointers = state.pointers.get(address.name)
        if pointers is None:
            raise FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{address.name}" does not exist')
        number = _number(address, pointers)
        if number in pointers.retired:
            raise retired(address.name, number)
        found = state.loaded.get((address.name, number))
        if found is None:
            raise _not_loaded(address.name, number, pointers.failures.get(number))
        return found


def _not_loaded(name: str, number: int, failure: FlinkmsError | None) -> FlinkmsError:
    if failure is None:
        return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'version {number} of model "{name}" is not loaded',
                            hint="It is being loaded, or it was retired: SHOW VERSIONS tells.")
    return FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'version {number} of model "{name}" cannot be loaded',
                        detail=f"{failure.message} ({failure.sqlstate})", hint="Loading it is tried again until it works.")


def _number(address: ModelAddress, pointers: Pointers) -> int:
    name = address.name
    if address.version is not None:
        if address.version not in pointers.versions | pointers.retired:
            raise FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" has no version {address.version}',
                               hint=f"SHOW VERSIONS OF {name} lists them.")  # fmt: skip
        return address.version
    if address.as_of is not None:
        for period in pointers.history:
            if period.valid_from <= address.as_of and (period.valid_to is None or address.as_of < period.valid_to):
                return period.version
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                           f'no version of model "{name}" was live at {format_moment(address.as_of)}')  # fmt: skip
    number = pointers.aliases.get(address.alias or LIVE)
    if number is not None:
        return number
    if address.alias == LIVE:
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'model "{name}" has no live version yet',
                           hint="It answers once a training has published one: SHOW JOBS tells.")  # fmt: skip
    raise FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" has no alias "{address.alias}"',
                       hint=f"Its aliases are {', '.join(sorted(pointers.aliases)) or 'none'}.")  # fmt: skip


def effective(address: ModelAddress, as_of: int | None) -> ModelAddress:
    """The address under a session's ``flinkms.as_of``, which turns the live version into what was live then."""
    if as_of is None or address.alias != LIVE:
        return address
    return ModelAddress(name=address.name, as_of=as_of)
