"""Golden scripts of the query part: text in; plan, columns and parameter types, or the error, out."""

from __future__ import annotations

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from tests.golden import ROOT, check_golden
from tests.query_catalog import CATALOG

FILES = sorted(path.name for path in (ROOT / "query").glob("*.sql"))


def planned(text: str) -> str:
    """What a session would see of a statement's plan."""
    try:
        plan = analyze(text, CATALOG)
    except FlinkmsError as error:
        return described(text, error)
    lines = [plan.format()]
    if plan.columns:
        lines.append(f"columns: {', '.join(map(str, plan.columns))}")
    if plan.parameter_types:
        types = [kind.value.postgres if kind is not None else "?" for kind in plan.parameter_types]
        lines.append(f"parameters: {', '.join(types)}")
    return "\n".join(lines)


def described(text: str, error: FlinkmsError) -> str:
    """An error as psql shows it: message, the place, detail and hint."""
    lines = [f"ERROR {error.sqlstate}: {error.message}"]
    if error.position is not None:
        line_start = text.rfind("\n", 0, error.position - 1) + 1
        line_end = text.find("\n", line_start)
        lines.append(f"LINE: {text[line_start : line_end if line_end >= 0 else None]}")
        lines.append(f"{' ' * (len('LINE: ') + error.position - 1 - line_start)}^")
    lines += [f"DETAIL: {error.detail}"] if error.detail else []
    lines += [f"HINT: {error.hint}"] if error.hint else []
    return "\n".join(lines)


@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    check_golden(f"query/{name}", planned)
