"""Which Java runs Flink: JAVA_HOME, then PATH, then the places where systems install them; version 11 to 21.

Must not download anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

VERSIONS = range(11, 22)
"""Java versions that Flink 2.3 supports (its documentation, "Java compatibility")."""

HOW_TO_GET_ONE = ("Install one, for example: apt-get install openjdk-17-jdk-headless, dnf install java-17-openjdk-devel, "
                  "brew install openjdk@17; or point JAVA_HOME at one.")

INSTALLED = ("/usr/lib/jvm", "/usr/java", "/opt/java", "/Library/Java/JavaVirtualMachines", "/opt/homebrew/opt")
"""Directories whose entries are Java homes, or hold one in Contents/Home or libexec/openjdk.jdk/Contents/Home."""

PROBE_S_MAX = 20.0
"""Seconds for ``java -version``: 0.1 usually."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java runtime; ``javac`` says whether it can also compile the connector."""

    home: Path
    version: int
    javac: bool


def find(environment: Mapping[str, str], installed: Sequence[str] = INSTALLED) -> Java:
    """The first Java of a supported version. Raises 55000 that says what was found instead, and how to get one."""
    seen: dict[Path, int | None] = {}
    for home in _candidates(environment, installed):
        if home in seen:
            continue
        seen[home] = _version(home)
        if seen[home] in VERSIONS:
            return Java(home=home, version=seen[home], javac=(home / "bin" / "javac").exists())
    others = sorted({f"{version} in {home}" for home, version in seen.items() if version is not None})
    raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                       f"no Java {VERSIONS[0]} to {VERSIONS[-1]} was found",
                       detail=f"Found Java {', '.join(others)}." if others else None, hint=HOW_TO_GET_ONE)


def _candidates(environment: Mapping[str, str], installed: Sequence[str]) -> Iterator[Path]:
    if home := environment.get("JAVA_HOME"):
        yield Path(home).resolve()
    if program := shutil.which("java", path=environment.get("PATH")):
        yield Path(program).resolve().parent.parent
    for directory in map(Path, installed):
        for entry in sorted(directory.iterdir()) if directory.is_dir() else ():
            for inside in ("", "Contents/Home", "libexec/openjdk.jdk/Contents/Home"):
                yield (entry / inside).resolve()


def _version(home: Path) -> int | None:
    """The major version, None where there is no Java that runs."""
    try:
        done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, check=False,
                              timeout=PROBE_S_MAX)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # openjdk version "17.0.12" 2024-07-16; until Java 8: java version "1.8.0_292".
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else None


def main() -> int:
    """``python -m flinkms_sql.runtime.jdk``: what Makefile asks before it installs anything. Prints the Java home."""
    try:
        print(find(os.environ).home)
    except FlinkmsError as error:
        print(" ".join(filter(None, (f"{error.message}.", error.detail, error.hint))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
