"""Who may look into a data directory: we, and nobody else.

Must not know what is in its folders. A directory above the data directory is never touched.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

PRIVATE_UMASK = 0o077
"""What every process of a deployment starts with: files are the owner's alone, whatever the shell's umask was."""

FOLDERS = ("warehouse", "logs", "run", "flink")
"""All that is below a data directory, but for PostgreSQL's own, which belongs to the user that runs it."""


def secure(data_dir: Path) -> None:
    """Make the data directory and its folders where they are missing, and close them to everybody else.

    A data directory that was here before, and is more than one (nothing of ours is in it), keeps its mode: its folders
    are closed. As root, PostgreSQL's user has to pass the data directory to its own folder: pass, not look.
    Raises OSError when it cannot be made, or is no directory.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    ours = not data_dir.exists() or (data_dir / "run").is_dir()
    if data_dir.exists() and not data_dir.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(data_dir))
    data_dir.mkdir(mode=mode, parents=True, exist_ok=True)
    if ours:
        data_dir.chmod(mode)
    for name in FOLDERS:
        folder = data_dir / name
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
