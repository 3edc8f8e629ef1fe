"""Model calls in a statement for Flink: each becomes a function of its arguments alone, fixed to one version."""

from __future__ import annotations

from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.jobs.naming import PREDICT_FUNCTION
from flinkms_sql.query.flinkquery import FlinkQuery


def with_functions(snapshot: Snapshot, text: str, query: FlinkQuery) -> tuple[str, list[dict]]:
    """The statement ``text`` with each call of its ``query`` renamed; which version each name serves, and what was edited."""
    start = query.position - 1
    parts, calls, last = [text[:start]], [], 0
    for index, call in enumerate(query.calls):
        renamed = f"{PREDICT_FUNCTION.format(index)}({', '.join(call.arguments)})"
        parts += [query.text[last:call.start], renamed]
        calls.append({"model": call.address.name, "version": snapshot.resolve(call.address).version,
                      "edit": (start + call.start, start + call.end, renamed)})
        last = call.end
    return "".join([*parts, query.text[last:]]), calls
