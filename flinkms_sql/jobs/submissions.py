"""What jobs ask of Flink, as values, and who they ask: compiler.py, over PyFlink, is the one that ships.

A submission says everything that its Flink job needs, under an id that was chosen before. Must not know PyFlink, nor
what becomes of a job once the cluster has it: that is cluster.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from flinkms_sql import errors
from flinkms_sql.catalog.records import Positions
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import SqlType
from udfs.model import Model

Columns = Sequence[tuple[str, SqlType]]
"""(name, type) of what the columns of a query are for, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTable:
    """A table of a job: the user's CREATE TABLE, and options over those of its WITH clause (None: taken away).

    checked: options, and columns the names of columns, that the registry has read in the definition; places.py has
    let the options pass.
    """

    name: str
    definition: str
    options: Mapping[str, str | None]
    checked: Mapping[str, str]
    columns: Sequence[str]

    def check_read(self, name: str, options: Mapping[str, str], columns: Sequence[str]) -> None:
        """Raise FlinkmsError 42501 when Flink has read another table in the definition than the one that was checked."""
        folded = [column.lower() for column in columns]
        if (name, dict(options), folded) != (self.name, dict(self.checked), [column.lower() for column in self.columns]):
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE,
                               f'the definition of table "{self.name}" is read otherwise by Flink than it was checked',
                               hint="Drop the table and create it again, without comments in the definition.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What every Flink job has. ``restore``: URI of the checkpoint it starts from."""

    name: str
    flink_job_id: str
    tables: Sequence[DeclaredTable]
    query: str
    parallelism: int = 1
    restore: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSubmission(Submission):
    """Teach a version by what a query gives.

    version: its directory. logs: by its table, where its logs start; what they hold past it is superseded.
    job: the standing job on behalf of which it learns.
    """

    columns: Columns
    job: int
    version: str
    logs: Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSubmission(Submission):
    """Fit a model and leave its base in a directory. ``names`` are those of the inputs and the label."""

    model: Model
    options: Mapping[str, str]
    names: Sequence[str]
    types: Sequence[SqlType]
    output: SqlType
    directory: Path
    progress: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSubmission(Submission):
    """Measure a version (its directory) by what a query gives; the answers are of type ``output``."""

    columns: Columns
    version: str
    output: SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringSubmission(Submission):
    """Run an INSERT, ``query``, whose calls of models are functions: name -> (directory of the version, answer's type)."""

    standing: bool
    functions: Mapping[str, tuple[str, SqlType]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPositions:
    """Where a job's flinkms sources and sinks stood in one complete checkpoint.

    sources: directory of a table -> partition -> (epoch, offset, rows of the frame there).
    logs:    table of the model that the sink writes -> partition -> (epoch, offset).
    apart:   directories of tables that the job reads in several scans which stood at different places: no one place says
             what of them was read, and ``sources`` has that of the scan furthest behind.
    """

    sources: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    logs: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()


Planned = Callable[[], None]
"""Called when the plan is made and before the cluster gets it; when it raises, the cluster does not."""

LearnerPlanned = Callable[[Sequence[str]], None]
"""The same, with the names of the operators that Flink's plan has for the query of a learner."""

Rows = Callable[[], list[tuple[Any, ...]]]
"""The rows of a bounded query, once; waits for its end."""


class Flink(Protocol):
    """Submits jobs, without waiting for their end, and reads what they leave.

    Each raises FlinkmsError: what Flink says of the query, with its position; 08006 when the cluster does not answer.
    """

    def warm(self) -> None:
        """Start what the first submission would wait for."""

    def submit_learner(self, wanted: LearnerSubmission, planned: LearnerPlanned) -> None:
        """Start a learner."""

    def submit_training(self, wanted: TrainingSubmission, planned: Planned) -> None:
        """Start a training."""

    def submit_evaluation(self, wanted: EvaluationSubmission, planned: Planned) -> Rows:
        """Start an evaluation; its one row holds the metrics as JSON, no row when it read none."""

    def submit_scoring(self, wanted: ScoringSubmission, planned: Planned) -> None:
        """Start an INSERT."""

    def positions(self, uri: str) -> CheckpointPositions:
        """What a checkpoint or savepoint holds of our tables. Raises FlinkmsError 58030 when it cannot be read."""
