"""Check whether this machine has what is needed, and say how to get what is missing."""

from __future__ import annotations

import argparse
import os

from flinkms_sql.runtime import doctor
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """``doctor`` has no options of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when nothing is missing, else 1."""
    findings = doctor.examine(settings, os.environ)
    for finding in findings:
        print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.check:10} {finding.found}")
        if finding.remedy:
            print(f"{'':18} {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1
