"""Dates and timestamps as PostgreSQL writes and reads them (DateStyle ISO), without a clock.

Values are those of ``flinkms_sql.types``: days, or microseconds, since 1970-01-01; timestamptz in UTC. The extreme
integers stand for infinity, as in PostgreSQL. Words that mean the present ("now", "today") are not understood: a value
must not depend on when it is read.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

import numpy as np

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError

EPOCH_DAYS = 10_957
"""Days from 1970-01-01 to 2000-01-01, PostgreSQL's epoch."""
EPOCH_MICROSECONDS = EPOCH_DAYS * 86_400_000_000

MICROSECONDS_MAX, MICROSECONDS_MIN = 2**63 - 1, -(2**63)
DAYS_MAX, DAYS_MIN = 2**31 - 1, -(2**31)

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DATE = r"(\d{4})-(\d{1,2})-(\d{1,2})(?!-)"
_TIME = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
_ZONE = r"(z|utc|gmt|[+-]\d{1,2}(?::?\d{2})?(?::\d{2})?)"
_TIMESTAMP = re.compile(rf"{_DATE}(?:(?:\s+|t){_TIME})?\s*{_ZONE}?", re.IGNORECASE | re.ASCII)
"""A date may have an offset too: pgjdbc writes one behind every java.sql.Date. One that begins with - stands apart from it."""
_OTHER_ORDER = re.compile(r"(?!\d{4}-\d)(?:\d{1,4}\s*[-/.]\s*)?(?:\d{1,2}|[a-z]{3,9})[-/. ,]+\d{1,4}\b.*", re.IGNORECASE | re.ASCII | re.DOTALL)
"""Dates whose order, or whose months' names, DateStyle and PostgreSQL's tables decide."""
_SPECIAL = {"infinity": MICROSECONDS_MAX, "-infinity": MICROSECONDS_MIN, "epoch": 0}
_INFINITE = (MICROSECONDS_MAX, MICROSECONDS_MIN)
_NONE = timedelta()


def parse_timestamp(text: str, *, zone: tzinfo | None) -> int:
    """Microseconds of an ISO timestamp. ``zone`` None: timestamp (an offset in the text is ignored, as PostgreSQL does);
    else timestamptz, and ``zone`` is meant where the text has no offset. Raises FlinkmsError 22007, 22008.
    """
    kind = "timestamp" if zone is None else "timestamp with time zone"
    stripped = text.strip()
    if (special := _SPECIAL.get(stripped.lower())) is not None:
        return special
    match = _TIMESTAMP.fullmatch(stripped)
    if match is None:
        raise _not_read(text, kind)
    year, month, day, hour, minute, second, fraction, offset = match.groups(default="")
    microsecond = round(float(f"0.{fraction}") * 1_000_000) if fraction else 0
    try:
        # 24:00:00 and second 60 are the next day and the next minute.
        local = datetime(int(year), int(month), int(day)) + timedelta(
            hours=_below(hour, 25), minutes=_below(minute, 60), seconds=_below(second, 61), microseconds=microsecond
        )
        if zone is None:
            return (local - _EPOCH) // timedelta(microseconds=1)
        return _moment(local, _offset(offset) if offset else zone)
    except (ValueError, OverflowError):
        raise FlinkmsError(errors.DATETIME_FIELD_OVERFLOW, f'date/time field value out of range: "{text}"') from None


def _not_read(text: str, kind: str) -> FlinkmsError:
    """The error for a text that is no ISO date: one that PostgreSQL might read, by DateStyle, is not said to be wrong."""
    if _OTHER_ORDER.fullmatch(text.strip()) is None:
        return FlinkmsError(errors.INVALID_DATETIME_FORMAT, f'invalid input syntax for type {kind}: "{text}"')
    return FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f'"{text}" is not read as {kind} for streams and models',
                        hint="Write YYYY-MM-DD, which is the same day under every DateStyle.")  # fmt: skip


def has_offset(text: str) -> bool:
    """Whether a timestamp's text says by itself which moment is meant, whatever the session's zone."""
    stripped = text.strip()
    match = _TIMESTAMP.fullmatch(stripped)
    return stripped.lower() in _SPECIAL or (match is not None and match[8] is not None)


def midnight(day: int) -> int:
    """Microseconds of a date as a timestamp."""
    return {DAYS_MAX: MICROSECONDS_MAX, DAYS_MIN: MICROSECONDS_MIN}.get(day, day * 86_400_000_000)


def midnights(days: np.ndarray) -> np.ndarray:
    """Microseconds int64[n] of dates int32[n] as timestamps."""
    found = days.astype("<i8") * 86_400_000_000
    return np.where(days == DAYS_MAX, MICROSECONDS_MAX, np.where(days == DAYS_MIN, MICROSECONDS_MIN, found))


