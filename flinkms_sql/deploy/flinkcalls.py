"""Model calls in a statement for Flink: each becomes a function of its arguments alone, fixed to one version."""

from __future__ import annotations

from datetime import datetime, timezone

from flinkms_sql.catalog.address import ModelAddress
from flinkms_sql.catalog.records import LIVE, Snapshot
from flinkms_sql.jobs.naming import PREDICT_FUNCTION
from flinkms_sql.query.flinkquery import FlinkQuery


def version_of(snapshot: Snapshot, address: ModelAddress) -> int:
    """The number of the ready version an address names now. Raises 42704, 55000."""
    if address.version is not None:
        return snapshot.by_number(address.name, address.version).version
    if address.as_of is not None:
        moment = datetime.fromtimestamp(address.as_of / 1e6, timezone.utc)
        return snapshot.as_of(address.name, moment).version
    return snapshot.by_alias(address.name, address.alias or LIVE).version


def with_functions(snapshot: Snapshot, text: str, query: FlinkQuery) -> tuple[str, list[dict]]:
    """The statement ``text`` with each call of its ``query`` renamed, and which version each name serves."""
    start = query.position - 1
    parts, calls, last = [text[:start]], [], 0
    for index, call in enumerate(query.calls):
        parts += [query.text[last:call.start], f"{PREDICT_FUNCTION.format(index)}({', '.join(call.arguments)})"]
        calls.append({"model": call.address.name, "version": version_of(snapshot, call.address)})
        last = call.end
    return "".join([*parts, query.text[last:]]), calls
