"""How many bytes of a partition lie between two places: what a reader that catches up has before it.

Must not read frames: the names and headers of segments say enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flinkms_sql.modellog.segments import Segments


def bytes_between(partition: Path, at: Sequence[int] | None, end: Sequence[int]) -> int:
    """Bytes of frames from ``at`` (None: the beginning) to ``end``, both (epoch, offset, …); 0 when ``at`` is not before.

    Raises FlinkmsError 58030, XX001.
    """
    start, stop = tuple(at[:2]) if at is not None else (0, 0), tuple(end[:2])
    segments = Segments(partition)
    segments.scan()
    total = 0
    for link in segments.chain():
        length = link.end if link.end is not None else stop[1]
        if start[0] < link.epoch <= stop[0] or link.epoch == start[0] <= stop[0]:
            low = start[1] if link.epoch == start[0] else 0
            high = min(length, stop[1]) if link.epoch == stop[0] else length
            total += max(high - low, 0)
    return total


def is_before(partition: Path, at: Sequence[int] | None, end: Sequence[int]) -> bool:
    """Whether what ``end`` has read reaches further than ``at``, both (epoch, offset[, rows of the frame there])."""
    start, stop = (tuple(place) + (0, 0, 0)[len(place):] for place in (at or (), end))
    return bytes_between(partition, start, stop) > 0 or (start[:2] == stop[:2] and start[2] < stop[2])
