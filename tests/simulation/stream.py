"""Streams on a simulated disk: real files, appends that take a while and fail, and a kill that finds some of them half done.

Must not know sessions. A writer is what modellog.stream.StreamWriter is to a frontend.
"""

from __future__ import annotations

from collections.abc import Sequence

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.frame import APPEND
from flinkms_sql.modellog.stream import Stream
from flinkms_sql.modellog.writer import PartitionWriter
from tests.simulation.baton import EPOCH_S, Lock
from tests.simulation.loop import PROCESS, SimLoop
from udfs.block import Column, encode_block

SYNC_S_MAX = 0.02
"""A sync takes up to this long, in simulated seconds."""

FAILURE_SHARE = 0.03
"""Share of the appends that fail: the disk is full."""


class Disk:
    """Where streams are; ``fails``: it is full now and then."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.fails = False

    def writer(self, stream: Stream, partition: str) -> SimWriter:
        """See serving.streams.OpenWriter."""
        return SimWriter(self, stream, partition)

    def time(self) -> float:
        """Seconds since 1970."""
        return EPOCH_S + self.loop.now


class SimWriter:
    """A partition that a frontend holds, until it closes it or is killed."""

    def __init__(self, disk: Disk, stream: Stream, partition: str) -> None:
        self.stream = stream
        self._disk = disk
        self._full = False
        self._held = True
        self._writer = PartitionWriter(stream.path / "log" / partition, clock=disk.time, fsync=self._fsync)
        self._one = Lock(disk.loop.baton)
        if (process := PROCESS.get()) is not None:
            process.at_death.append(self._let_go)

    async def append(self, columns: Sequence[Column]) -> None:
        """See server.services.StreamWriter."""
        await self._disk.loop.run_in_executor(self, self._commit, columns)

    def close(self) -> None:
        """See StreamWriter: blocks until what was begun is on the disk."""
        with self._one:
            self._let_go()

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._writer.close()

    def _commit(self, columns: Sequence[Column]) -> None:
        types = [column.type.value.code for column in self.stream.columns]
        baton = self._disk.loop.baton
        with self._one:
            if not self._held:
                raise FlinkmsError(errors.ADMIN_SHUTDOWN, f'stream "{self.stream.path.name}" is closed for appending')
            self._writer.append(APPEND, len(columns[0]), encode_block(list(zip(types, columns, strict=True))))
            baton.wait(SYNC_S_MAX * baton.chance.random())
            self._full = self._disk.fails and baton.chance.random() < FAILURE_SHARE
            self._writer.sync()

    def _fsync(self, handle: int) -> None:
        if self._full:
            self._full = False
            raise OSError(28, "no space left")
