"""How ``flinkms evaluate`` prints metrics, those without a value too."""

from __future__ import annotations

import json

import pytest

from flinkms_sql.commands.evaluate import show
from flinkms_sql.deploy.events import Rows
from flinkms_sql.query.nodes import OutputColumn
from flinkms_sql.types import SqlType

FOUND = Rows(columns=(OutputColumn(name="metric", type=SqlType.STRING), OutputColumn(name="value", type=SqlType.DOUBLE),
                      OutputColumn(name="rows", type=SqlType.BIGINT)),
             rows=(("accuracy", None, 0), ("rmse", 0.25, 4)))  # fmt: skip


def test_a_metric_over_no_rows_has_no_value(capsys: pytest.CaptureFixture[str]):
    show(FOUND, as_json=False)
    _, nothing, some = capsys.readouterr().out.splitlines()
    assert (nothing.split(), some.split()) == (["accuracy", "-", "0"], ["rmse", "0.250000", "4"])
    show(FOUND, as_json=True)
    assert json.loads(capsys.readouterr().out)[0] == {"metric": "accuracy", "value": None, "rows": 0}
