"""What the supervisor runs: a Part is a command line, how to tell that it is ready, and what must be ready before it.

Must not know any particular part.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flinkms_sql.runtime.account import OURSELVES, Account

READY_WAIT_S_MAX = 90.0
"""Seconds from start to ready. A JVM on a loaded two-core machine takes 15; past 90 it hangs."""

SETTLED_S = 1.0
"""Seconds after which a part that cannot be asked is taken for ready."""

STOP_WAIT_S_MAX = 15.0
"""Seconds from the stop signal to SIGKILL. PostgreSQL's fast shutdown writes a checkpoint; the JVMs take 1 to 3."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process to run and watch; with an empty command, something that already runs and is only waited for.

    ``prepare`` runs before every start, ``started`` after every time the part became ready and before those that need
    it start; both may block and may raise. ``ready`` is given the pid (0 without a command) and asked again and again; it
    may block for a second. Without ``ready``, a part is taken for ready when it has run for SETTLED_S: enough for a
    program that ends at once to have ended.
    """

    name: str
    command: tuple[str, ...]
    address: str
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[int], bool] | None = None
    prepare: Callable[[], None] = _nothing
    started: Callable[[], None] = _nothing
    account: Account = OURSELVES
    stop_signal: signal.Signals = signal.SIGTERM
    stop_wait_s: float = STOP_WAIT_S_MAX
    ready_wait_s: float = READY_WAIT_S_MAX
