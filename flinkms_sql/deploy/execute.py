"""Carrying out one deploying statement: checks, then writes to the registry, then waits for the job it started.

A generator of events, so that a session can show progress and stop waiting (GeneratorExit cancels the job).
``idempotent`` is the deployment file's reading of a statement: what exists as declared is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.catalog.records import Column, JobRecord, NewJob, Snapshot
from flinkms_sql.catalog.store import Store
from flinkms_sql.deploy.events import Done, Event, Progress, Rows
from flinkms_sql.deploy.follow import follow_job
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.stream import Stream
from flinkms_sql.query.flinkquery import FlinkQuery
from flinkms_sql.query.statements import statement as ast
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.model import Model, OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """Where statements are carried out: the registry and the warehouse."""

    store: Store
    warehouse: Path

    def execute(self, statement: ast.Deploying, text: str, *, idempotent: bool = False) -> Iterator[Event]:
        """Events of one statement, ``Done`` last; ``text`` is the statement as written. Raises FlinkmsError."""
        match statement:
            case ast.CreateTable():
                return self._create_table(statement, idempotent or statement.if_not_exists)
            case ast.CreateModel():
                return self._create_model(statement, text, idempotent, statement.if_not_exists)
            case ast.RefreshModel():
                return self._refresh(statement, text)
            case ast.LearnModel():
                return self._learn(statement, text, idempotent)
            case ast.EvaluateModel():
                return self._evaluate(statement, text)
            case ast.Score():
                return self._score(statement, text, idempotent)
            case _:
                return self._change(statement)

    def _create_table(self, statement: ast.CreateTable, existing_is_fine: bool) -> Iterator[Event]:
        known = self.store.snapshot().tables.get(statement.name)
        if known is not None and existing_is_fine:
            _check_same("table", statement.name, known.definition, statement.definition)
            yield Done(tag="CREATE TABLE", changed=False)
            return
        is_stream = statement.options.get("connector") == "flinkms"
        path = Path(statement.options.get("path") or self.warehouse / "streams" / statement.name) if is_stream else None
        if path is not None:
            Stream.create(path, [(column.name, column.type) for column in statement.columns], exist_ok=True)
        self.store.create_table(
            name=statement.name, kind="stream" if is_stream else "flink", columns=_columns(statement.columns),
            options=statement.options, definition=statement.definition, path=str(path) if path else None,
        )
        yield Done(tag="CREATE TABLE")

    def _create_model(self, statement: ast.CreateModel, text: str, idempotent: bool, if_not_exists: bool) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        known = snapshot.models.get(statement.name)
        if known is not None and (idempotent or if_not_exists):
            if idempotent:
                _check_same("model", statement.name, known.definition, statement.definition)
            if not self._is_unfinished(statement, snapshot):
                yield Done(tag="CREATE MODEL", changed=False)
                return
        if statement.query is not None:
            _check_tables(snapshot, statement.query)
        model = configured(statement.algorithm, statement.options, statement.inputs, statement.position)
        if known is None:
            self.store.create_model(
                name=statement.name, algorithm=statement.algorithm, inputs=_columns(statement.inputs),
                outputs=_columns(statement.outputs), options=statement.options,
                training_query=statement.query.text if statement.query else None, definition=statement.definition,
                recommends=hasattr(type(model), "recommend"),
            )
        if statement.query is not None:
            try:
                yield from self._train(statement.name, statement.query, text)
            except FlinkmsError:
                # Nothing was ever served under this name: the statement has no effect, and can be repeated.
                if known is None:
                    self.store.drop_model(statement.name)
                raise
        yield Done(tag="CREATE MODEL")

    def _is_unfinished(self, statement: ast.CreateModel, snapshot: Snapshot) -> bool:
        """Whether the model's first training never ended well, so that applying the file again has to train."""
        live = (statement.name, "live") in snapshot.aliases
        running = any(job.kind == "train" for job in
                      self.store.jobs(states=("queued", "starting", "running", "restarting"), model=statement.name))
        return statement.query is not None and not live and not running

    def _refresh(self, statement: ast.RefreshModel, text: str) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        model = snapshot.models.get(statement.name)
        if model is None:
            raise _no_model(statement.name, statement.position)
        if model.training_query is None:
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'model "{statement.name}" has no training query',
                               hint="CREATE MODEL … AS SELECT declares one.")
        jobs = self.store.jobs(model=statement.name)
        tables = next((job.options["tables"] for job in reversed(jobs) if job.kind == "train"), [])
        yield from self._train_tables(statement.name, model.training_query, tables, text)
        yield Done(tag="REFRESH MODEL")

    def _train(self, model: str, query: FlinkQuery, text: str) -> Iterator[Event]:
        return self._train_tables(model, query.text, sorted({table.name for table in query.tables}), text)

    def _train_tables(self, model: str, query: str, tables: list[str], text: str) -> Iterator[Event]:
        record = self.store.snapshot().models[model]
        directory = self.warehouse / "models" / model
        version = self.store.begin_version(model, directory=str(directory), options=dict(record.options))
        job = self.store.enqueue_job(NewJob(kind="train", model=model, version=version.version, statement=text,
                                            query=query, options={"tables": tables}))
        yield from follow_job(self.store, job.id)

    def _learn(self, statement: ast.LearnModel, text: str, idempotent: bool) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        if statement.name not in snapshot.models:
            raise _no_model(statement.name, statement.position)
        snapshot.by_alias(statement.name)
        _check_tables(snapshot, statement.query)
        for job in self._standing("learn", statement.name, statement.query.text):
            if idempotent:
                yield from follow_job(self.store, job.id, until="running")
                yield Done(tag="INSERT INTO MODEL", changed=False)
                return
            raise FlinkmsError(errors.DUPLICATE_OBJECT, f"job {job.id} already learns from this query",
                               hint=f"STOP JOB {job.id} ends it.", position=statement.position)
        job = self.store.enqueue_job(NewJob(
            kind="learn", model=statement.name, statement=text, query=statement.query.text, desired="running",
            options={"tables": sorted({table.name for table in statement.query.tables})},
        ))
        yield from follow_job(self.store, job.id, until="running")
        yield Done(tag=f"INSERT INTO MODEL JOB {job.id}")

    def _standing(self, kind: str, model: str | None, query: str) -> list[JobRecord]:
        live = self.store.jobs(states=("queued", "starting", "running", "restarting"), model=model)
        return [job for job in live if job.kind == kind and job.query == query and job.desired == "running"]

    def _evaluate(self, statement: ast.EvaluateModel, text: str) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        version = version_of(snapshot, statement.address)
        _check_tables(snapshot, statement.query)
        job = self.store.enqueue_job(NewJob(
            kind="evaluate", model=statement.address.name, version=version, statement=text, query=statement.query.text,
            options={"tables": sorted({table.name for table in statement.query.tables})},
        ))
        ended = yield from follow_job(self.store, job.id)
        result = ended.result or {}
        names = [name for name in result if name not in ("model", "version")]
        rows = tuple((name, None if result[name] is None else float(result[name])) for name in names)
        yield Rows(columns=(("metric", SqlType.STRING), ("value", SqlType.DOUBLE)), rows=rows)
        yield Done(tag="EVALUATE MODEL")

    def _score(self, statement: ast.Score, text: str, idempotent: bool) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        if statement.table not in snapshot.tables:
            raise FlinkmsError(errors.UNDEFINED_TABLE, f'Flink table "{statement.table}" does not exist')
        _check_tables(snapshot, statement.query)
        sources = sorted({table.name for table in statement.query.tables})
        standing = any(snapshot.tables[name].kind == "stream" for name in sources)
        query, calls = with_functions(snapshot, text, statement.query)
        for job in self._standing("score", None, query) if idempotent else []:
            yield from follow_job(self.store, job.id, until="running")
            yield Done(tag="INSERT", changed=False)
            return
        job = self.store.enqueue_job(NewJob(
            kind="score", statement=text, query=query, desired="running" if standing else "finished",
            options={"tables": sources, "targets": [statement.table], "calls": calls},
        ))
        yield from follow_job(self.store, job.id, until="running" if standing else "finished")
        yield Done(tag=f"INSERT JOB {job.id}")

    def _change(self, statement: ast.Deploying) -> Iterator[Event]:
        """Statements that are one write to the registry."""
        match statement:
            case ast.PromoteVersion():
                self.store.set_alias(statement.name, "live", statement.version)
                yield Done(tag="ALTER MODEL")
            case ast.RollbackModel():
                self.store.rollback(statement.name)
                yield Done(tag="ALTER MODEL")
            case ast.DropModel():
                exists = statement.name in self.store.snapshot().models
                if exists or not statement.if_exists:
                    self.store.drop_model(statement.name)
                yield Done(tag="DROP MODEL", changed=exists)
            case ast.DropTable():
                exists = statement.name in self.store.snapshot().tables
                if exists or not statement.if_exists:
                    self.store.drop_table(statement.name)
                yield Done(tag="DROP TABLE", changed=exists)
            case ast.StopJob():
                self.store.set_desired(statement.job, "canceled")
                yield from follow_job(self.store, statement.job, until="canceled")
                yield Done(tag="STOP JOB")
            case _:
                raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"{type(statement).__name__} is not supported yet",
                                   position=statement.position)


