"""Runs the Java tests of the connector's source and lookup: mains that throw when a law does not hold.

They drive the classes directly, without a Flink job, so that every cut of a checkpoint can be tried.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from connectors import build

pytestmark = pytest.mark.integration

TESTS = build.HERE / "src/test/java/org/flinkms/connector"
RUN_SECONDS_MAX = 120
"""A main takes about two seconds; on a machine under load many times that."""


@pytest.fixture(scope="module")
def class_path(tmp_path_factory) -> str:
    """The connector, its tests and what they need of Flink."""
    classes = tmp_path_factory.mktemp("classes")
    flink = build.flink_jars()
    sources = [TESTS / "format/Check.java", *(path for part in ("table", "source", "lookup")
                                              for path in (TESTS / part).glob("*.java"))]
    warnings = build.compile_java(sources, classes, [build.build(), *flink])
    assert "warning:" not in warnings, warnings
    logging = flink[0].parent.glob("log4j-*.jar")
    return os.pathsep.join(map(str, [classes, build.build(), *flink, *logging]))


@pytest.mark.parametrize("main", ["source.SourceReaderTest", "lookup.LookupTest"])
def test_laws(class_path: str, main: str, tmp_path: Path):
    java = build.find_jdk() / "bin/java"
    done = subprocess.run([java, "-ea", "-cp", class_path, f"org.flinkms.connector.{main}", tmp_path], check=False,
                          capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    assert done.returncode == 0 and done.stdout.endswith("passed\n"), done.stdout + done.stderr
