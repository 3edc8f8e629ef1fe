"""What Flink takes for its python executable: hands a worker's start to the fork server, or runs python itself.

Run as a file by an isolated python (``python -I -S launcher.py <socket> <arguments>``), because its own start is what
every worker waits for: standard library only, nothing of ours imported.
"""

import json
import os
import socket
import struct
import sys

STANDARD_STREAMS = (0, 1, 2)
MESSAGE_BYTES_MAX = 1 << 20
"""A request is the environment and the arguments: some KiB."""

CONNECT_S_MAX = 1.0
WORKER_MODULES = frozenset({"pyflink.fn_execution.beam.beam_boot"})


def main(server, arguments):
    """Exit code of ``python arguments``; does not return when there is no server to ask."""
    if len(arguments) >= 2 and arguments[0] == "-m" and arguments[1] in WORKER_MODULES:
        connection = connect(server)
        if connection is not None:
            return launch(connection, arguments[1:])
    os.execv(sys.executable, [sys.executable, *arguments])


def at_socket(action, path):
    """Bind or connect (``action``) at a socket's path, which may be longer than the 107 bytes an address holds."""
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        short = f"/proc/self/fd/{directory}/{os.path.basename(path)}"
        action(short if os.path.isdir(f"/proc/self/fd/{directory}") else path)
    finally:
        os.close(directory)


def connect(server):
    """A connection to the fork server, or None."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_S_MAX)
    try:
        at_socket(connection.connect, server)
    except OSError:
        connection.close()
        return None
    connection.settimeout(None)
    return connection


def launch(connection, arguments):
    """Hand over the start and wait for the worker's exit code."""
    request = json.dumps({
        "arguments": arguments, "environment": dict(os.environ), "directory": os.getcwd(),
    }).encode()
    socket.send_fds(connection, [struct.pack("<I", len(request)) + request], list(STANDARD_STREAMS))
    answer = b""
    while len(answer) < 8:
        more = connection.recv(8 - len(answer))
        if not more:
            return 1
        answer += more
    return struct.unpack("<ii", answer)[1] & 0xFF


def write_launcher(path, python, server):
    """Write the executable file ``path`` that starts workers through the server's socket."""
    quoted = [("'" + str(part).replace("'", "'\\''") + "'") for part in (python, __file__, server)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {quoted[0]} -I -S {quoted[1]} {quoted[2]} \"$@\"\n")
    path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
