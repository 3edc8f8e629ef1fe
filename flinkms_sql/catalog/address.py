"""Model addresses: the text ``'rec'``, ``'rec@3'``, ``'rec@canary'``, ``'rec@2026-11-20 10:00:00+00'`` as a value.

Must not know the registry: an address says what is asked for, not whether it exists. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

LIVE = "live"
"""The alias that an address without a version means."""

VERSION_MAX = 2**31 - 1
"""Highest version number: the registry keeps versions as PostgreSQL integers."""

_NAME = re.compile(r"[^\W\d]\w*(?:-\w+)*")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAddress:
    """Which version of which model: a number, an alias, or what an alias meant at a moment.

    Exactly one of ``version``, ``alias``, ``as_of`` is set; ``as_of`` (microseconds since 1970-01-01 UTC) asks for
    what was live then.
    """

    name: str
    version: int | None = None
    alias: str | None = None
    as_of: int | None = None

    def __post_init__(self) -> None:
        if (self.version is None) + (self.alias is None) + (self.as_of is None) != 2:
            raise ValueError("an address has exactly one of version, alias and as_of")

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}@{self.version}"
        if self.as_of is not None:
            return f"{self.name}@{format_moment(self.as_of)}"
        return self.name if self.alias == LIVE else f"{self.name}@{self.alias}"


def parse_address(text: str, *, position: int | None = None) -> ModelAddress:
    """The address a text names; without ``@`` it is the live alias. Raises FlinkmsError 22023 when malformed."""
    name, at, version = text.partition("@")
    version = version.strip()
    if not _NAME.fullmatch(name) or (at and not version):
        raise _malformed(text, position)
    if not at:
        return ModelAddress(name=name, alias=LIVE)
    if version.isascii() and version.isdigit():
        number = int(version)
        if not 1 <= number <= VERSION_MAX:
            raise _malformed(text, position)
        return ModelAddress(name=name, version=number)
    if _NAME.fullmatch(version):
        return ModelAddress(name=name, alias=version)
    try:
        return ModelAddress(name=name, as_of=parse_moment(version))
    except ValueError:
        raise _malformed(text, position) from None


def _malformed(text: str, position: int | None) -> FlinkmsError:
    return FlinkmsError(
        errors.INVALID_PARAMETER_VALUE,
        f'"{text}" is not a model address',
        hint="Write 'model', 'model@3', 'model@alias' or 'model@2026-11-20 10:00:00+00'.",
        position=position,
    )


def parse_moment(text: str) -> int:
    """Microseconds since 1970-01-01 UTC of an ISO 8601 timestamp; without a zone it is UTC. Raises ValueError."""
    # Python 3.10's fromisoformat knows neither "Z" nor "+00" nor fractions of other than 3 or 6 digits.
    match = re.fullmatch(
        r"(\d{4}-\d{2}-\d{2})(?:[ T]+(\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,6})\d*)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?",
        text.strip(),
        re.IGNORECASE,
    )
    if match is None:
        raise ValueError(f"{text!r} is not a timestamp")
    day, clock, fraction, zone = match.groups()
    zone = (zone or "Z").upper()
    offset = "+00:00" if zone in ("Z", "UTC") else f"{zone[:3]}:{zone[3:].lstrip(':') or '00'}"
    delta = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}") - _EPOCH
    seconds = delta.days * 86_400 + delta.seconds
    return seconds * 1_000_000 + int((fraction or "0").ljust(6, "0"))


def format_moment(microseconds: int) -> str:
    """ISO text of a moment, in UTC, that ``parse_moment`` reads back."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{fraction:06d}" if fraction else "") + "+00"
