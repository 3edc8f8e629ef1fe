"""How far a reader is behind: the bytes of frames between two places, over segments and epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flinkms_sql.modellog.distance import bytes_between
from flinkms_sql.modellog.frame import APPEND, Position
from flinkms_sql.modellog.writer import PartitionWriter, end_of
from udfs.block import Column, encode_block

BODY = encode_block([(5, Column(np.arange(4)))])


def append(path: Path, frames: int) -> list[Position]:
    """The positions after frames that one run of a writer appends, in segments of two frames."""
    writer = PartitionWriter(path, segment_bytes=2 * (len(BODY) + 32))
    ends = [writer.append(APPEND, 4, BODY) for _ in range(frames)]
    writer.sync()
    writer.close()
    return ends


def test_bytes_are_counted_over_segments_and_epochs(tmp_path: Path) -> None:
    path = tmp_path / "p"
    assert bytes_between(path, None, (0, 0)) == 0
    places = [Position(0, 0), *append(path, 5), *append(path, 3)]
    frame = places[1].offset
    assert end_of(path) == places[-1]
    for first, at in enumerate(places):
        for last, end in enumerate(places):
            assert bytes_between(path, at, end) == max(last - first, 0) * frame
    assert bytes_between(path, None, places[-1]) == 8 * frame
    assert bytes_between(path, (*places[2], 3), (*places[6], 0)) == 4 * frame
