"""The sink in a real Flink: pushes, streams, keyed tables and bases through checkpoints, failures and restarts.

The jobs are Java (connectors/src/test/java/…/sink) and run in one JVM with Flink's local environment.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from connectors import build

pytestmark = pytest.mark.integration

TESTS = build.HERE / "src/test/java/org/flinkms/connector"
RUN_SECONDS_MAX = 900
"""Fifteen jobs of a few seconds each; under load several times that."""

# What Flink's own start scripts open (env.java.opts.all in conf/config.yaml) as far as these jobs need it.
OPENED = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.util", "java.time")]


def test_sinks_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    classes, scratch = tmp_path / "classes", tmp_path / "scratch"
    scratch.mkdir()
    flink = build.flink_jars()
    sources = [TESTS / "format/Check.java", *(TESTS / "sink").glob("*.java")]
    warnings = build.compile_java(sources, classes, [build.build(), *flink])
    assert "warning:" not in warnings, warnings
    class_path = os.pathsep.join(map(str, [classes, build.build(), flink[0].parent / "*"]))
    command = [build.find_jdk() / "bin/java", "-ea", "-Xmx1g", *OPENED, "-cp", class_path,
               "org.flinkms.connector.sink.SinkJobsTest", scratch]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    print(done.stdout)
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
