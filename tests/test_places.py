"""Which paths a registry row or a table may name: below the warehouse or a root, whatever links and spellings say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Claim, Places, job_checkpoints, restorable


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A root with links out of it, a warehouse with a model and a stream, and a file that nobody is to name."""
    for name in ("root/sub", "outside", "warehouse/models/rec/v1", "warehouse/streams/ev", "root/own"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "root" / "sub")
    (tmp_path / "root" / "secret").touch()
    return Places(warehouse=tmp_path / "warehouse", roots=(tmp_path / "root",),
                  closed=(tmp_path / "root" / "secret", tmp_path / "root" / "own"))


def refused(places: Places, **options: str) -> FlinkmsError:
    with pytest.raises(FlinkmsError) as raised:
        places.check_table({name.replace("_", "."): value for name, value in options.items()}, 7)
    assert (raised.value.sqlstate, raised.value.position) == (errors.INSUFFICIENT_PRIVILEGE, 7)
    return raised.value


@pytest.mark.parametrize("path", [
    "/etc", "/etc/passwd", "{0}", "{0}/outside", "{0}/root", "{0}/root/link", "{0}/root/link/x", "{0}/root/sub/../../outside",
    "{0}/root/../root/sub", "{0}/outside/back/../x", "root/sub", "", ".", "~", "{0}/root/secret", "{0}/root/own/x",
    "{0}/warehouse", "{0}/warehouse/models", "{0}/warehouse/models/rec/v1", "{0}/warehouse/streams/ev",
    "file:///etc", "file:/etc", "FILE:/etc", "file://host{0}/root/sub", "file:{0}/root/sub/../../outside", "file:root",
    "hdfs://host/x", "s3://bucket/x", "http://host/x", "{0}/root/sub\\..\\x", "{0}/rootx", "{0}/root/sub\0x",
])
def test_a_table_of_files_cannot_leave_the_roots(places: Places, path: str) -> None:
    base = str(places.warehouse.parent)
    refused(places, connector="filesystem", path=path.format(base))
    if not path.startswith("{0}/warehouse/streams"):
        refused(places, connector="flinkms", path=path.format(base))


@pytest.mark.parametrize("path", [
    "{0}/root/sub", "{0}/root/sub/new/x.csv", "file:{0}/root/sub", "file://{0}/root/sub", "{0}/outside/back", "{0}/warehouse/files",
])
def test_what_is_below_a_root_can_be_named(places: Places, path: str) -> None:
    places.check_table({"connector": "filesystem", "path": path.format(places.warehouse.parent), "format": "csv"})


def test_connectors_and_code_are_not_for_tables_to_choose(places: Places) -> None:
    for connector in ("jdbc", "kafka", "hive", ""):
        assert "connector" in refused(places, connector=connector).message
    with pytest.raises(FlinkmsError, match='format "cvs" may not be used') as raised:
        places.check_table({"connector": "filesystem", "format": "cvs"})
    assert raised.value.sqlstate == errors.INVALID_PARAMETER_VALUE


UNKNOWN = ["sink.partition-commit.policy.class", "partition.time-extractor.class", "archive.dir", "success-file.names", "csv.x",
           "json.ignore-parse-errors", "fields.a.kind", "rows-per-second", "sink.tables", "PATH", "path ", ""]


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_option_that_is_not_known_is_refused(places: Places, name: str) -> None:
    given = {"connector": "filesystem", "path": f"{places.warehouse.parent}/root/sub", "format": "csv"}
    places.check_table(given)
    with pytest.raises(FlinkmsError) as raised:
        places.check_table({**given, name: "x"}, 7)
    assert (raised.value.sqlstate, raised.value.position) == (errors.INVALID_PARAMETER_VALUE, 7)
    assert f'"{name}"' in raised.value.message


