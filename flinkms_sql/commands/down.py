"""End everything that runs over the data directory."""

from __future__ import annotations

import argparse

from flinkms_sql.runtime import supervisor
from flinkms_sql.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """``down`` has no options of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 also when nothing ran: the wanted state is reached."""
    ended = supervisor.down(settings.data_dir)
    print("stopped" if ended else f"nothing runs over {settings.data_dir}")
    return 0
