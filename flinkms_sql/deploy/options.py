"""Options of CREATE MODEL … WITH: an algorithm's own, and the dotted ones that say how a model is kept.

An algorithm validates its own options (udfs/options.py); the dotted ones are validated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.catalog.records import Column
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.jobs.keeping import KEEP_DEFAULT, KEEP_OPTION
from flinkms_sql.types import SqlType
from udfs.algorithms import configure
from udfs.answers import OUTPUT_TYPES
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
VERSIONS_KEEP = SystemOption(
    name=KEEP_OPTION, default=KEEP_DEFAULT, low=1, high=1000,
    description="Ready versions that are kept: the newest ones, beside those an alias names, a rollback would return to or a "
                "job uses. Older ones are retired: they no longer answer, and their files are deleted.",
)
SYSTEM_OPTIONS = {option.name: option for option in (LEARN_PARALLELISM, VERSIONS_KEEP)}


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


def configured(
    algorithm: str, options: Mapping[str, str], input_types: Sequence[str], outputs: Sequence[Column], position: int
) -> Model:
    """The configured model of a declaration whose options and output are valid.

    Raises FlinkmsError 22023 naming the option, 0A000, and 42804 for an output of a type that the model does not answer.
    """
    for name in options:
        if "." in name and name not in SYSTEM_OPTIONS:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'unknown option "{name}"', position=position,
                               hint=f"Options that are no algorithm's own: {', '.join(SYSTEM_OPTIONS)}.")
    for option in SYSTEM_OPTIONS.values():
        system_option(options, option)
    try:
        model = configure(algorithm, algorithm_options(options), input_types)
    except OptionError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, str(error), position=position,
                           hint="docs/sql.md lists the options of each algorithm.") from error
    _check_output(model, outputs, position)
    return model


def _check_output(model: Model, outputs: Sequence[Column], position: int) -> None:
    if len(outputs) != 1:
        raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"a model has one output, not {len(outputs)}", position=position)
    output = outputs[0]
    hint = None
    if output.type.name not in OUTPUT_TYPES:
        hint = f"An output is {', '.join(OUTPUT_TYPES[:-1])} or {OUTPUT_TYPES[-1]}."
    elif output.type is SqlType.STRING and model.answer == "number":
        hint = "Classes by name are told apart by svm and logistic."
    elif output.type in (SqlType.STRING, SqlType.BOOLEAN) and model.answer == "score":
        hint = "With 'output' = 'class' a classifier answers the label."
    if hint is not None:
        raise FlinkmsError(
            errors.DATATYPE_MISMATCH, f'algorithm "{model.algorithm}" does not answer output {output.name} '
            f"{output.type.value.flink}", hint=hint, position=position,
        )
