"""The examples of docs/sql.md are planned, in order, over the tables and models that they declare themselves."""

from __future__ import annotations

import re
from pathlib import Path

from flinkms_sql.deploy.options import SYSTEM_OPTIONS
from flinkms_sql.deploy.script import with_statement
from flinkms_sql.engine.execute import SERIES_ROWS_MAX
from flinkms_sql.query.analyze import analyze
from flinkms_sql.query.bind import K_DEFAULT
from flinkms_sql.query.lexer import split
from flinkms_sql.query.plan import LOOKUP_ROWS_MAX, DeployPlan, RelayPlan
from flinkms_sql.query.scopes import MODEL_FUNCTIONS
from flinkms_sql.query.signatures import Catalog
from flinkms_sql.query.statements.statement import DropModel, DropTable
from flinkms_sql.types import SqlType

TEXT = (Path(__file__).parent.parent / "docs" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = [statement.text for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) for statement in split(block)]


def test_examples_are_planned() -> None:
    catalog = Catalog()
    relayed = []
    for text in EXAMPLES:
        plan = analyze(text, catalog)
        # Later examples use what earlier ones drop.
        if isinstance(plan, DeployPlan) and not isinstance(plan.statement, DropModel | DropTable):
            catalog = with_statement(catalog, plan.statement)
        if isinstance(plan, RelayPlan):
            relayed.append(text)
    assert len(EXAMPLES) >= 40
    assert [text.split()[0:5] for text in relayed] == [["SELECT", "model,", "version,", "value", "FROM"]]


def test_every_function_type_limit_and_error_is_documented() -> None:
    for function in MODEL_FUNCTIONS:
        assert f"### {function}\n" in TEXT
    for kind in SqlType:
        assert kind.value.flink.removesuffix("(6)") in TEXT
        assert kind.value.postgres in TEXT
    assert f"{LOOKUP_ROWS_MAX:,}" in TEXT
    assert f"{SERIES_ROWS_MAX:,}" in TEXT
    assert f"k = {K_DEFAULT}" in TEXT


def test_every_error_a_golden_script_shows_is_documented() -> None:
    shown = set()
    for path in (Path(__file__).parent / "golden" / "query").glob("*.sql"):
        shown |= set(re.findall(r"^ERROR (\w{5}):", path.read_text(encoding="utf-8"), re.MULTILINE))
    table = TEXT[TEXT.index("## Errors") :]
    assert {state for state in shown if state not in table} == set()


def test_every_system_option_is_documented_with_its_range() -> None:
    for option in SYSTEM_OPTIONS.values():
        assert f"| `{option.name}` | {option.default} | {option.low} to {option.high} | {option.description} |" in TEXT