def is_infinite(microseconds: int) -> bool:
    """Whether a timestamp is infinity or -infinity, which no zone moves."""
    return microseconds in _INFINITE


def moments(local: np.ndarray, zone: tzinfo) -> np.ndarray:
    """Microseconds UTC int64[n] of timestamps int64[n] as clocks in ``zone`` show them. Raises FlinkmsError 22008."""
    if zone is timezone.utc:
        return local
    return np.array([value if is_infinite(value) else _moment_of(value, zone) for value in local.tolist()], "<i8")


def _moment_of(microseconds: int, zone: tzinfo) -> int:
    try:
        return _moment(_EPOCH + timedelta(microseconds=microseconds), zone)
    except OverflowError:
        raise FlinkmsError(errors.DATETIME_FIELD_OVERFLOW, "timestamp out of range") from None


def _moment(local: datetime, zone: tzinfo) -> int:
    """Microseconds UTC of a clock's time. A time that a clock skips is read as before its change, one that it shows
    twice as after it (PostgreSQL, src/backend/utils/adt/datetime.c, DetermineTimeZoneOffset)."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    twice = (first.utcoffset() or _NONE) > (second.utcoffset() or _NONE)
    return ((second if twice else first) - _EPOCH_UTC) // timedelta(microseconds=1)


def _below(digits: str, bound: int) -> int:
    number = int(digits or 0)
    if number >= bound:
        raise ValueError(digits)
    return number


def _offset(text: str) -> tzinfo:
    if text[0] not in "+-":
        return timezone.utc
    digits = re.sub(r"\D", "", text).ljust(6, "0") if len(text) > 2 else f"0{text[1]}0000"
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    return timezone(-shift if text[0] == "-" else shift)


def parse_date(text: str) -> int:
    """Days of an ISO date; a time after it is cut off. Raises FlinkmsError 22007, 22008."""
    special = {"infinity": DAYS_MAX, "-infinity": DAYS_MIN}.get(text.strip().lower())
    if special is not None:
        return special
    if _TIMESTAMP.fullmatch(text.strip()) is None and text.strip().lower() != "epoch":
        raise _not_read(text, "date")
    return parse_timestamp(text, zone=None) // 86_400_000_000


def format_dates(days: np.ndarray) -> list[bytes]:
    """ISO text of int32[n] days."""
    iso = np.datetime_as_string(days.astype("<i8").view("M8[D]")).tolist()
    return [_special_date(day) or _era(text) for text, day in zip(iso, days.tolist())]


def _special_date(day: int) -> bytes | None:
    return {DAYS_MAX: b"infinity", DAYS_MIN: b"-infinity"}.get(day)


def format_timestamps(microseconds: np.ndarray) -> list[bytes]:
    """ISO text of int64[n] microseconds, without a zone."""
    iso = np.datetime_as_string(microseconds.astype("<i8").view("M8[us]")).tolist()
    return [_special(value) or _era(_trimmed(text)) for text, value in zip(iso, microseconds.tolist())]


def format_timestamps_in(microseconds: np.ndarray, zone: tzinfo) -> list[bytes]:
    """ISO text of int64[n] microseconds UTC in ``zone``, with its offset, e.g. ``2026-11-20 10:00:00+00``."""
    return [_special(value) or _format_in(value, zone) for value in microseconds.tolist()]


def _format_in(value: int, zone: tzinfo) -> bytes:
    try:
        local = (_EPOCH_UTC + timedelta(microseconds=value)).astimezone(zone)
    except OverflowError:  # outside the years 1 to 9999: no zone has rules there
        return format_timestamps(np.array([value]))[0].replace(b" BC", b"") + b"+00" + (b" BC" if value < 0 else b"")
    return _trimmed(local.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0")).encode() + _offset_text(local)


def _offset_text(local: datetime) -> bytes:
    seconds = round((local.utcoffset() or timedelta()).total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{seconds // 3600:02d}"
    if seconds % 3600:
        text += f":{seconds % 3600 // 60:02d}"
    if seconds % 60:
        text += f":{seconds % 60:02d}"
    return text.encode()


def _special(value: int) -> bytes | None:
    return {MICROSECONDS_MAX: b"infinity", MICROSECONDS_MIN: b"-infinity"}.get(value)


def _trimmed(iso: str) -> str:
    return iso.replace("T", " ").rstrip("0").rstrip(".") if "." in iso else iso.replace("T", " ")


def _era(text: str) -> bytes:
    """Years before 1 are counted backwards by PostgreSQL: year 0 is 0001 BC."""
    year, rest = (text[: text.index("-", 1)], text[text.index("-", 1) :]) if text != "NaT" else ("0", text)
    number = int(year)
    return f"{1 - number:04d}{rest} BC".encode() if number <= 0 else text.encode()
