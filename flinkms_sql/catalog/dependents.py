"""Who depends on whom: models on the tables that their training queries read, jobs on tables and on models.

Computed from what is registered, by both stores, under the lock that every change takes: nothing can come to depend on
what is about to go. Must not know what a job does. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.catalog.records import ENDED, JobRecord, ModelRecord
from flinkms_sql.errors import FlinkmsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A model or a job, and the table or model without which it cannot be."""

    what: str
    on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What goes when tables and models are dropped.

    ``models`` are all models that go, those of the statement first; ``jobs`` all that are told to end, among them the
    ``own`` ones of the statement's models: part of them, and no reason to refuse. ``dependents`` are reasons to refuse,
    or what CASCADE takes along. ``missing`` are names of the statement that nothing had.
    """

    models: tuple[str, ...]
    jobs: tuple[int, ...]
    own: tuple[str, ...]
    dependents: tuple[Dependent, ...]
    missing: tuple[str, ...] = ()


def removal(tables: Collection[str], models: Sequence[str], known: Iterable[ModelRecord], jobs: Iterable[JobRecord],
            missing: Sequence[str] = ()) -> Removal:
    """What dropping these tables and models comes to, dependents of dependents included."""
    found = [Dependent(what=f"model {model.name}", on=f"table {table}")
             for model in known if model.name not in models for table in model.tables if table in tables]
    going = tuple(dict.fromkeys([*models, *(dependent.what.removeprefix("model ") for dependent in found)]))
    ending, own = [], []
    for job in jobs:
        if job.state in ENDED or job.desired == "canceled":
            continue
        if job.model in going:
            ending.append(job.id)
            own.append(_described(job))
        elif needs := next(_needs(job, tables, going), None):
            ending.append(job.id)
            found.append(Dependent(what=_described(job), on=needs))
    return Removal(models=going, jobs=tuple(ending), own=tuple(own), dependents=tuple(found), missing=tuple(missing))


def _needs(job: JobRecord, tables: Collection[str], models: Collection[str]) -> Iterator[str]:
    """Which of the tables and models that go a job works with."""
    for name in (*job.options.get("tables", ()), *job.options.get("targets", ())):
        if name in tables:
            yield f"table {name}"
    for call in job.options.get("calls", ()):
        if call["model"] in models:
            yield f"model {call['model']}"


def _described(job: JobRecord) -> str:
    what = {"train": "training", "learn": "learning", "evaluate": "evaluation", "score": "scoring"}.get(job.kind, job.kind)
    of = f" of model {job.model}" if job.model else f" into {', '.join(job.options.get('targets', ()))}"
    return f"job {job.id} ({what}{of})"


def refuse_dependents(kind: str, names: Sequence[str], dependents: Sequence[Dependent]) -> None:
    """Raises 2BP01, which names them, when there are dependents."""
    if not dependents:
        return
    raise FlinkmsError(
        errors.DEPENDENT_OBJECTS_STILL_EXIST,
        f"cannot drop {kind} {', '.join(names)} because other objects depend on it",
        detail="\n".join(f"{dependent.what} depends on {dependent.on}." for dependent in dependents),
        hint="STOP JOB and DROP MODEL them first; CASCADE does both for all of them.",
    )
