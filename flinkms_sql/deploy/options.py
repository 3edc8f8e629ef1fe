"""Options of CREATE MODEL … WITH: an algorithm's own, and the dotted ones that say how a model is kept.

An algorithm validates its own options (udfs/options.py); the dotted ones are validated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from udfs.algorithms import configure
from udfs.model import Model, OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemOption:
    """A dotted option: a whole number from ``low`` to ``high``."""

    name: str
    default: int
    low: int
    high: int
    description: str


LEARN_PARALLELISM = SystemOption(
    name="learn.parallelism", default=1, low=1, high=4,
    description="Subtasks of the job behind INSERT INTO MODEL; a version's log has four partitions, one writer each.",
)
SYSTEM_OPTIONS = {option.name: option for option in (LEARN_PARALLELISM,)}


def algorithm_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options that are the algorithm's own."""
    return {name: value for name, value in options.items() if "." not in name and name != "algorithm"}


def system_option(options: Mapping[str, str], option: SystemOption) -> int:
    """The value of a dotted option, its default when it is not given. Raises FlinkmsError 22023."""
    text = options.get(option.name, str(option.default))
    if not text.isascii() or not text.isdigit() or not option.low <= int(text) <= option.high:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE,
                           f'option "{option.name}" is a whole number from {option.low} to {option.high}, not "{text}"')
    return int(text)


def configured(algorithm: str, options: Mapping[str, str], input_types: Sequence[str], position: int) -> Model:
    """The configured model of a declaration whose options are all valid. Raises FlinkmsError 22023 naming the option."""
    for name in options:
        if "." in name and name not in SYSTEM_OPTIONS:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'unknown option "{name}"', position=position,
                               hint=f"Options that are no algorithm's own: {', '.join(SYSTEM_OPTIONS)}.")
    for option in SYSTEM_OPTIONS.values():
        system_option(options, option)
    try:
        return configure(algorithm, algorithm_options(options), input_types)
    except OptionError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=position,
                           hint="docs/sql.md lists the options of each algorithm.") from error
