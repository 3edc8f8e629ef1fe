"""Exec wrapper: ``leash.py <parent pid> <signal> <uid> <gid> command…`` becomes the command, tied to its parent's life.

On Linux the kernel sends the signal to this process when the parent dies, even by kill -9. Changes to the user first
(-1: stays who it is), because changing it clears that setting. Must stay free of imports from the project: it runs
with ``python -I -S`` so that it costs about 15 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


def main(arguments: list[str]) -> None:
    """Become the command in ``arguments[4:]``."""
    parent, signal, uid, gid = map(int, arguments[:4])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        # The parent may have died before the request was made.
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(arguments[4], arguments[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