def configured(algorithm: str, options: dict[str, str], inputs: tuple[ast.Column, ...], position: int) -> Model:
    """The configured model of a declaration; a bad option is 22023 and names it."""
    try:
        return configure(algorithm, {key: value for key, value in options.items() if key != "algorithm"},
                         [column.type.name for column in inputs])
    except OptionError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=position,
                           hint="docs/sql.md lists the options of each algorithm.") from error


def version_of(snapshot: Snapshot, address) -> int:
    """The number of the ready version an address names now."""
    if address.version is not None:
        return snapshot.by_number(address.name, address.version).version
    if address.as_of is not None:
        from datetime import datetime, timezone
        return snapshot.as_of(address.name, datetime.fromtimestamp(address.as_of / 1e6, timezone.utc)).version
    return snapshot.by_alias(address.name, address.alias).version


def with_functions(snapshot: Snapshot, text: str, query: FlinkQuery) -> tuple[str, list[dict]]:
    """The statement with each predict call renamed to its job function, and what each function serves."""
    parts, calls, last = [], [], 0
    for index, call in enumerate(query.calls):
        parts += [query.text[last:call.start], f"flinkms_predict_{index}({', '.join(call.arguments)})"]
        calls.append({"model": call.address.name, "version": version_of(snapshot, call.address)})
        last = call.end
    return text[: query.position - 1] + "".join(parts) + query.text[last:], calls


def _columns(columns: tuple[ast.Column, ...]) -> tuple[Column, ...]:
    return tuple(Column(name=column.name, type=column.type) for column in columns)


def _check_same(kind: str, name: str, known: str, given: str) -> None:
    if known.split() != given.split():
        raise FlinkmsError(errors.DUPLICATE_OBJECT, f'{kind} "{name}" already exists with another definition',
                           detail=f"It is declared as: {known}", hint=f"DROP {kind.upper()} {name} first.")


def _check_tables(snapshot: Snapshot, query: FlinkQuery) -> None:
    for table in query.tables:
        if table.name not in snapshot.tables:
            raise FlinkmsError(errors.UNDEFINED_TABLE, f'Flink table "{table.name}" does not exist',
                               hint="CREATE TABLE … WITH ('connector' = …) declares one.",
                               position=query.position - 1 + table.position)


def _no_model(name: str, position: int) -> FlinkmsError:
    return FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" does not exist', position=position)
