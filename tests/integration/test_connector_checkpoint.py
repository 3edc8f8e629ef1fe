"""Positions out of Flink's checkpoints: jobs that go on from them alone count every row of two streams once.

Other connectors read and write beside ours, and some of the checkpoints are compressed. The jobs are Java
(connectors/src/test/java/…/checkpoint) and run in one JVM with Flink's local environment.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from connectors import build
from tests.integration.test_connector_sink import OPENED

pytestmark = pytest.mark.integration

TESTS = build.HERE / "src/test/java/org/flinkms/connector"
RUN_SECONDS_MAX = 400
"""Five jobs of about two seconds each; under load several times that."""


def test_jobs_go_on_exactly_from_the_positions_of_a_checkpoint(tmp_path: Path) -> None:
    classes, scratch = tmp_path / "classes", tmp_path / "scratch"
    scratch.mkdir()
    flink = build.flink_jars()
    sources = [TESTS / "format/Check.java", TESTS / "table/LogFiles.java", *(TESTS / "checkpoint").glob("*.java")]
    warnings = build.compile_java(sources, classes, [build.build(), *flink])
    assert "warning:" not in warnings, warnings
    class_path = os.pathsep.join(map(str, [classes, build.build(), flink[0].parent / "*"]))
    command = [build.find_jdk() / "bin/java", "-ea", "-Xmx1g", *OPENED, "-cp", class_path,
               "org.flinkms.connector.checkpoint.CheckpointTest", scratch]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    print(done.stdout)
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
