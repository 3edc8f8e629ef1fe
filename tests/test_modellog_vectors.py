"""The codecs of modellog against tests/vectors/: bytes made from the format's description alone, read by Java too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flinkms_sql.modellog.frame import (
    Frame,
    Position,
    SegmentHeader,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
    parse_frame,
)
from flinkms_sql.modellog.segments import segment_name
from udfs.block import decode_block, decode_bundle, encode_block

VECTORS = Path(__file__).parent / "vectors"
FILES = sorted(file.name for file in VECTORS.glob("*.bin"))


def described(kind: str) -> list[dict]:
    return json.loads((VECTORS / "vectors.json").read_text(encoding="utf-8"))[kind]


def data(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def test_the_folder_holds_vectors_of_every_kind() -> None:
    assert {name.split("-")[0] for name in FILES} >= {"block", "bundle", "frame", "segment", "malformed"}


@pytest.mark.parametrize("name", FILES)
def test_only_whole_blocks_and_bundles_decode(name: str) -> None:
    match name.split("-")[0]:
        case "block":
            columns = decode_block(data(name))
            descriptors = [data(name)[8 + 16 * number] for number in range(len(columns))]
            again = encode_block(list(zip(descriptors, columns)))
            assert (again == data(name)) == next(b["canonical"] for b in described("blocks") if b["file"] == name)
        case "bundle":
            entries = next(bundle["entries"] for bundle in described("bundles") if bundle["file"] == name)
            assert len(decode_bundle(data(name))) == len(entries)
        case _:
            with pytest.raises(ValueError):
                decode_block(data(name))


@pytest.mark.parametrize("facts", described("frames"), ids=lambda facts: facts["file"])
def test_frames_hold_what_is_described(facts: dict) -> None:
    frame = parse_frame(memoryview(data(facts["file"])), 0, Position(3, 40))
    assert isinstance(frame, Frame)
    assert (frame.kind, frame.rows, frame.written_at) == (facts["kind"], facts["rows"], facts["written_at"])
    assert bytes(frame.body) == data(facts["block"])
    assert frame.end == (3, 40 + len(data(facts["file"])))
    assert encode_frame(frame.kind, frame.rows, bytes(frame.body), frame.written_at) == data(facts["file"])


@pytest.mark.parametrize("facts", described("segments"), ids=lambda facts: facts["file"])
def test_segment_headers_hold_what_is_described(facts: dict) -> None:
    header = decode_segment_header(data(facts["file"]))
    parent = Position(*facts["parent"]) if facts["parent"][0] else None
    assert header == SegmentHeader(
        epoch=facts["epoch"],
        number=facts["partition"],
        start=facts["start"],
        parent=parent,
        created_at=facts["created_at"],
    )
    assert segment_name(header.epoch, header.start) == facts["file_name"]
    assert encode_segment_header(header) == data(facts["file"])
