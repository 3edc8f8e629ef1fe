"""The connector's byte format and its build: the Java codec against tests/vectors/, partitions at every cut.

Starts one JVM without Flink's runtime. The Python codec reads the same vectors (tests/test_block_vectors.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from connectors import build

pytestmark = pytest.mark.integration

TESTS = build.HERE / "src/test/java/org/flinkms/connector"
RUN_SECONDS_MAX = 240
"""The main takes about four seconds, most of it waiting for the disk; under load many times that."""


def test_the_codec_agrees_with_the_vectors_and_partitions_keep_their_laws(tmp_path: Path) -> None:
    classes, scratch = tmp_path / "classes", tmp_path / "scratch"
    scratch.mkdir()
    class_path = [build.build(), *build.flink_jars()]
    warnings = build.compile_java(list((TESTS / "format").glob("*.java")), classes, class_path)
    assert "warning:" not in warnings, warnings
    logging = class_path[1].parent.glob("log4j-*.jar")
    command = [build.find_jdk() / "bin/java", "-ea", "-cp", os.pathsep.join(map(str, [classes, *class_path, *logging])),
               "org.flinkms.connector.format.FormatTest", Path(__file__).parents[1] / "vectors", scratch]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr


def test_the_sources_compile_without_warnings(tmp_path: Path) -> None:
    warnings = build.compile_java(list(build.SOURCES.rglob("*.java")), tmp_path, build.flink_jars())
    assert "warning:" not in warnings, warnings


def test_the_build_is_skipped_when_nothing_changed() -> None:
    jar = build.build()
    built_at = jar.stat().st_mtime_ns
    done = subprocess.run([sys.executable, build.HERE / "build.py"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{jar}\n"), done.stderr
    assert jar.stat().st_mtime_ns == built_at
    with zipfile.ZipFile(jar) as content:
        service = content.read("META-INF/services/org.apache.flink.table.factories.Factory").decode()
    assert service.split() == [
        "org.flinkms.connector.FlinkmsTableFactory", "org.flinkms.connector.json.WholeJsonFormatFactory",
        "org.flinkms.connector.csv.HeaderCsvFormatFactory",
    ]  # fmt: skip


def test_a_machine_without_a_jdk_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "_jdk_candidates", list)
    with pytest.raises(build.BuildError, match="no JDK 11-21 found; install one, for example"):
        build.find_jdk()
