"""Every benchmark, small: it runs to its end beside its peers, without errors, and prints one JSON object last.

What it measures at this size means nothing. They cannot rot unseen.
"""

from __future__ import annotations

import json

import pytest

from tests.bench.__main__ import NAMES, main
from tests.bench.train import SPARK_PYTHON

ALONE = ("predict-against", "train")
"""They run on no deployment, or measure how it starts."""

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.skipif(name == "train" and not SPARK_PYTHON.exists(),
                                                 reason="make bench BENCH=train installs Spark"))
    for name in NAMES
])  # fmt: skip
def test_small(name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    running = None if name in ALONE else request.getfixturevalue("deployment")
    capsys.readouterr()
    assert main([name, "--small"], running) == 0
    found = json.loads(capsys.readouterr().out.rstrip("\n").split("\n")[-1])
    assert found["bench"] == name
    assert found["errors"] == 0
    assert found["goals"]
    assert len(found["result_hash"]) == 16
