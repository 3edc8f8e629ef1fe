"""Which paths a registry row or a table may name: below the warehouse or a root, whatever links and spellings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.places import Places, inside


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


def test_a_version_is_in_the_warehouse_whatever_its_row_says(places: Places, tmp_path: Path) -> None:
    real = str(tmp_path / "warehouse" / "models" / "rec" / "v1")
    assert places.version(real) == Path(real)
    (tmp_path / "warehouse" / "models" / "link").symlink_to(tmp_path / "outside")
    for path in (str(tmp_path / "outside"), "/", "", "v1", str(tmp_path / "warehouse" / "models"),
                 str(tmp_path / "warehouse" / "models" / "link" / "v1"), f"{real}/../../../../outside",
                 str(tmp_path / "warehouse" / "streams" / "ev")):
        with pytest.raises(FlinkmsError) as raised:
            places.version(path)
        assert raised.value.sqlstate == errors.INSUFFICIENT_PRIVILEGE
    assert inside(tmp_path, real) == Path(real)
