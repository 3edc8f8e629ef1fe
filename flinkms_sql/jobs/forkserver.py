"""The fork server: Flink's Python workers start in a tenth of a second instead of five.

Flink starts ``python -m pyflink.fn_execution.beam.beam_boot`` anew for every job, and nearly all of its start is imports.
This process has them done: ``launcher`` (what Flink takes for its python executable) hands over its arguments,
environment, directory and standard streams, and a fork runs the module with them. Where the server does not answer, the
launcher runs a python of its own, so that nothing depends on this process but time.

One thread only: a fork copies no other. It must not open channels or load user data before it forks.
"""

from __future__ import annotations

import array
import importlib
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from types import FrameType

from flinkms_sql.jobs.launcher import MESSAGE_BYTES_MAX, STANDARD_STREAMS, at_socket

logger = logging.getLogger(__name__)

PRELOADED = (
    "pyflink.fn_execution.beam.beam_sdk_worker_main", "grpc", "google.protobuf.json_format", "google.protobuf.text_format",
    "apache_beam.portability.api.org.apache.beam.model.fn_execution.v1.beam_provision_api_pb2_grpc",
    "flinkms_sql.jobs.worker", "udfs.flink",
)
"""Modules a worker imports before its first row. Not beam_boot itself: it runs as ``__main__``."""

BACKLOG_MAX = 32
"""Launches waiting to be accepted; Flink starts one per Python stage and slot."""


def serve(path: Path) -> None:
    """Answer launches on the unix socket ``path`` until SIGTERM. The socket is the owner's alone (mode 0600)."""
    for module in PRELOADED:
        importlib.import_module(module)
    do_not_sample()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        at_socket(listener.bind, str(path))
    finally:
        os.umask(mask)
    listener.listen(BACKLOG_MAX)
    _Server(listener).run()
    path.unlink(missing_ok=True)


class _Server:
    """The accept loop: launches under way by the pid that runs them."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._launches: dict[int, socket.socket] = {}
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        signal.set_wakeup_fd(self._wake_write)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        while not self._stopping:
            for key, _ in selector.select():
                if key.fileobj is self._listener:
                    self._launch(self._listener.accept()[0])
                else:
                    os.read(self._wake_read, 4096)
            self._reap()
        for pid in self._launches:
            os.kill(pid, signal.SIGTERM)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _launch(self, connection: socket.socket) -> None:
        try:
            request, streams = receive(connection)
        except (OSError, ValueError) as error:
            logger.warning("launch refused: %s", error)
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            self._run_child(connection, request, streams)
        for stream in streams:
            os.close(stream)
        connection.sendall(struct.pack("<i", pid))
        self._launches[pid] = connection

    def _run_child(self, connection: socket.socket, request: dict, streams: list[int]) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for inherited in (self._listener, connection, *self._launches.values()):
                inherited.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            for number, stream in zip(STANDARD_STREAMS, streams):
                os.dup2(stream, number)
                os.close(stream)
            status = run_module(request)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while self._launches:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._launches.pop(pid, None)
            if connection is not None:
                try:
                    connection.sendall(struct.pack("<i", os.waitstatus_to_exitcode(status)))
                except OSError:
                    logger.info("launcher of worker %d is gone", pid)
                connection.close()


def do_not_sample() -> None:
    """Keep Beam from sampling, bundle by bundle, which of its operators is at work: nobody here reads those counters.

    For each bundle it starts a thread that sleeps some milliseconds at a time, and waits for it to wake up and end: 2 ms
    of a rating's way into the model.
    """
    from apache_beam.runners.worker import statesampler

    def start(self: statesampler.StateSampler) -> None:
        self.tracked_thread = threading.current_thread()
        statesampler.set_current_tracker(self)
        self.started = True

    def stop(self: statesampler.StateSampler) -> None:
        statesampler.set_current_tracker(None)
        self.finished = True

    statesampler.StateSampler.start, statesampler.StateSampler.stop = start, stop


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """A launch request and the standard streams it carries. Raises ValueError when it is malformed."""
    fds = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(MESSAGE_BYTES_MAX, socket.CMSG_SPACE(len(STANDARD_STREAMS) * fds.itemsize))
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    (length,) = struct.unpack_from("<I", data)
    while len(data) < 4 + length:
        more = connection.recv(MESSAGE_BYTES_MAX)
        if not more:
            raise ValueError("launch request is cut short")
        data += more
    if len(fds) != len(STANDARD_STREAMS):
        raise ValueError("launch request carries no standard streams")
    return json.loads(data[4:]), list(fds)


def run_module(request: dict) -> int:
    """Run ``python -m module arguments`` in this process as if it had just been started; its exit code."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    extra = [entry for entry in request["environment"].get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [request["directory"], *(entry for entry in extra if entry not in sys.path)]
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    serve(Path(sys.argv[1]))
