"""The embedded cluster's configuration: how memory is divided, timeouts that notice a dead process in seconds, paths.

Must not start anything or look at the machine: settings in, text out. Option names and defaults: Flink 2.3's
documentation, "Configuration".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"

METASPACE_MB = 224
"""Classes of Flink, the planner's generated ones, and a class loader per job."""

OVERHEAD_MB = 160
"""Thread stacks, code cache, the collector's own."""

FRAMEWORK_HEAP_MB = 128
FRAMEWORK_OFF_HEAP_MB = 128
TASK_OFF_HEAP_MB = 96
"""Arrow batches on their way to a Python worker."""

NETWORK_MB = 160
"""32 KiB buffers: a blocking exchange of a batch job takes 512 of them, and a job may have several."""

MANAGED_SHARE = 0.35
"""Of what is left: sorts and joins of batch jobs; the rest is heap, where lookup tables are."""

LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
"""
"""Everything to standard output: the supervisor appends it to the part's log."""


LOG4J_CLIENT = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
appender.file.name = file
appender.file.type = RollingFile
appender.file.fileName = ${sys:log.file}
appender.file.filePattern = ${sys:log.file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
logger.python.name = PythonWorker
logger.python.level = ALL
"""
"""A client's log: it writes the file itself, 16 MB of it and one old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskManagerMemory:
    """How a task manager's process is divided, MiB."""

    task_heap: int
    managed: int

    @classmethod
    def of(cls, process_mb: int) -> TaskManagerMemory:
        """The division of a whole process; at least 64 MiB for each of the two."""
        fixed = METASPACE_MB + OVERHEAD_MB + FRAMEWORK_HEAP_MB + FRAMEWORK_OFF_HEAP_MB + TASK_OFF_HEAP_MB + NETWORK_MB
        left = max(process_mb - fixed, 128)
        managed = max(int(left * MANAGED_SHARE), 64)
        return cls(task_heap=left - managed, managed=managed)

    @property
    def java_options(self) -> tuple[str, ...]:
        """What Flink's own scripts would pass."""
        heap = FRAMEWORK_HEAP_MB + self.task_heap
        direct = FRAMEWORK_OFF_HEAP_MB + TASK_OFF_HEAP_MB + NETWORK_MB
        return (f"-Xmx{heap}m", f"-Xms{heap // 2}m", f"-XX:MaxDirectMemorySize={direct}m",
                f"-XX:MaxMetaspaceSize={METASPACE_MB}m", "-XX:+UseG1GC")

    @property
    def options(self) -> dict[str, object]:
        """All that a task manager needs to be told when the scripts do not compute it."""
        return {
            "taskmanager.cpu.cores": 1.0,
            "taskmanager.memory.framework.heap.size": f"{FRAMEWORK_HEAP_MB}m",
            "taskmanager.memory.framework.off-heap.size": f"{FRAMEWORK_OFF_HEAP_MB}m",
            "taskmanager.memory.task.heap.size": f"{self.task_heap}m",
            "taskmanager.memory.task.off-heap.size": f"{TASK_OFF_HEAP_MB}m",
            "taskmanager.memory.managed.size": f"{self.managed}m",
            "taskmanager.memory.network.min": f"{NETWORK_MB}m",
            "taskmanager.memory.network.max": f"{NETWORK_MB}m",
            "taskmanager.memory.jvm-metaspace.size": f"{METASPACE_MB}m",
            "taskmanager.memory.jvm-overhead.min": f"{OVERHEAD_MB}m",
            "taskmanager.memory.jvm-overhead.max": f"{OVERHEAD_MB}m",
        }


def jobmanager_java_options(process_mb: int) -> tuple[str, ...]:
    """A job manager keeps little: the serial collector has the smallest footprint and stops for milliseconds.

    Its code is the quick compiler's only: it runs too seldom to be worth optimising, and starts with a third less work.
    """
    heap = max(process_mb - METASPACE_MB - OVERHEAD_MB, 192)
    return (f"-Xmx{heap}m", f"-Xms{heap // 4}m", f"-XX:MaxMetaspaceSize={METASPACE_MB}m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1")


def options(*, home: Path, java_options: str, rest_port: int, rpc_port: int, slots: int, python: str,
            memory: TaskManagerMemory) -> dict[str, object]:
    """All options of the cluster and its clients; ``home`` is the cluster's own directory."""
    places = {
        "execution.checkpointing.dir": (home / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (home / "savepoints").as_uri(),
        "io.tmp.dirs": str(home / "tmp"),
        "web.tmpdir": str(home / "tmp"),
        "env.log.dir": str(home / "client-log"),
        "env.java.opts.all": java_options,
        "python.executable": python,
        "python.client.executable": python,
    }
    addresses = {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": rpc_port,
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": rest_port,
        "execution.target": "remote",
        "web.submit.enable": False,
    }
    return {**addresses, **places, **LIVENESS, "taskmanager.numberOfTaskSlots": slots, "parallelism.default": 1,
            **memory.options}


LIVENESS: Mapping[str, object] = {
    # A killed process refuses connections: two failed heartbeats in a row are enough. The timeout is for one that
    # hangs, and is longer than a collection on a loaded machine.
    "heartbeat.interval": "1 s",
    "heartbeat.rpc-failure-threshold": 2,
    "heartbeat.timeout": "20 s",
    # Task managers start beside the job manager and outlive it: they look for it several times a second.
    "cluster.registration.initial-timeout": "100 ms",
    "cluster.registration.max-timeout": "1 s",
    "cluster.registration.error-delay": "200 ms",
    "cluster.registration.refused-registration-delay": "500 ms",
    "taskmanager.registration.timeout": "5 min",
    # A lost task manager is back within ten seconds; a job that fails by itself ends after eight attempts.
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "500 ms",
    "restart-strategy.exponential-delay.max-backoff": "10 s",
    "restart-strategy.exponential-delay.backoff-multiplier": 2.0,
    "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff": 8,
    "slot.request.timeout": "60 s",
    # A task that does not end when canceled must not take the process, and with it every other job, down at once.
    "task.cancellation.timeout": "60 s",
}


def text(values: Mapping[str, object]) -> str:
    """config.yaml: flat keys, each value a JSON scalar, which is YAML too."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in sorted(values.items()))
