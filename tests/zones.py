"""Constants for columns that hold times, and zones to read them in: cases that sessions and PostgreSQL are asked alike."""

from __future__ import annotations

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")

MOMENTS = (
    "'2026-07-01 12:00'", "'2026-01-01 12:00:00.25'", "'2026-07-01T12:00:00+05:30'", "'2026-07-01 12:00Z'",
    "'infinity'", "'-infinity'", "'epoch'", "'2026-07-01'", "DATE '2026-07-01'", "TIMESTAMP '2026-07-01 12:00'",
    "TIMESTAMP '2026-07-01 12:00+09'", "TIMESTAMPTZ '2026-07-01 12:00'", "TIMESTAMPTZ '2026-07-01 12:00-03'",
    "'2026-07-01 12:00'::timestamptz", "CAST('2026-07-01' AS date)", "'2026-07-01 12:00'::timestamp", "DATE 'infinity'",
    "TIMESTAMP '-infinity'", "NULL",
    # Clocks of Berlin and of New York skip these, and show those twice.
    "'2026-03-29 02:30'", "'2026-03-08 02:30'", "'2026-10-25 02:30'", "'2026-11-01 01:30'",
    "TIMESTAMP '2026-10-25 02:30'", "TIMESTAMP '2026-03-29 02:30'",
)  # fmt: skip
"""What may stand for a timestamptz."""

CLOCKS = ("'2026-07-01 12:00+09'", "'2026-07-01 24:00'", "DATE '2026-07-01'", "TIMESTAMP '2026-07-01 12:00+09'", "'epoch'")
"""What may stand for a timestamp, which no zone moves."""

DAYS = ("'2026-07-01'", "'2026-07-01 23:59+09'", "DATE '1969-12-31'", "'-infinity'")
"""What may stand for a date."""


def insert(table: str) -> str:
    """An INSERT of all of them: ids are their places."""
    rows = [*(f"({at}, {text}, NULL, NULL)" for at, text in enumerate(MOMENTS)),
            *(f"({at}, NULL, {text}, NULL)" for at, text in enumerate(CLOCKS, 100)),
            *(f"({at}, NULL, NULL, {text})" for at, text in enumerate(DAYS, 200))]  # fmt: skip
    return f"INSERT INTO {table} VALUES {', '.join(rows)}"
