"""Laws of deletion: what a row of the registry says can never reach anything but a directory of the warehouse's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.removal import remove_directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A warehouse's models, one version of one model, and beside them what is none of ours."""
    for name in ("warehouse/models/rec-1/v1/users", "warehouse/models/rec-1/v2", "precious/rec-1/v1", "warehouse/streams/s"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    return tmp_path / "warehouse" / "models"


def test_a_directory_goes_and_its_parent_with_the_last_one(root: Path) -> None:
    assert remove_directory(root / "rec-1" / "v1", root, depth=2)
    assert sorted(path.name for path in (root / "rec-1").iterdir()) == ["v2"]
    assert not remove_directory(root / "rec-1" / "v1", root, depth=2)
    assert remove_directory(root / "rec-1" / "v2", root, depth=2)
    assert list(root.iterdir()) == []


def test_a_crash_between_hiding_and_deleting_is_finished(root: Path) -> None:
    (root / "rec-1" / "v1").rename(root / "rec-1" / ".v1")
    assert remove_directory(root / "rec-1" / "v1", root, depth=2)
    assert sorted(path.name for path in (root / "rec-1").iterdir()) == ["v2"]


@pytest.mark.parametrize("path", [
    "{base}/precious/rec-1/v1", "{base}/precious", "/", "/etc", "", ".", "..", "rec-1/v1", "{root}", "{root}/rec-1",
    "{root}/rec-1/v1/users", "{root}/rec-1/..", "{root}/rec-1/v1/..", "{root}/../streams/s", "{root}/../../precious/rec-1/v1",
    "{root}/link/v1", "{root}/rec-1/link", "{root}/rec-1/.v1", "{root}/./../../precious/rec-1/v1",
])  # fmt: skip
def test_nothing_else_is_touched(root: Path, path: str) -> None:
    base = root.parents[1]
    (root / "link").symlink_to(base / "precious" / "rec-1")
    (root / "rec-1" / "link").symlink_to(base / "precious" / "rec-1" / "v1")
    named = Path(path.format(base=base, root=root))
    before = sorted(base.rglob("*"))
    with pytest.raises(FlinkmsError, check=lambda error: error.sqlstate == "42501"):
        remove_directory(named, root, depth=2)
    assert sorted(base.rglob("*")) == before


@pytest.mark.parametrize("needed", ["rec-1/v1", "rec-1/v1/users", "rec-1"])
def test_what_is_needed_stays(root: Path, needed: str) -> None:
    with pytest.raises(FlinkmsError, check=lambda error: error.sqlstate == "55006"):
        remove_directory(root / "rec-1" / "v1", root, depth=2, needed=[root / needed])
    assert (root / "rec-1" / "v1" / "users" / "file").exists()
