"""The embedded Flink cluster, started for real: slots, addresses, and a task manager that comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from flinkms_sql.runtime import flink, jdk
from flinkms_sql.settings import Settings
from tests.running import running, wait_for

pytestmark = pytest.mark.integration


def test_a_cluster_offers_slots_on_loopback_and_outlives_a_killed_task_manager(tmp_path: Path) -> None:
    settings = Settings().with_options({"data_dir": tmp_path, "task_slots": 3, "taskmanager_memory_mb": 1100})
    job_manager, task_manager = flink.parts(settings, jdk.find(os.environ))
    address = flink.rest_address(job_manager)
    with running([job_manager, task_manager], tmp_path) as held:
        held.wait_ready()
        assert flink.overview(address)["slots-total"] == 3
        pids = [part.process.pid for part in held.parts.values()]
        listening = [connection.laddr.ip for pid in pids for connection in psutil.Process(pid).net_connections("inet")
                     if connection.status == psutil.CONN_LISTEN]
        assert listening
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
        os.kill(held.parts["flink-taskmanager"].process.pid, signal.SIGKILL)
        # Sooner than the heartbeat timeout: a dead process refuses connections.
        wait_for(lambda: flink.overview(address)["slots-total"] == 0, wait_s=15)
        wait_for(lambda: flink.overview(address)["slots-total"] == 3)
