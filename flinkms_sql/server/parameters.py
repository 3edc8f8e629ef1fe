"""Settings a session may have: which are answered here, which are refused, and what they mean for our own answers.

Must not know the session's state. A setting that acts on nothing but PostgreSQL is PostgreSQL's to judge. One that we
act on too is either honoured by every route, or it is refused: by SET where the frontend could not even read the next
statement right (``refusal``), else by the statements whose answer it would change (``unrenderable``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import SqlType

AS_OF = "flinkms.as_of"
"""Setting: the moment as of which aliases are resolved, '' for now."""

FORCED = {"client_encoding": "UTF8", "standard_conforming_strings": "on", "idle_session_timeout": "0"}
"""What every connection to PostgreSQL starts with, whatever was set for its role or database."""

_BOOLEAN = re.compile(r"on|off|true|false|yes|no|1|0", re.IGNORECASE)
_ISOLATION = re.compile(r"serializable|repeatable read|read committed|read uncommitted", re.IGNORECASE)
_LEVEL = re.compile(r"debug[1-5]?|log|notice|warning|error", re.IGNORECASE)
_DURATION = re.compile(r"\s*(\d{1,9})\s*(us|ms|s|min|h|d)?\s*")
_SECONDS = {None: 1e-3, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_OFFSET_ZONE = re.compile(r"<[+-]?\d{2}(?::?\d{2})?>([+-])(\d{1,2})(?::(\d{2}))?")
"""What PostgreSQL makes of SET TIME ZONE -5: a POSIX zone, whose sign is the other way round."""


def zone_of(name: str) -> tzinfo | None:
    """The time zone of a TimeZone setting, or None when it is not known here."""
    if name.upper() in ("UTC", "GMT", "ETC/UTC", "Z"):
        return timezone.utc
    if (offset := _OFFSET_ZONE.fullmatch(name)) is not None:
        west = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(-west if offset[1] == "+" else west)
    if not re.fullmatch(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}", name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None


class UnknownZone(tzinfo):
    """A time zone that PostgreSQL knows and we do not: every question raises FlinkmsError 0A000."""

    def __init__(self, name: str) -> None:
        self.name = name

    def utcoffset(self, _at: datetime | None) -> timedelta:
        """Not known."""
        raise FlinkmsError(
            errors.FEATURE_NOT_SUPPORTED, f'time zone "{self.name}" is not supported for values of streams and models',
            hint="SET TimeZone to a name such as Europe/Berlin, or write timestamps with their offset.",
        )  # fmt: skip

    dst = utcoffset

    def tzname(self, _at: datetime | None) -> str:
        """As it was set."""
        return self.name


def _zone_exists(name: str) -> bool:
    return zone_of(name) is not None


def _is_utf8(value: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", value.lower()) in ("utf8", "unicode")


_LOCAL: dict[str, Callable[[str], object]] = {
    "application_name": re.compile(r"[ -~]{0,63}").fullmatch,
    "client_encoding": _is_utf8,
    "client_min_messages": _LEVEL.fullmatch,
    "datestyle": re.compile(r"iso(,\s*(mdy|dmy|ymd))?", re.IGNORECASE).fullmatch,
    "default_transaction_isolation": _ISOLATION.fullmatch,
    "default_transaction_read_only": _BOOLEAN.fullmatch,
    "extra_float_digits": re.compile(r"[1-3]").fullmatch,
    "intervalstyle": re.compile(r"postgres|iso_8601", re.IGNORECASE).fullmatch,
    "jit": _BOOLEAN.fullmatch,
    "lock_timeout": _DURATION.fullmatch,
    "standard_conforming_strings": re.compile(r"on|true|yes|1", re.IGNORECASE).fullmatch,
    "statement_timeout": _DURATION.fullmatch,
    "timezone": _zone_exists,
}
"""Settings that can be kept here -> whether a value is one PostgreSQL would take and we can honour."""

REPORTED = {
    "application_name": "application_name",
    "client_encoding": "client_encoding",
    "datestyle": "DateStyle",
    "default_transaction_read_only": "default_transaction_read_only",
    "intervalstyle": "IntervalStyle",
    "standard_conforming_strings": "standard_conforming_strings",
    "timezone": "TimeZone",
}
"""Settings a client is told of -> their name in ParameterStatus, whose case psycopg depends on."""


def is_local(name: str, value: str | None) -> bool:
    """Whether PostgreSQL need not be asked about this value; None is the default."""
    check = _LOCAL.get(name)
    return check is not None and (value is None or bool(check(value)))


def acts_here(name: str) -> bool:
    """Whether a setting matters to what PostgreSQL does not do, and is not forced."""
    return name not in FORCED and (name in _LOCAL or name in ("role", "search_path", "bytea_output"))


def local_names() -> set[str]:
    """The settings that can be kept here."""
    return set(_LOCAL)


def refusal(name: str, value: str | None) -> FlinkmsError | None:
    """The error for a setting under which the frontend would misread what the client sends; None for all others."""
    match name:
        case "client_encoding" if value is not None and not _is_utf8(value):
            return FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f'client encoding "{value}" is not supported',
                                hint="Use UTF8, and have the client convert.")  # fmt: skip
        case "standard_conforming_strings" if value is not None and not is_local(name, value):
            return FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "standard_conforming_strings cannot be switched off",
                                hint="Write E'…' for a literal with backslash escapes.")  # fmt: skip
        case "idle_session_timeout" if value is not None and seconds_of(value) != 0:
            return FlinkmsError(
                errors.FEATURE_NOT_SUPPORTED, "idle_session_timeout is not supported",
                detail="PostgreSQL cannot see that a session asks models.", hint="Set it to 0.",
            )  # fmt: skip
    return None


def seconds_of(duration: str) -> float | None:
    """A timeout in seconds, 0 for none; a number without unit is in milliseconds. None when it is not understood."""
    match = _DURATION.fullmatch(duration)
    return None if match is None else int(match[1]) * _SECONDS[match[2]]


def _duration(seconds: float) -> str:
    """A timeout as PostgreSQL shows it: in the largest unit that gives a whole number."""
    milliseconds = round(seconds * 1e3)
    for unit in ("d", "h", "min", "s"):
        size = round(_SECONDS[unit] * 1e3)
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0"


def is_on(value: str | None) -> bool:
    """The value of a boolean setting."""
    return value is not None and value.lower() in ("on", "true", "yes", "1")


def canonical(name: str, value: str | None) -> str | None:
    """The value as PostgreSQL shows it."""
    if value is None:
        return None
    match name:
        case "client_encoding":
            return "UTF8"
        case "datestyle":
            order = value.upper().partition(",")[2].strip()
            return f"ISO, {order or 'MDY'}"
        case "standard_conforming_strings" | "default_transaction_read_only" | "jit":
            return "on" if is_on(value) else "off"
        case "statement_timeout" | "lock_timeout":
            return _duration(seconds_of(value) or 0.0)
        case "intervalstyle" | "default_transaction_isolation" | "client_min_messages":
            return value.lower()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What of a session's settings our own statements go by, however they were set.

    read_only: the transaction may not write.
    timeout_s: of a statement, in seconds; 0 is none.
    formats:   settings of text output, by lower-case name.
    """

    read_only: bool = False
    timeout_s: float = 0.0
    formats: Mapping[str, str]


_FLOATS = (SqlType.FLOAT, SqlType.DOUBLE, SqlType.FLOAT_ARRAY, SqlType.DOUBLE_ARRAY)
_TIMES = (SqlType.DATE, SqlType.TIMESTAMP, SqlType.TIMESTAMP_LTZ)


def unrenderable(formats: Mapping[str, str]) -> dict[SqlType, str]:
    """Types whose text would have to look other than we write it -> the setting that says so."""
    found: dict[SqlType, str] = {}
    if int(formats.get("extra_float_digits", "1")) < 1:
        found |= dict.fromkeys(_FLOATS, "extra_float_digits")
    if formats.get("bytea_output", "hex").lower() != "hex":
        found[SqlType.BYTES] = "bytea_output"
    if not formats.get("datestyle", "ISO").upper().startswith("ISO"):
        found |= dict.fromkeys(_TIMES, "DateStyle")
    if zone_of(formats.get("timezone", "UTC")) is None:
        found.setdefault(SqlType.TIMESTAMP_LTZ, "TimeZone")
    return found
