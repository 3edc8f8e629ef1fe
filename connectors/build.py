"""Builds connectors/flinkms-connector.jar from the Java sources: ``python connectors/build.py``.

Compiles against the jars inside the installed apache-flink wheel with whatever JDK 11-21 the machine has, so that a
fresh clone needs neither Maven nor a download. Must not know what the connector does. Standard library only.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src/main/java"
RESOURCES = HERE / "src/main/resources"
JAR = HERE / "flinkms-connector.jar"

JDK_MIN, JDK_MAX = 11, 21
"""Releases of Java that Flink 2.3 runs on."""

COMPILE_SECONDS_MAX = 300
"""A compilation takes a few seconds; one that takes this long hangs."""


class BuildError(Exception):
    """The connector cannot be built; the message says what is missing and how to get it."""


def flink_jars() -> list[Path]:
    """The jars of the installed apache-flink that the sources are compiled against. Raises BuildError."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError("apache-flink is not installed in this Python; run: pip install apache-flink==2.3.0")
    library = Path(next(iter(spec.submodule_search_locations))) / "lib"
    found = []
    for name in ("flink-dist", "flink-table-api-java-uber", "flink-connector-files"):
        jars = sorted(library.glob(f"{name}-*.jar"))
        if not jars:
            raise BuildError(f"{name}-*.jar is missing from {library}; reinstall apache-flink==2.3.0")
        found.append(jars[-1])
    return found


def find_jdk() -> Path:
    """Home of a JDK of release 11 to 21: JAVA_HOME, then javac on PATH, then the usual places. Raises BuildError."""
    seen = []
    for home in _jdk_candidates():
        release = _javac_release(home)
        if release is not None and JDK_MIN <= release <= JDK_MAX:
            return home
        if release is not None:
            seen.append(f"{home} is release {release}")
    detail = f" ({'; '.join(seen)})" if seen else ""
    raise BuildError(
        f"no JDK {JDK_MIN}-{JDK_MAX} found{detail}; install one, for example 'apt install openjdk-17-jdk-headless', "
        "or set JAVA_HOME"
    )


def _jdk_candidates() -> list[Path]:
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    javac = shutil.which("javac")
    if javac:
        homes.append(Path(javac).resolve().parent.parent)
    for pattern in ("/usr/lib/jvm/*", "/opt/*jdk*", "/opt/homebrew/opt/openjdk*",
                    "/Library/Java/JavaVirtualMachines/*/Contents/Home"):
        homes.extend(sorted(Path("/").glob(pattern.lstrip("/"))))
    return list(dict.fromkeys(home.resolve() for home in homes if (home / "bin/javac").exists()))


def _javac_release(home: Path) -> int | None:
    try:
        command = [home / "bin/javac", "-version"]
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"javac (\d+)", answer.stdout + answer.stderr)
    return int(found[1]) if found else None


def is_current() -> bool:
    """Whether the jar is there and newer than every source, resource and this script."""
    if not JAR.exists():
        return False
    inputs = [Path(__file__), *SOURCES.rglob("*.java"), *(p for p in RESOURCES.rglob("*") if p.is_file())]
    return JAR.stat().st_mtime >= max(path.stat().st_mtime for path in inputs)


def compile_java(sources: list[Path], target: Path, class_path: list[Path]) -> str:
    """Compiles ``sources`` into class files under ``target`` and returns the warnings. Raises BuildError.

    Warnings are for those who change the sources (a test wants none); a newer JDK that finds more must not keep
    anyone from building.
    """
    command = [
        # The quick compiler alone: a javac that lives for seconds would spend half of them on optimising itself.
        find_jdk() / "bin/javac", "-J-XX:TieredStopAtLevel=1", "--release", str(JDK_MIN), "-Xlint:all,-processing,-classfile,-options",
        "-encoding", "UTF-8", "-d", target, "-cp", os.pathsep.join(map(str, class_path)), *sorted(sources),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX)
    if done.returncode != 0:
        raise BuildError(f"javac failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def build(force: bool = False) -> Path:
    """The path of an up-to-date jar, which is built only when needed (or ``force``). Raises BuildError.

    The jar appears by rename, so that two builds at once do no harm.
    """
    if not force and is_current():
        return JAR
    with tempfile.TemporaryDirectory(prefix="flinkms-build-") as scratch:
        classes = Path(scratch)
        compile_java(list(SOURCES.rglob("*.java")), classes, flink_jars())
        hidden = JAR.with_name(f".{JAR.name}.{os.getpid()}")
        with zipfile.ZipFile(hidden, "w", zipfile.ZIP_DEFLATED) as jar:
            for root in (classes, RESOURCES):
                for path in sorted(p for p in root.rglob("*") if p.is_file()):
                    jar.write(path, path.relative_to(root).as_posix())
        hidden.replace(JAR)
    return JAR


def main() -> int:
    """Command line: builds the jar and prints its path."""
    parser = argparse.ArgumentParser(description="build the flinkms connector")
    parser.add_argument("--force", action="store_true", help="build even when the jar is up to date")
    try:
        print(build(force=parser.parse_args().force))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