@pytest.mark.parametrize(("connector", "name"), [
    ("filesystem", "sink.partition-commit.success-file.name"), ("filesystem", "partition.default-name"),
    ("flinkms", "scan.group"), ("flinkms", "sink.writer"),
])
def test_an_option_that_names_a_file_names_no_other_place(places: Places, connector: str, name: str) -> None:
    for value in ("../../../outside/victim", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0"):
        with pytest.raises(FlinkmsError) as raised:
            places.check_table({"connector": connector, name: value})
        assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE, value
    places.check_table({"connector": connector, name: "_DONE"})


def test_what_connectors_are_given_is_let_through(places: Places) -> None:
    for options in (
        {"connector": "datagen", "number-of-rows": "1", "fields.a.kind": "sequence", "fields.a.b.max-past": "1"},
        {"connector": "print", "standard-error": "true"}, {"connector": "blackhole", "sink.parallelism": "1"},
        {"connector": "flinkms", "retention": "7 d", "attach": "true", "scan.startup.mode": "latest"},
        {"connector": "filesystem", "format": "csv", "csv.field-delimiter": ";", "sink.rolling-policy.file-size": "1 MB"},
    ):
        places.check_table(options)


def test_a_claim_is_no_path() -> None:
    claim = Claim("/etc/passwd")
    for take in (Path, open, os.stat, lambda path: Path("/") / path):
        with pytest.raises(TypeError):
            take(claim)
    assert str(claim) == "/etc/passwd"


def outside(tmp_path: Path, real: str) -> list[str]:
    """Ways to name what is not there, for a directory of ours."""
    (tmp_path / "warehouse" / "link").symlink_to(tmp_path / "outside")
    return [str(tmp_path / "outside"), str(tmp_path / "outside" / "a" / "v1"), "/", "", ".", "v1", "/etc",
            str(Path(real).parent), f"{real}/log", f"{real}/../../../../outside", f"{real}/../v1/.", f"{real}/x/..",
            str(tmp_path / "warehouse" / "link" / "x"), f"{real}\0", f"file://{tmp_path}/outside"]


def denied(ask: Callable[[str], object], path: str) -> None:
    with pytest.raises(FlinkmsError) as raised:
        ask(path)
    assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE, path


def test_a_version_is_in_the_warehouse_whatever_its_row_says(places: Places, tmp_path: Path) -> None:
    models = tmp_path / "warehouse" / "models"
    real = str(models / "rec" / "v1")
    assert places.version(Claim(real)) == Path(real)
    (models / "link").symlink_to(tmp_path / "outside")
    (models / "rec" / "v2").symlink_to(tmp_path / "outside")
    for path in (*outside(tmp_path, real), str(models), str(models / "link" / "v1"), str(models / "rec" / "v2"),
                 str(tmp_path / "warehouse" / "streams" / "ev")):
        denied(lambda path: places.version(Claim(path)), path)


def test_a_stream_is_in_the_warehouse_or_below_a_root(places: Places, tmp_path: Path) -> None:
    real = str(tmp_path / "warehouse" / "streams" / "ev")
    for good in (real, str(tmp_path / "root" / "sub"), str(tmp_path / "warehouse" / "mine")):
        assert places.stream(Claim(good)) == Path(good)
    (tmp_path / "warehouse" / "streams" / "link").symlink_to(tmp_path / "outside")
    for path in (*outside(tmp_path, real), str(tmp_path / "warehouse" / "streams" / "link"), str(tmp_path / "root" / "link"),
                 str(tmp_path / "root" / "own"), str(tmp_path / "warehouse" / "models" / "rec" / "v1")):
        denied(lambda path: places.stream(Claim(path)), path)
    denied(lambda _: places.stream(None), "")


def test_links_are_followed_once_for_all(tmp_path: Path) -> None:
    """Positions in a stream are kept by its directory: by another name it would be another stream."""
    (tmp_path / "disk" / "streams" / "ev").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    found = Places(warehouse=tmp_path / "data").stream(Claim(str(tmp_path / "data" / "streams" / "ev")))
    assert found == tmp_path / "disk" / "streams" / "ev"


def test_a_job_is_restored_from_checkpoints_of_ours_only(tmp_path: Path) -> None:
    checkpoints, job = tmp_path / "check points", "ab" * 16
    place = checkpoints / job / "chk-3"
    place.mkdir(parents=True)
    (checkpoints / ("cd" * 16)).symlink_to(tmp_path)
    assert job_checkpoints(checkpoints, job) == checkpoints / job
    assert restorable(checkpoints, place.as_uri()) == place.as_uri()
    assert restorable(checkpoints, None) is None
    for uri in ("file:///etc", "/etc", f"{place.as_uri()}/../../../x", "hdfs://host/x", "", place.as_uri().replace("/chk", "/../../chk"),
                place.as_uri().replace("/chk", "/%2e%2e/%2e%2e/chk"), f"file:{checkpoints}/{'cd' * 16}/x", "chk-3"):
        denied(lambda uri: restorable(checkpoints, uri), uri)
    for number in ("..", "", ".", "../x", "/etc", "AB" * 16, "ab", f"{job}/chk-3", "cd" * 16):
        denied(lambda number: job_checkpoints(checkpoints, number), number)
