"""What a query holds rows back in, from the operators of Flink's own plan of it. Pure.

Such rows were read and are not learned yet, or decide how later ones are: another version, and another query, begin without
them.
"""

from __future__ import annotations

from collections.abc import Iterable

PASSING = frozenset({"Calc", "PythonCalc", "AsyncCalc", "Correlate", "PythonCorrelate", "AsyncCorrelate", "Expand",
                     "LookupJoin", "Values", "WatermarkAssigner", "DropUpdateBefore"})
"""Operators through which each row passes by itself, as Flink's execution plan names them (StreamExec… without that)."""

_WORDS = (("Window", "windows"), ("Over", "windows"), ("Match", "patterns"), ("Join", "joins"), ("Deduplicate", "deduplication"),
          ("Rank", "deduplication"), ("Aggregate", "aggregates"))
"""What a user calls an operator whose name has this in it; the first one counts."""


def held_in(operators: Iterable[str]) -> tuple[str, ...]:
    """In what a query holds rows back, in a user's words, each once; what is not known to let rows pass holds them."""
    holding = (name for name in operators if name not in PASSING and not name.startswith(("Source:", "Sink:")))
    return tuple(dict.fromkeys(next((word for part, word in _WORDS if part in name), name) for name in holding))
