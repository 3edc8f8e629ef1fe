"""The files of a partition: names, headers, and the chain of epochs that is the log.

Must not know about frames' contents or about time. Readers and the writer share it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flinkms_sql.modellog.files import corrupted, io_error, read_json
from flinkms_sql.modellog.frame import SEGMENT_HEADER_BYTES, Position, SegmentHeader, decode_segment_header

SEGMENT_BYTES = 64 << 20
"""Bytes of frames at which a segment rolls over: what a writer checks when it starts, and what retention deletes."""

_NAME = re.compile(r"(\d{8})-(\d{12})\.log")


@dataclass(frozen=True, slots=True)
class Link:
    """One epoch of the log: it counts up to ``end`` (an offset), None for the epoch that is being written."""

    epoch: int
    end: int | None


def segment_name(epoch: int, start: int) -> str:
    """``EEEEEEEE-OOOOOOOOOOOO.log``."""
    return f"{epoch:08d}-{start:012d}.log"


@dataclass(slots=True)
class Segments:
    """What lies in a partition's directory: ``starts[epoch]`` are the start offsets of its segments, rising.

    Headers are read once: the files of an epoch never change what they say of it.
    """

    path: Path
    starts: Mapping[int, list[int]] = field(default_factory=dict)
    _parents: dict[int, Position | None] = field(default_factory=dict)

    def scan(self) -> None:
        """List the directory; one that does not exist yet is empty. Raises FlinkmsError 58030."""
        found: dict[int, list[int]] = {}
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if match := _NAME.fullmatch(entry.name):
                        found.setdefault(int(match[1]), []).append(int(match[2]))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise io_error(error, self.path, "list") from error
        for offsets in found.values():
            offsets.sort()
        self.starts = found

    def file(self, epoch: int, start: int) -> Path:
        """Path of a segment."""
        return self.path / segment_name(epoch, start)

    def containing(self, position: Position) -> int | None:
        """Start offset of the segment that holds ``position`` or ends there, None when it is not here."""
        starts = [start for start in self.starts.get(position.epoch, ()) if start <= position.offset]
        return starts[-1] if starts else None

    def knows(self, epoch: int) -> bool:
        """Whether ``parent`` can answer: the epoch has files, or had some when it was asked before."""
        return epoch in self._parents or epoch in self.starts

    def parent(self, epoch: int) -> Position | None:
        """Where the epoch before ``epoch`` ends. Raises FlinkmsError when the header is unreadable or damaged."""
        if epoch not in self._parents:
            start = self.starts[epoch][0]
            self._parents[epoch] = read_header(self.file(epoch, start), epoch, start).parent
        return self._parents[epoch]

    def chain(self) -> list[Link]:
        """The epochs that are the log, oldest first, back to the first one or one whose files retention deleted."""
        if not self.starts:
            return []
        links = [Link(max(self.starts), None)]
        while (parent := self.parent(links[-1].epoch)) is not None:
            if parent.epoch >= links[-1].epoch:
                path = self.file(links[-1].epoch, self.starts[links[-1].epoch][0])
                raise corrupted(path, f"epoch {links[-1].epoch} has the parent {parent.epoch}")
            links.append(Link(parent.epoch, parent.offset))
            if parent.epoch not in self.starts:
                break
        return links[::-1]


def read_header(path: Path, epoch: int, start: int) -> SegmentHeader:
    """The header of a segment, checked against its name. Raises FlinkmsError 58030, XX001."""
    try:
        with open(path, "rb") as file:
            data = file.read(SEGMENT_HEADER_BYTES)
    except OSError as error:
        raise io_error(error, path, "read") from error
    try:
        header = decode_segment_header(data)
    except ValueError as error:
        raise corrupted(path, str(error), offset=0) from error
    if (header.epoch, header.start) != (epoch, start):
        raise corrupted(path, f"its header says epoch {header.epoch}, offset {header.start}", offset=0)
    return header


def read_committed(path: Path) -> Position | None:
    """What a Flink writer has committed to a partition, None when it never did. Raises FlinkmsError XX001."""
    file = path / "committed"
    if not file.exists():
        return None
    value = read_json(file)
    match value:
        case {"epoch": int(epoch), "offset": int(offset)} if epoch > 0 and offset >= 0:
            return Position(epoch, offset)
    raise corrupted(file, "no epoch and offset")
