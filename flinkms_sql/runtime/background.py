"""Running ``flinkms up`` in the background: start it, wait until it is ready, let it go.

Must not know what it starts: a command line that supervises a data directory.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from flinkms_sql.runtime import private, supervisor
from flinkms_sql.runtime.supervisor import Report


def detach(command: Sequence[str], *, data_dir: Path, report: Report) -> int:
    """Start the command in a session of its own and return its pid once every part is ready.

    Raises the 57P03 that ``supervisor.wait_until_ready`` raises, with the last lines of logs/supervisor.log.
    """
    private.secure(data_dir)
    log = data_dir / "logs" / "supervisor.log"
    log.write_bytes(b"")
    # Appended to, so that it can be cut while it is written to.
    with log.open("ab") as output:
        process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True, umask=private.PRIVATE_UMASK)
    supervisor.wait_until_ready(data_dir, process.poll, report)
    # It is meant to outlive us, so nobody waits for it: without this, Popen warns of that.
    process.returncode = 0
    return process.pid
