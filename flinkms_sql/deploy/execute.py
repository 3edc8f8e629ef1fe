"""Carrying out one deploying statement: checks, then writes to the registry, then waits for the job it started.

A generator of events, so that a caller can show progress and stop waiting (closing it cancels the job). Must not know
about sockets or Flink: what takes time is a row of ``flinkms.jobs``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from typing_extensions import assert_never

from flinkms_sql import errors
from flinkms_sql.catalog.lifetimes import VERSION_PATH
from flinkms_sql.catalog.records import ENDED, LIVE, Column, JobRecord, ModelRecord, NewJob, Snapshot, no_table
from flinkms_sql.catalog.store import Store
from flinkms_sql.deploy import held
from flinkms_sql.deploy.events import Done, Event, Notice, Rows, started
from flinkms_sql.deploy.flinkcalls import with_functions
from flinkms_sql.deploy.follow import follow_job
from flinkms_sql.deploy.loops import refuse_loop
from flinkms_sql.deploy.options import LEARN_PARALLELISM, configured, system_option
from flinkms_sql.deploy.placing import in_statement
from flinkms_sql.deploy.stages import Stage, scored, standing_learner, training_job
from flinkms_sql.deploy.streams import kept_rows, place_stream
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.naming import model_directory
from flinkms_sql.places import Places
from flinkms_sql.query.flinkquery import FlinkQuery
from flinkms_sql.query.plan import METRIC_COLUMNS
from flinkms_sql.query.statements import statement as ast
from flinkms_sql.tableoptions import SKIP_HEADER

DECLARE_S_MAX = 30.0
"""Seconds to wait for another who declares a model of the same name, or an INSERT: three changes of the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """Where statements are carried out: the registry, and where on this machine."""

    store: Store
    places: Places

    @property
    def warehouse(self) -> Path:
        """Directory of models and streams."""
        return self.places.warehouse

    def execute(self, statement: ast.Deploying, text: str) -> Iterator[Event]:
        """Events of one statement, ``Done`` last; ``text`` is the statement as written. Raises FlinkmsError."""
        match statement:
            case ast.CreateTable():
                return self._create_table(statement)
            case ast.CreateModel():
                return self._create_model(statement, text)
            case ast.RefreshModel():
                return self._refresh(statement, text)
            case ast.LearnModel():
                return self._learn(statement, text)
            case ast.EvaluateModel():
                return self._evaluate(statement, text)
            case ast.Score():
                return self._score(statement, text)
            case ast.StopJob():
                return self._stop(statement)
            case _:
                return self._change(statement)

    def apply(self, stage: Stage) -> Iterator[Event]:
        """Carry out one stage of a deployment file; errors say where in it."""
        with in_statement(stage.given.file, stage.given.entry):
            yield from self._apply(stage)

    def _apply(self, stage: Stage) -> Iterator[Event]:
        statement, text = stage.given.statement, stage.given.text
        match stage.action, statement:
            case "unchanged", ast.LearnModel():
                job = standing_learner(self.store.jobs(), statement.name)
                if job is not None:
                    yield from follow_job(self.store, job.id, until="running", cancel=False)
                yield Done(tag="INSERT INTO MODEL", changed=False)
            case "unchanged", _:
                yield Done(tag="unchanged", changed=False)
            case "wait", ast.CreateModel():
                job = training_job(self.store.jobs(), statement.name)
                if job is not None:
                    yield from follow_job(self.store, job.id, cancel=False)
                yield Done(tag="CREATE MODEL", changed=False)
            case "wait", ast.Score():
                job = scored(self.store.jobs(), text, self.store.snapshot().tables.get(statement.table))
                if job is not None:
                    yield from follow_job(self.store, job.id, cancel=False)
                yield Done(tag="INSERT", changed=False)
            case "replace", ast.LearnModel():
                yield from self._replace_learner(statement, text)
            case _:
                yield from self.execute(statement, text)

    def _create_table(self, statement: ast.CreateTable) -> Iterator[Event]:
        if statement.if_not_exists and statement.name in self.store.snapshot().tables:
            yield Notice(message=f'Flink table "{statement.name}" already exists, skipping')
            yield Done(tag="CREATE TABLE", changed=False)
            return
        self.places.check_table(statement.options, statement.position)
        place = None
        if statement.options.get("connector") == "flinkms":
            place = place_stream(statement, self.warehouse)
        try:
            with at(statement.position):
                self.store.create_table(
                    name=statement.name, kind="flink" if place is None else "stream", columns=_columns(statement.columns),
                    options=statement.options, definition=statement.definition, path=place and str(place.path),
                )
        except FlinkmsError as error:
            # When the registry is out of sight, the stream may be registered.
            if place is not None and place.made and error.sqlstate != errors.CONNECTION_FAILURE:
                shutil.rmtree(place.path, ignore_errors=True)
            raise
        yield Done(tag="CREATE TABLE")

    def _create_model(self, statement: ast.CreateModel, text: str) -> Iterator[Event]:
        declared = self._declare_model(statement, text)
        if declared is None:
            yield Notice(message=f'model "{statement.name}" already exists, skipping')
            yield Done(tag="CREATE MODEL", changed=False)
            return
        model, training = declared
        if training is not None:
            try:
                yield from follow_job(self.store, training.id)
            except (FlinkmsError, GeneratorExit) as error:
                # Nothing was ever served under this name: the statement has no effect, and can be repeated. But when
                # only the registry is out of sight, the training goes on.
                if isinstance(error, GeneratorExit) or error.sqlstate != errors.CONNECTION_FAILURE:
                    self._withdraw(model)
                raise
        yield Done(tag="CREATE MODEL")

    def _declare_model(self, statement: ast.CreateModel, text: str) -> tuple[ModelRecord, JobRecord | None] | None:
        """Declare the model and begin its training; None when it is there already and may be."""
        model_class = type(configured(statement.algorithm, statement.options, [column.type.name for column in statement.inputs],
                                      _columns(statement.outputs), statement.position))
        with self._declaring(statement.name):
            snapshot = self.store.snapshot()
            left_over = self._is_left_over(statement.name, snapshot)
            if statement.if_not_exists and statement.name in snapshot.models and not left_over:
                return None
            if statement.query is not None:
                _check_tables(snapshot, statement.query)
            with at(statement.position):
                if left_over:
                    self.store.drop_models([statement.name], missing_ok=True)
                model = self.store.create_model(
                    name=statement.name, algorithm=statement.algorithm, inputs=_columns(statement.inputs),
                    outputs=_columns(statement.outputs), options=statement.options,
                    training_query=statement.query.text if statement.query else None, definition=statement.definition,
                    recommends=hasattr(model_class, "recommend"),
                    tables=_table_names(statement.query) if statement.query else (),
                )
            return model, None if statement.query is None else self._begin_training(model, text)

    def _declaring(self, model: str) -> AbstractContextManager[None]:
        """One at a time declares a model of this name: what is half declared is never taken for what came to no end."""
        return self.store.exclusive(f"CREATE MODEL {model}", wait_s=DECLARE_S_MAX, on_wait=lambda: None)

    def _withdraw(self, model: ModelRecord) -> None:
        """Forget a model that came to nothing; not one that another has declared under its name since."""
        with self._declaring(model.name):
            known = self.store.snapshot().models.get(model.name)
            if known is not None and known.created_at == model.created_at:
                self.store.drop_models([model.name], cascade=True, missing_ok=True)

    def _is_left_over(self, name: str, snapshot: Snapshot) -> bool:
        """Whether a model is the rest of a CREATE MODEL that came to no end: it trains from a query, and never served."""
        known = snapshot.models.get(name)
        return (known is not None and known.training_query is not None and (name, LIVE) not in snapshot.aliases
                and training_job(self.store.jobs(), name) is None)

    def _refresh(self, statement: ast.RefreshModel, text: str) -> Iterator[Event]:
        model = self.store.snapshot().models.get(statement.name)
        if model is None:
            raise _no_model(statement.name, statement.position)
        if model.training_query is None:
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f'model "{statement.name}" has no training query',
                               hint="CREATE MODEL … AS SELECT declares one.", position=statement.position)
        ended = yield from follow_job(self.store, self._begin_training(model, text).id)
        yield from held.told(lambda: held.refreshed(self.store, model.name, ended.version or 0))
        yield Done(tag="REFRESH MODEL")

    def _begin_training(self, model: ModelRecord, text: str) -> JobRecord:
        """A new version of the model, and the job that trains it with the declared query."""
        directory = model_directory(self.warehouse, model.name, model.incarnation)
        version = self.store.begin_version(model.name, directory=str(directory), options=model.options)
        try:
            return self.store.enqueue_job(NewJob(
                kind="train", model=model.name, version=version.version, statement=text, query=model.training_query or "",
                options={"tables": list(model.tables), VERSION_PATH: str(version.path)},
            ))
        except FlinkmsError as error:
            with suppress(FlinkmsError):
                self.store.fail_version(version, error.message)
            raise

    def _learn(self, statement: ast.LearnModel, text: str) -> Iterator[Event]:
        told = self._given_up(statement)
        job = self._begin_learning(statement, text)
        yield from told
        yield from follow_job(self.store, job.id, until="running")
        yield from started(job.id)

    def _given_up(self, statement: ast.LearnModel) -> list[Notice]:
        """What to tell of the former query, looked up before another one is the live version's."""
        return list(held.told(lambda: held.given_up(self.store, self.store.snapshot(), statement.name, statement.query.text)))

    def _begin_learning(self, statement: ast.LearnModel, text: str, replacing: int | None = None) -> JobRecord:
        snapshot = self.store.snapshot()
        if statement.name not in snapshot.models:
            raise _no_model(statement.name, statement.position)
        _check_tables(snapshot, statement.query)
        with at(statement.position):
            snapshot.by_alias(statement.name)
            return self.store.enqueue_job(NewJob(
                kind="learn", model=statement.name, statement=text, query=statement.query.text, desired="running",
                options={"tables": _table_names(statement.query),
                         "parallelism": system_option(snapshot.models[statement.name].options, LEARN_PARALLELISM)},
            ), replacing=replacing)

    def _replace_learner(self, statement: ast.LearnModel, text: str) -> Iterator[Event]:
        """Another learner in place of a model's, in one change: it waits for the former's end and goes on from there,
        whether anybody follows or not. If it cannot start, the former does again."""
        former = standing_learner(self.store.jobs(), statement.name)
        told = self._given_up(statement)
        job = self._begin_learning(statement, text, None if former is None else former.id)
        yield from told
        try:
            yield from follow_job(self.store, job.id, until="running", cancel=False)
        except FlinkmsError as error:
            if former is not None and error.sqlstate != errors.CONNECTION_FAILURE:
                options = {name: former.options[name] for name in ("tables", "parallelism") if name in former.options}
                again = self.store.enqueue_job(NewJob(kind="learn", model=former.model, statement=former.statement,
                                                      query=former.query, desired="running", options=options))
                yield Notice(message=f"job {again.id} goes on with the query of job {former.id}")
            raise
        yield from started(job.id)

    def _evaluate(self, statement: ast.EvaluateModel, text: str) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        _check_tables(snapshot, statement.query)
        with at(statement.position):
            version = snapshot.resolve(statement.address).version
            job = self.store.enqueue_job(NewJob(
                kind="evaluate", model=statement.address.name, version=version, statement=text,
                query=statement.query.text, options={"tables": _table_names(statement.query)},
            ))
        ended = yield from follow_job(self.store, job.id)
        found = ended.result or {"metrics": {}, "unknown_rows": 0}
        if not any(entry["rows"] or entry["failed_rows"] for entry in found["metrics"].values()):
            yield Notice(message="the query returned no rows: nothing was measured")
        yield Rows(columns=METRIC_COLUMNS, rows=tuple(
            (name, _measured(entry), entry["rows"], found["unknown_rows"], entry["failed_rows"])
            for name, entry in found["metrics"].items()
        ))
        yield Done(tag="EVALUATE MODEL")

    def _score(self, statement: ast.Score, text: str) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        if statement.table not in snapshot.tables:
            with at(statement.position):
                raise no_table(statement.table)
        _check_tables(snapshot, statement.query)
        if snapshot.tables[statement.table].options.get(SKIP_HEADER) == "true":
            raise FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, f'table "{statement.table}" of files with a header is only read',
                detail="Files that a job writes have none: their first row would be taken for it.", position=statement.position)
        sources = _table_names(statement.query)
        until = "running" if any(snapshot.tables[name].kind == "stream" for name in sources) else "finished"
        query, calls = with_functions(snapshot, text, statement.query)
        # Two at once would each close half of a loop, and neither see the other's.
        with self.store.exclusive("INSERT from Flink tables", wait_s=DECLARE_S_MAX, on_wait=lambda: None):
            refuse_loop(statement, snapshot, self.store.jobs())
            job = self.store.enqueue_job(NewJob(
                kind="score", statement=text, query=query, desired=until,
                options={"tables": sources, "targets": [statement.table], "calls": calls},
            ))
        yield from follow_job(self.store, job.id, until=until)
        yield from started(job.id)

    def _stop(self, statement: ast.StopJob) -> Iterator[Event]:
        with at(statement.position):
            job = self.store.job(statement.job)
        if job.state in ENDED:
            yield Notice(message=f"job {job.id} has ended already: {job.state}")
            yield Done(tag="STOP JOB", changed=False)
            return
        self.store.set_desired(job.id, "canceled")
        yield from follow_job(self.store, job.id, until="canceled")
        yield Done(tag="STOP JOB")

    def _change(self, statement: ast.Deploying) -> Iterator[Event]:
        """Statements that are one write to the registry."""
        match statement:
            case ast.PromoteVersion() | ast.RollbackModel():
                former = self.store.snapshot().aliases.get((statement.name, LIVE))
                with at(statement.position):
                    if isinstance(statement, ast.PromoteVersion):
                        self.store.set_alias(statement.name, LIVE, statement.version)
                    else:
                        self.store.rollback(statement.name)
                yield from held.told(lambda: held.promoted(self.store, statement.name, former))
                yield Done(tag="ALTER MODEL")
            case ast.SetAlias():
                with at(statement.position):
                    self.store.set_alias(statement.name, statement.alias, statement.version)
                yield Done(tag="ALTER MODEL")
            case ast.DropAlias():
                with at(statement.position):
                    self.store.drop_alias(statement.name, statement.alias)
                yield Done(tag="ALTER MODEL")
            case ast.SetModelOptions():
                self._set_options(statement)
                yield Done(tag="ALTER MODEL")
            case ast.DropModel():
                yield from self._drop("model", statement)
            case ast.DropTable():
                yield from self._drop("table", statement)
            case _:
                assert_never(statement)

    def _drop(self, kind: Literal["table", "model"], statement: ast.DropTable | ast.DropModel) -> Iterator[Event]:
        snapshot = self.store.snapshot()
        known, drop = ((snapshot.tables, self.store.drop_tables) if kind == "table"
                       else (snapshot.models, self.store.drop_models))
        first = statement.targets[0]
        unknown = next((target for target in statement.targets if target.name not in known), first)
        with at(first.position if statement.if_exists else unknown.position):
            gone = drop(statement.names, cascade=statement.cascade, missing_ok=statement.if_exists)
        for name in gone.missing:
            yield Notice(message=f'{kind} "{name}" does not exist, skipping')
        if kind == "table":
            yield from (Notice(message=text) for text in kept_rows(snapshot, statement.names))
        for dependent in gone.dependents:
            yield Notice(message=f"drop cascades to {dependent.what}")
        for job in gone.own:
            yield Notice(message=f"{job} ends with the model")
        yield Done(tag=f"DROP {kind.upper()}", changed=len(gone.missing) < len(statement.names))

    def _set_options(self, statement: ast.SetModelOptions) -> None:
        model = self.store.snapshot().models.get(statement.name)
        if model is None:
            raise _no_model(statement.name, statement.position)
        if "algorithm" in statement.options:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "the algorithm of a model cannot be changed",
                               hint="Its versions would not answer alike: create another model.", position=statement.position)
        options = {**model.options, **statement.options}
        configured(model.algorithm, options, [column.type.name for column in model.inputs], model.outputs,
                   statement.position)
        self.store.set_model_options(statement.name, options)


@contextmanager
def at(position: int) -> Iterator[None]:
    """Where in the statement what an error is about is named, for errors that do not say so themselves."""
    try:
        yield
    except FlinkmsError as error:
        if error.position is None:
            error.position = position
        raise


def _measured(entry: Mapping[str, Any]) -> float | None:
    """The value of a metric; None over no rows. JSON holds an infinite one as text."""
    return None if entry["value"] is None else float(entry["value"])


def _columns(columns: tuple[ast.Column, ...]) -> tuple[Column, ...]:
    return tuple(Column(name=column.name, type=column.type) for column in columns)


def _table_names(query: FlinkQuery) -> list[str]:
    return sorted({table.name for table in query.tables})


def _check_tables(snapshot: Snapshot, query: FlinkQuery) -> None:
    """Raises 42P01 where in the statement the query names a table that there is not."""
    for table in query.tables:
        with at(query.position - 1 + table.position):
            if table.name not in snapshot.tables:
                raise no_table(table.name)


def _no_model(name: str, position: int) -> FlinkmsError:
    return FlinkmsError(errors.UNDEFINED_OBJECT, f'model "{name}" does not exist', position=position)
