"""Showing parts as they start: a live table on a terminal, one line per event elsewhere.

Must not decide anything; it is told of changes. The one file of runtime/ that uses rich.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flinkms_sql.runtime.state import PartState, Phase
from flinkms_sql.runtime.supervisor import Report

REFRESH_PER_S = 8
"""Frames of the spinner: enough to be seen moving."""

STYLES: dict[Phase, str] = {"ready": "green", "failed": "red", "restarting": "yellow", "stopped": "dim", "waiting": "dim"}


@contextmanager
def shown(stream: TextIO, when_ready: Callable[[], str]) -> Iterator[Report]:
    """A report function that shows parts on a stream, and ``when_ready``'s text once all of them are ready."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    began = time.monotonic()
    table = _LiveTable(console) if console.is_terminal else None
    lines = _Lines(console)
    announced = False

    def report(parts: Sequence[PartState]) -> None:
        nonlocal announced
        if table is not None and not announced:
            table.report(parts)
        lines.report(parts, silent=table is not None and not announced)
        if not announced and parts and all(part.phase == "ready" for part in parts):
            announced = True
            if table is not None:
                table.close()
            console.print(f"ready in {time.monotonic() - began:.1f} s: {when_ready()}", markup=False)

    try:
        yield report
    finally:
        if table is not None:
            table.close()


class _LiveTable:
    """A table that is redrawn in place until it is closed."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_S)
        self._spinner = Spinner("dots")
        self._live.start()

    def report(self, parts: Sequence[PartState]) -> None:
        table = Table.grid(padding=(0, 2))
        for part in parts:
            busy = part.phase in ("preparing", "starting", "stopping")
            table.add_row(self._spinner if busy else " ", part.name, Text(part.phase, STYLES.get(part.phase, "")),
                          _took(part), Text(part.reason or part.address, "dim"))
        self._live.update(table)

    def close(self) -> None:
        self._live.stop()


class _Lines:
    """One line for each part that became ready, is restarted, failed or stopped."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, Phase] = {}

    def report(self, parts: Sequence[PartState], *, silent: bool) -> None:
        for part in parts:
            if self._last.get(part.name) == part.phase:
                continue
            self._last[part.name] = part.phase
            if not silent and part.phase in ("ready", "restarting", "failed", "stopped"):
                note = part.reason or (f"{_took(part)}  {part.address}" if part.phase == "ready" else "")
                self._console.print(f"{part.name:20}{part.phase:12}{note}".rstrip(), markup=False)


def _took(part: PartState) -> str:
    return "" if part.ready_ms is None else f"{part.ready_ms / 1000:.1f} s"
