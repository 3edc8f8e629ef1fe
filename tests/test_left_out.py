"""What learning leaves out is counted by reason, written down by workers and added up for whoever asks."""

from __future__ import annotations

import json
from pathlib import Path

from flinkms_sql.jobs.leftout import FOLDER, LeftOut, counted, gather


def test_workers_count_apart_and_are_added_up(tmp_path: Path) -> None:
    workers = [LeftOut(tmp_path, 5), LeftOut(tmp_path, 5), LeftOut(tmp_path, 55)]
    workers[0].add({})
    assert counted(tmp_path, 5) == {} and not (tmp_path / FOLDER).exists()
    for worker, failures in zip([*workers, workers[0]], ({"a": 1}, {"a": 2, "b": 1}, {"a": 100}, {"a": 4})):
        worker.add(failures)
    assert counted(tmp_path, 5) == {"a": 7, "b": 1} and counted(tmp_path, 55) == {"a": 100}
    gather(tmp_path, 5)
    assert counted(tmp_path, 5) == {"a": 7, "b": 1} and len(list((tmp_path / FOLDER).glob("5-*"))) == 1
    LeftOut(tmp_path, 5).add({"b": 1})
    assert counted(tmp_path, 5) == {"a": 7, "b": 2}
    (tmp_path / FOLDER / "5-half.json").write_text('{"a"')
    assert counted(tmp_path, 5) == {"a": 7, "b": 2}
    assert json.loads(next((tmp_path / FOLDER).glob("55-*")).read_text()) == {"a": 100}
