"""Print what applying a deployment file would do."""

from __future__ import annotations

import argparse

from flinkms_sql.app import open_deployer
from flinkms_sql.commands.apply import configure, read_file, variables
from flinkms_sql.deploy.script import plan_script
from flinkms_sql.settings import Settings

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the stages, one a line: = is already true, + is to be done, ! replaces what runs, ~ is under way."""
    with open_deployer(settings) as deployer:
        text, values = read_file(arguments.file), variables(arguments.variables)
        for stage in plan_script(deployer.store, text, values, file=str(arguments.file)):
            print(stage)
    return 0
