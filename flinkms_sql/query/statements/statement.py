"""Our own statements and the session's, as values: what a parser in this folder makes of a text.

Must not know how a statement is carried out. Names are as PostgreSQL folds them: unquoted ones in lower case.
Positions are 1-based characters in the statement's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as Choice

from flinkms_sql.catalog.address import ModelAddress
from flinkms_sql.query.flinkquery import FlinkQuery
from flinkms_sql.types import SqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A declared column: of a table, or an input or output of a model."""

    name: str
    type: SqlType
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """CREATE TABLE … WITH ('connector' = …): ``definition`` is the whole statement, Flink SQL."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    watermark: str | None
    options: Mapping[str, str]
    if_not_exists: bool
    definition: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateModel:
    """CREATE MODEL name INPUT (…) OUTPUT (…) WITH (…) [AS query]: with a query, a version is trained from it."""

    name: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    options: Mapping[str, str]
    query: FlinkQuery | None
    if_not_exists: bool
    definition: str
    position: int

    @property
    def algorithm(self) -> str:
        return self.options["algorithm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnModel:
    """INSERT INTO MODEL name query: a job that keeps updating the live version from what the query yields."""

    name: str
    query: FlinkQuery
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """INSERT INTO table query, run by Flink: table is a Flink table; the query may call predict."""

    table: str
    columns: tuple[str, ...]
    query: FlinkQuery
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshModel:
    """REFRESH MODEL name: train a new version with the declared query and publish it."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteVersion:
    """ALTER MODEL name PROMOTE VERSION version: serve this version."""

    name: str
    version: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAlias:
    """ALTER MODEL name SET ALIAS alias TO VERSION version: what name@alias means."""

    name: str
    alias: str
    version: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAlias:
    """ALTER MODEL name DROP ALIAS alias."""

    name: str
    alias: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackModel:
    """ALTER MODEL name ROLLBACK: serve what was served before the last promotion."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetModelOptions:
    """ALTER MODEL name SET ('option' = 'value', …): for versions trained from now on."""

    name: str
    options: Mapping[str, str]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name in a statement that lists several."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropModel:
    """DROP MODEL [IF EXISTS] name, … [CASCADE | RESTRICT]: with ``cascade``, what depends on them goes too."""

    targets: tuple[Named, ...]
    if_exists: bool
    cascade: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable:
    """DROP TABLE [IF EXISTS] name, … [CASCADE | RESTRICT], of Flink tables."""

    targets: tuple[Named, ...]
    if_exists: bool
    cascade: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateModel:
    """EVALUATE MODEL 'address' USING query: the query yields the inputs, then the label."""

    address: ModelAddress
    query: FlinkQuery
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopJob:
    """STOP JOB id."""

    job: int
    position: int


Deploying = (
    CreateTable | CreateModel | LearnModel | Score | RefreshModel | PromoteVersion | SetAlias | DropAlias | RollbackModel | SetModelOptions
    | DropModel | DropTable | EvaluateModel | StopJob
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """SHOW MODELS | TABLES | {VERSIONS | METRICS | JOBS} [OF model], DESCRIBE {MODEL model | TABLE table}."""

    what: Choice["models", "versions", "metrics", "jobs", "tables", "model", "table"]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """No statement: blanks and comments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """BEGIN | START TRANSACTION; ``modes`` is the text of the transaction modes, as written."""

    tag: Choice["BEGIN", "START TRANSACTION"]
    modes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """COMMIT | END; with ``chain`` a new transaction starts at once."""

    chain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """ROLLBACK | ABORT; with ``chain`` a new transaction starts at once."""

    chain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Savepoint:
    """SAVEPOINT name, RELEASE [SAVEPOINT] name, ROLLBACK TO [SAVEPOINT] name."""

    action: Choice["savepoint", "release", "rollback to"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareTransaction:
    """PREPARE TRANSACTION 'name': what the block did waits for COMMIT PREPARED, of any session."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameter:
    """SET [LOCAL | SESSION] name = value: ``value`` as PostgreSQL shows it, None for DEFAULT.

    Also RESET name (``value`` None, tag RESET). Names are lower case; SET TIME ZONE is TimeZone, SET NAMES
    client_encoding.
    """

    name: str
    value: str | None
    local: bool
    tag: Choice["SET", "RESET"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParameter:
    """SHOW name, of a setting of PostgreSQL's or ours."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """What resets a session: it needs no backend when there is none. ``tag`` is the command tag."""

    tag: Choice["RESET", "DISCARD ALL", "CLOSE CURSOR ALL", "UNLISTEN", "DEALLOCATE ALL"]


TransactionControl = Begin | Commit | Rollback | Savepoint | PrepareTransaction
SessionStatement = Empty | TransactionControl | SetParameter | ShowParameter | CleanUp
