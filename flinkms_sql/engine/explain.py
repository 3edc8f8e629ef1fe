"""EXPLAIN's text: a plan's tree, with the version each address means and the log position it has reached."""

from __future__ import annotations

from flinkms_sql.catalog.address import ModelAddress
from flinkms_sql.engine.registry import Registry, effective
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.plan import Plan


def explain(plan: Plan, registry: Registry, *, as_of: int | None = None) -> list[str]:
    """The lines of a plan. A model that cannot answer is shown with its reason: EXPLAIN does not fail for it."""

    def annotate(address: ModelAddress) -> str:
        try:
            found = registry.resolve(effective(address, as_of))
        except FlinkmsError as error:
            return f" [{error.message}]"
        position = found.position()
        return f" [version {found.version}{f', {position}' if position else ''}]"

    return plan.format(annotate).splitlines()
