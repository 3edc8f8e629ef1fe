"""The embedded Flink: a standalone session cluster from the apache-flink wheel, one job manager and one task manager.

The wheel's scripts start four JVMs to compute what is known here, so the two that matter are started directly, as the
scripts would. Must not import pyflink: finding its directory is enough, and importing it costs a second.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import socket
import sys
import threading
from importlib import resources
from pathlib import Path
from typing import Any

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.runtime import flinkconf, processes
from flinkms_sql.runtime.flinkconf import LOOPBACK, TaskManagerMemory
from flinkms_sql.runtime.jdk import Java
from flinkms_sql.runtime.part import Part
from flinkms_sql.settings import Settings

CONNECTOR = "flinkms-connector.jar"

JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

REST_WAIT_S_MAX = 1.0
"""Seconds for an answer of the REST endpoint when asked whether it is ready."""

SECURITY_MANAGER_SINCE = 18
"""From this Java on, Flink's use of the security manager has to be allowed (bin/config.sh)."""


def distribution() -> Path:
    """Directory of the Flink inside the wheel. Raises 55000 when it is not installed."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or not list(Path(spec.submodule_search_locations[0], "lib").glob("flink-dist*.jar")):
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, "the wheel apache-flink is not installed",
                           hint="Run: pip install apache-flink==2.3.0, or give --flink.")
    return Path(spec.submodule_search_locations[0])


def connector_jar() -> Path:
    """The connector's jar. Raises 55000 when it is not built."""
    found = Path(str(resources.files("connectors"))) / CONNECTOR
    if not found.exists():
        raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"the connector is not built: {CONNECTOR} is missing",
                           hint="Run: python connectors/build.py (needs a JDK), or make build.")
    return found


def parts(settings: Settings, java: Java) -> tuple[Part, Part]:
    """Job manager and task manager as Parts. Chooses free ports now, and keeps them over restarts of either."""
    rest_port, rpc_port = free_ports(2)
    home = settings.data_dir / "flink"
    memory = TaskManagerMemory.of(settings.taskmanager_memory_mb)
    opened = _java_options(java)
    config = flinkconf.options(home=home, java_options=" ".join(opened), rest_port=rest_port, rpc_port=rpc_port,
                               slots=settings.task_slots, python=sys.executable, memory=memory)

    writing = threading.Lock()

    def prepare() -> None:
        with writing:
            _write(home, config)

    def command(name: str, main: str, options: tuple[str, ...]) -> tuple[str, ...]:
        return (str(java.home / "bin" / "java"), *options, *opened,
                # Where the web interface finds the log.
                f"-Dlog.file={settings.logs / name}.log",
                f"-Dlog4j.configurationFile=file:{home / 'conf' / 'log4j-console.properties'}",
                "-classpath", os.pathsep.join(str(home / "lib" / jar.name) for jar in _jars()),
                main, "--configDir", str(home / "conf"))

    environment = client_environment(settings, java)
    address = f"{LOOPBACK}:{rest_port}"
    job_manager = Part(
        name="flink-jobmanager", address=f"http://{address}", environment=environment, prepare=prepare,
        command=command("flink-jobmanager", JOB_MANAGER,
                        flinkconf.jobmanager_java_options(settings.jobmanager_memory_mb)),
        ready=lambda pid: overview(address) is not None,
    )
    task_manager = Part(
        name="flink-taskmanager", address=f"{settings.task_slots} slots", environment=environment, prepare=prepare,
        command=command("flink-taskmanager", TASK_MANAGER, memory.java_options),
        ready=lambda pid: _registered_since(address, processes.identify(pid).started_at),
    )
    return job_manager, task_manager


def rest_address(job_manager: Part) -> str:
    """host:port of the cluster that a part of ``parts`` is."""
    return job_manager.address.removeprefix("http://")


def client_environment(settings: Settings, java: Java) -> dict[str, str]:
    """What a process needs in its environment to run, or submit to, this cluster: paths, Java, Python."""
    home = settings.data_dir / "flink"
    return {
        "FLINK_HOME": str(distribution()),
        "FLINK_CONF_DIR": str(home / "conf"),
        "FLINK_LIB_DIR": str(home / "lib"),
        "FLINK_PLUGINS_DIR": str(distribution() / "plugins"),
        "FLINK_LOG_DIR": str(home / "client-log"),
        "JAVA_HOME": str(java.home),
        # Python workers are started as ``python``; thread mode looks for its library beside it.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def answers(address: str) -> bool:
    """Whether a session cluster with at least one slot answers at host:port."""
    return (overview(address) or {}).get("slots-total", 0) > 0


def free_ports(count: int) -> list[int]:
    """Different TCP ports of this machine that are free now."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _jars() -> list[Path]:
    """The cluster's class path: the wheel's lib, Python's operators and our connector; flink-dist last."""
    shipped = distribution()
    found = sorted((shipped / "lib").glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
    return [*sorted((shipped / "opt").glob("flink-python*.jar")), connector_jar(), *found]


def _write(home: Path, config: dict[str, object]) -> None:
    """Configuration, and a lib directory of links, so that clients (FLINK_LIB_DIR) have the cluster's very jars."""
    for name in ("conf", "tmp", "checkpoints", "savepoints", "client-log"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "conf" / "config.yaml").write_text(flinkconf.text(config))
    (home / "conf" / "log4j-console.properties").write_text(flinkconf.LOG4J)
    (home / "conf" / "log4j-cli.properties").write_text(flinkconf.LOG4J_CLIENT)
    lib = home / "lib"
    lib.mkdir(exist_ok=True)
    wanted = {jar.name: jar for jar in _jars()}
    for link in lib.iterdir():
        if link.name not in wanted or link.resolve() != wanted[link.name].resolve():
            link.unlink()
    for name, jar in wanted.items():
        if not (lib / name).exists():
            (lib / name).symlink_to(jar.resolve())


def _java_options(java: Java) -> tuple[str, ...]:
    """The module openings of the wheel's own config.yaml, which belong to its Flink version."""
    shipped = (distribution() / "conf" / "config.yaml").read_text()
    opened = re.findall(r"--add-(?:exports|opens)=\S+", shipped)
    allowed = ["-Djava.security.manager=allow"] if java.version >= SECURITY_MANAGER_SINCE else []
    return ("-XX:+IgnoreUnrecognizedVMOptions", *opened, *allowed)


def overview(address: str) -> dict[str, int] | None:
    """The answer of GET /overview, or None."""
    return _get(address, "/overview")


def _registered_since(address: str, started_at: float) -> bool:
    """Whether a task manager that was started at ``started_at`` (seconds since 1970) offers slots.

    One that was killed offers its own until the heartbeats find out, which takes seconds: it was last heard of earlier.
    """
    found = (_get(address, "/taskmanagers") or {}).get("taskmanagers", [])
    # Named otherwise, but the time of the last heartbeat, ms since 1970; 0 before the first.
    return any(manager["slotsNumber"] > 0 and not 0 < manager["timeSinceLastHeartbeat"] < started_at * 1000
               for manager in found)


def _get(address: str, path: str) -> dict[str, Any] | None:
    """The answer of the REST endpoint, or None. Not urllib: it would ask a proxy for this machine."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=REST_WAIT_S_MAX)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
