"""The four places that docs/howto/add-an-algorithm.md names: every algorithm is in all of them, and in no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tests.model_cases import CASES
from udfs.algorithms import ALGORITHMS, configure
from udfs.model import OptionError
from udfs.options import range_text

ROOT = Path(__file__).parent.parent
HOWTO = (ROOT / "docs" / "howto" / "add-an-algorithm.md").read_text(encoding="utf-8")
PLACES = ("udfs/<name>.py", "udfs/algorithms.py", "tests/model_cases.py", "docs/algorithms.md")


def test_the_howto_names_the_four_places_in_order():
    assert re.findall(r"^\d\. \*\*`(.+?)`\*\*", HOWTO, re.MULTILINE) == list(PLACES)
    mentioned = re.findall(r"`((?:udfs|tests|docs)/[\w/]+\.\w+)`", HOWTO)
    assert mentioned and all((ROOT / path).is_file() for path in mentioned)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_an_algorithm_is_in_all_four_places(name: str):
    found = ALGORITHMS[name]
    assert found.algorithm == name
    assert Path(inspect.getfile(found)).parent == ROOT / "udfs"
    assert any(case.algorithm == name for case in CASES)
    assert f"\n## `{name}`\n" in (ROOT / PLACES[3]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_the_documented_options_are_the_declared_ones(name: str):
    text = (ROOT / PLACES[3]).read_text(encoding="utf-8")
    section = text.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
    declared = [
        f"| `{option.name}` | {option.default} | {range_text(option)} | {option.description} |"
        for option in ALGORITHMS[name].options()
    ]
    assert [line for line in section.splitlines() if line.startswith("| `")] == declared


def test_nothing_else_names_an_algorithms_class():
    names = re.compile(rf"\b({'|'.join(found.__name__ for found in ALGORITHMS.values())})\b")
    own = {Path(inspect.getfile(found)).name for found in ALGORITHMS.values()} | {"algorithms.py"}
    files = [*(ROOT / "udfs").glob("*.py"), *(ROOT / "flinkms_sql").rglob("*.py")]
    imports = re.compile(r"^\s*(?:from|import)\s.*$", re.MULTILINE)
    wrong = [
        str(path) for path in files if path.name not in own
        for line in imports.findall(path.read_text(encoding="utf-8")) if names.search(line)
    ]  # fmt: skip
    assert wrong == []


def test_an_unknown_algorithm_is_refused_with_the_closest_name():
    with pytest.raises(OptionError, match='algorithm "logisitc" does not exist; did you mean "logistic"?') as caught:
        configure("logisitc", {}, ("DOUBLE",))
    assert caught.value.option == "algorithm"
    assert configure("ALS", {}, ("BIGINT", "BIGINT")).algorithm == "als"
