"""Golden files: a law as a comment, the input, ``---``, the expected output, an empty line.

``UPDATE_GOLDEN=1`` writes the output found into the file; the diff is then reviewed like code. Neither input nor
output holds an empty line; an input's own comments start with ``--`` and a character that is no blank.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its comment lines, its input and the output the file holds."""

    law: str
    text: str
    output: str


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, each separated from the next by an empty line."""
    cases = []
    for part in path.read_text(encoding="utf-8").strip().split("\n\n"):
        body, _, output = part.partition("\n---\n")
        lines = body.removesuffix("\n---").strip("\n").split("\n")
        law = [line for line in lines if line.startswith("-- ")]
        text = [line for line in lines if not line.startswith("-- ")]
        cases.append(Case("\n".join(law), "\n".join(text), output.strip("\n")))
    return cases


def check_golden(name: str, answer: Callable[[str], str]) -> None:
    """Run every case of tests/golden/<name>; with UPDATE_GOLDEN=1 rewrite the file instead of comparing."""
    path = ROOT / name
    cases = read_cases(path)
    found = [replace(case, output=answer(case.text)) for case in cases]
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text("\n\n".join(_written(case) for case in found) + "\n", encoding="utf-8")
        return
    assert cases, f"{name} holds no case"
    wrong = [f"{now.law}\n{now.text}\n--- expected\n{was.output}\n--- found\n{now.output}"
             for was, now in zip(cases, found, strict=True) if was.output != now.output]  # fmt: skip
    assert not wrong, "\n\n".join(wrong)


def _written(case: Case) -> str:
    return "\n".join(part for part in (case.law, case.text, "---", case.output) if part)
