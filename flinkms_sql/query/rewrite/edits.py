"""Edits of a statement's text: the user's own words stay as they are, only model calls are replaced.

Must not know SQL. Working on the text rather than on a re-generated syntax tree keeps every construct of PostgreSQL's
intact, those included that no parser but PostgreSQL's own understands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Edit(NamedTuple):
    """text[start:end] (0-based) becomes ``replacement``; start = end inserts."""

    start: int
    end: int
    replacement: str


def apply_edits(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """text[start:end] with the edits that lie in it; insertions at its very end are left out when ``end`` is given.

    Edits must not overlap; insertions at the same place keep their order.
    """
    stop = len(text) if end is None else end
    pieces: list[str] = []
    at = start
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start < start or edit.end > stop or (edit.start == stop and end is not None):
            continue
        pieces += [text[at : edit.start], edit.replacement]
        at = edit.end
    return "".join([*pieces, text[at:stop]])


def written_at(edits: Sequence[Edit], position: int) -> int:
    """The 1-based place in a text of a place in what these edits, in order, make of it; of one within a replacement, that
    where the replaced begins."""
    shift = 0
    for edit in edits:
        if position - 1 < edit.start + shift:
            break
        if position - 1 < edit.start + shift + len(edit.replacement):
            return edit.start + 1
        shift += len(edit.replacement) - (edit.end - edit.start)
    return position - shift
