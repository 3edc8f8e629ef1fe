"""A deployment file: its statements, each planned over what the ones before it declare, and the right to carry it out.

Must not know where a file comes from, nor how its stages are shown: text and variables in, stages out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from flinkms_sql import errors
from flinkms_sql.catalog.store import Store
from flinkms_sql.deploy.held import holding
from flinkms_sql.deploy.placing import in_file, in_statement
from flinkms_sql.deploy.stages import Given, Stage, stages
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.bind import find_model
from flinkms_sql.query.plan import DeployPlan
from flinkms_sql.query.script import ScriptStatement, read_script
from flinkms_sql.query.signatures import Catalog, ModelSignature, TableSignature, catalog_of
from flinkms_sql.query.statements import statement as ast
from udfs.algorithms import ALGORITHMS

APPLY_WAIT_S_MAX = 3600.0
"""Seconds to wait for another apply of the same deployment: it trains models, which takes minutes."""


NAME = "the file"
"""What a file is called in errors when nobody says."""


def plan_script(store: Store, text: str, variables: Mapping[str, str], *, file: str = NAME) -> list[Stage]:
    """The stages of a deployment file against what is registered now. Raises FlinkmsError whose detail names the place."""
    snapshot = store.snapshot()
    catalog, given = catalog_of(snapshot), []
    with in_file(file, text):
        entries = read_script(text, variables)
    for entry in entries:
        with in_statement(file, entry):
            statement = _deploying(entry, catalog)
            _check_models(statement, catalog)
        given.append(Given(file=file, entry=entry, statement=statement))
        catalog = with_statement(catalog, statement)
    jobs = store.jobs()
    return stages(given, snapshot, jobs, holding(store, snapshot, jobs))


@contextmanager
def applying(
    store: Store, text: str, variables: Mapping[str, str], *, on_wait: Callable[[], None], file: str = NAME
) -> Iterator[list[Stage]]:
    """The stages of a file to be carried out in the body, while nobody else applies one.

    Two at once would both find a model untrained, and train it twice. ``on_wait`` is called once when another is at it:
    the file is planned when that one has ended, over what it has left. Raises 55P03 after APPLY_WAIT_S_MAX.
    """
    with store.exclusive("apply", wait_s=APPLY_WAIT_S_MAX, on_wait=on_wait):
        yield plan_script(store, text, variables, file=file)


def _deploying(entry: ScriptStatement, catalog: Catalog) -> ast.Deploying:
    plan = analyze(entry.text, catalog)
    if not isinstance(plan, DeployPlan):
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "the statement deploys nothing",
                           hint="Run relational statements through psql; see docs/sql.md.")
    return plan.statement


def _check_models(statement: ast.Deploying, catalog: Catalog) -> None:
    """Raises 42704 for a model that is neither there nor made by a statement before."""
    match statement:
        case ast.DropModel(targets=targets, if_exists=False):
            for target in targets:
                find_model(target.name, catalog, target.position)
        case ast.EvaluateModel(address=address, position=position):
            find_model(address.name, catalog, position)
        case (ast.LearnModel() | ast.RefreshModel() | ast.PromoteVersion() | ast.RollbackModel() | ast.SetModelOptions()
              | ast.SetAlias() | ast.DropAlias()):
            find_model(statement.name, catalog, statement.position)


def with_statement(catalog: Catalog, statement: ast.Deploying) -> Catalog:
    """The catalog as it is once a statement was carried out: later ones may name what it declares."""
    match statement:
        case ast.CreateTable() if catalog.table(statement.name) is None:
            kind = "stream" if statement.options.get("connector") == "flinkms" else "flink"
            table = TableSignature(name=statement.name, kind=kind, columns=_named(statement.columns))
            return replace(catalog, table_signatures=(*catalog.table_signatures, table))
        case ast.CreateModel() if catalog.model(statement.name) is None:
            known = ALGORITHMS.get(statement.algorithm.lower())
            model = ModelSignature(name=statement.name, algorithm=statement.algorithm, inputs=_named(statement.inputs),
                                   outputs=_named(statement.outputs), recommends=hasattr(known, "recommend"))
            return replace(catalog, model_signatures=(*catalog.model_signatures, model))
        case ast.DropTable():
            return replace(catalog, table_signatures=tuple(
                table for table in catalog.table_signatures if table.name not in statement.names))
        case ast.DropModel():
            return replace(catalog, model_signatures=tuple(
                model for model in catalog.model_signatures if model.name not in statement.names))
    return catalog


def _named(columns: tuple[ast.Column, ...]) -> tuple[tuple[str, object], ...]:
    return tuple((column.name, column.type) for column in columns)
