"""Writers of the streams this frontend inserts into: one partition of each stream is this process's own.

Must not know sessions. A partition is held by a lock on its directory, so frontends beside each other take different
ones and a restarted one takes up its own again.
"""

from __future__ import annotations

from collections.abc import Callable

from flinkms_sql import errors
from flinkms_sql.catalog.records import Snapshot
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.stream import Stream, StreamWriter
from flinkms_sql.places import Claim, Places

FRONTENDS_MAX = 64
"""Frontends that can insert into one stream: each holds a partition, which every reader of the stream follows."""

OpenWriter = Callable[[Stream, str], StreamWriter]


class Streams:
    """Opens a writer at the first insert, closes it when its stream is dropped. ``on_insert``: called for each insert.

    open_writer: takes a partition of a stream by its name. Raises FlinkmsError 55000 when another holds it.
    """

    def __init__(self, places: Places, on_insert: Callable[[], None], open_writer: OpenWriter = StreamWriter) -> None:
        self._places = places
        self._on_insert = on_insert
        self._open_writer = open_writer
        self._claims: dict[str, Claim | None] = {}
        self._written: dict[str, Claim | None] = {}
        self._writers: dict[str, StreamWriter] = {}

    def follow(self, snapshot: Snapshot) -> None:
        """Know the streams of a snapshot; writers of streams that are gone are closed."""
        self._claims = {name: record.path for name, record in snapshot.tables.items() if record.kind == "stream"}
        for name in [name for name in self._writers if self._claims.get(name) != self._written[name]]:
            self._writers.pop(name).close()

    def writer(self, table: str) -> StreamWriter:
        """The writer of a stream. Raises FlinkmsError 42P01 when there is none, 42501 when its row names a
        place that is not ours, 58030 when it cannot be opened."""
        self._on_insert()
        writer = self._writers.get(table)
        if writer is None:
            if table not in self._claims:
                raise FlinkmsError(errors.UNDEFINED_TABLE, f'stream "{table}" does not exist')
            claim = self._claims[table]
            writer = self._writers[table] = self._open(Stream.open(self._places.stream(claim)))
            self._written[table] = claim
        return writer

    def _open(self, stream: Stream) -> StreamWriter:
        """A writer on the first partition that no other frontend holds."""
        for number in range(FRONTENDS_MAX):
            try:
                return self._open_writer(stream, f"frontend-{number}")
            except FlinkmsError as error:
                if error.sqlstate != errors.OBJECT_NOT_IN_PREREQUISITE_STATE:
                    raise
        raise FlinkmsError(errors.CONFIGURATION_LIMIT_EXCEEDED,
                           f"{FRONTENDS_MAX} frontends already insert into stream \"{stream.path.name}\"")

    def close(self) -> None:
        """Commit what is waiting and close every writer."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
