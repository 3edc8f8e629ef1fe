"""The options that a table may have, of each connector and format: what is not named here, no table has.

Options of Flink's connectors name files and code under names of any form, and the next release adds others: a list of those
that are let through cannot miss one. Must not know where a place may be (places.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


class Meaning(Enum):
    """What an option's value is: a value that reaches nothing, the name of a file in the table's directory, or a path."""

    VALUE = "value"
    NAME = "name"
    PLACE = "path"


def _values(names: str, prefix: str = "") -> dict[str, Meaning]:
    return {prefix + name: Meaning.VALUE for name in names.split()}


_EVERY = _values("connector property-version scan.parallelism sink.parallelism scan.watermark.emit.strategy "
                 "scan.watermark.alignment.group scan.watermark.alignment.max-drift "
                 "scan.watermark.alignment.update-interval scan.watermark.idle-timeout")
CONNECTORS: Mapping[str, Mapping[str, Meaning]] = {
    "flinkms": {
        **_EVERY,
        # Those that a job alone gives the connector are left out: sink.mode, sink.tables, sink.start-positions.
        **_values("retention attach merge lookup.refresh-interval scan.bounded scan.bounded.positions scan.poll-interval "
                  "scan.discovery-interval scan.startup.fallback scan.startup.mode scan.startup.positions "
                  "sink.flush-interval sink.flush-rows sink.once sink.partitions"),
        "scan.group": Meaning.NAME, "sink.writer": Meaning.NAME, "path": Meaning.PLACE,
    },
    "filesystem": {
        **_EVERY,
        # Not here: partition.time-extractor.class and sink.partition-commit.policy.class name code to load.
        **_values("format auto-compaction compaction.file-size partition.time-extractor.kind "
                  "partition.time-extractor.timestamp-formatter partition.time-extractor.timestamp-pattern "
                  "sink.partition-commit.delay sink.partition-commit.policy.kind sink.partition-commit.trigger "
                  "sink.partition-commit.watermark-time-zone sink.rolling-policy.check-interval "
                  "sink.rolling-policy.file-size sink.rolling-policy.inactivity-interval "
                  "sink.rolling-policy.rollover-interval sink.shuffle-by-partition.enable source.monitor-interval "
                  "source.path.regex-pattern source.report-statistics"),
        "partition.default-name": Meaning.NAME, "sink.partition-commit.success-file.name": Meaning.NAME,
        "path": Meaning.PLACE,
    },
    "datagen": _EVERY | _values("number-of-rows rows-per-second"),
    "print": _EVERY | _values("print-identifier standard-error"),
    "blackhole": _EVERY,
}
"""Connectors that a table may name, and their options. Others reach hosts and files by options of their own."""

_OF_COLUMN = re.compile(r"fields\..+\.(end|kind|length|max|max-past|min|null-rate|start|var-len)", re.DOTALL)
"""Options of datagen, of each column."""

_MAPS = "encode.decimal-as-plain-number encode.ignore-null-fields ignore-parse-errors map-null-key.literal " \
        "map-null-key.mode timestamp-format.standard"
_JSON = f"{_MAPS} decode.json-parser.enabled fail-on-missing-field"
SKIP_HEADER = "csv.skip-header"
"""Ours, not Flink's: whether the first line of each file is a header."""

FORMATS: Mapping[str, Mapping[str, Meaning]] = {name: _values(options, f"{name}.") for name, options in {
    "csv": "allow-comments allow-trailing-comma array-element-delimiter disable-quote-character empty-string-as-null "
           "escape-character fail-on-missing-columns field-delimiter ignore-parse-errors ignore-trailing-unmappable "
           "null-literal quote-character skip-header trim-spaces write-bigdecimal-in-scientific-notation",
    "json": _JSON,
    "flinkms-json": _JSON,
    "raw": "charset endianness",
    "debezium-json": f"{_MAPS} schema-include",
    "canal-json": f"{_MAPS} database.include table.include",
    "maxwell-json": _MAPS,
    "ogg-json": _MAPS,
}.items()}  # fmt: skip
"""Formats of the connector filesystem, and their options."""


def places_named(options: Mapping[str, str]) -> Iterable[str]:
    """The paths that a table's options name.

    Raises FlinkmsError 42501 for a connector that no table may name, and for a value that is to be the name of a file and
    names another place; 22023 for a format or an option that is not known here.
    """
    connector = options.get("connector", "")
    known = _known("connector", CONNECTORS, connector, errors.INSUFFICIENT_PRIVILEGE)
    if "format" in options and "format" in known:
        known = {**known, **_known("format", FORMATS, options["format"], errors.INVALID_PARAMETER_VALUE)}
    for name, value in options.items():
        meaning = known.get(name)
        if meaning is None and not (connector == "datagen" and _OF_COLUMN.fullmatch(name)):
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'unknown option "{name}" of a table of connector "{connector}"',
                               hint=f"Options are {', '.join(sorted(known))}.")
        if name == SKIP_HEADER and value not in ("true", "false"):
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f"option \"{name}\" is 'true' or 'false', not \"{value}\"")
        if meaning is Meaning.NAME and (value in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(value)):
            raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'option "{name}" is the name of a file, not "{value}"')
    return [value for name, value in options.items() if known.get(name) is Meaning.PLACE]


def _known(what: str, allowed: Mapping[str, Mapping[str, Meaning]], name: str, refusal: str) -> Mapping[str, Meaning]:
    if name not in allowed:
        raise FlinkmsError(refusal, f'{what} "{name}" may not be used',
                           hint=f"{what.capitalize()}s are {', '.join(allowed)}.")
    return allowed[name]
