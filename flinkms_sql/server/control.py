"""Transaction control and settings of a session that has no link to PostgreSQL yet, and how they are replayed on one.

Must not know about messages or sockets. Only settings whose every value can be checked here are kept here: all others
are PostgreSQL's to judge, so they cost the session a link. Settings of ours (``flinkms.…``) are always kept here, and
are not part of a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo

from flinkms_sql import errors
from flinkms_sql.catalog.address import parse_moment
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.messages import TransactionStatus
from flinkms_sql.query.statements.statement import (
    Begin,
    CleanUp,
    Commit,
    Empty,
    Rollback,
    Session,
    SetParameter,
    ShowParameter,
)

ACTIVE_TRANSACTION_WARNING = "25001"
NO_ACTIVE_TRANSACTION_WARNING = "25P01"

AS_OF = "flinkms.as_of"
"""Setting: the moment as of which aliases are resolved, '' for now."""

_BOOLEAN = re.compile(r"on|off|true|false|yes|no|1|0", re.IGNORECASE)
_DURATION = re.compile(r"\d{1,9}\s*(us|ms|s|min|h|d)?")
_ISOLATION = re.compile(r"serializable|repeatable read|read committed|read uncommitted", re.IGNORECASE)
_LEVEL = re.compile(r"debug[1-5]?|log|notice|warning|error", re.IGNORECASE)


def _zone_exists(name: str) -> bool:
    return zone_of(name) is not None


_LOCAL: dict[str, Callable[[str], object]] = {
    "application_name": re.compile(r"[ -~]{0,63}").fullmatch,
    "client_encoding": re.compile(r"'?utf-?8'?|unicode", re.IGNORECASE).fullmatch,
    "client_min_messages": _LEVEL.fullmatch,
    "datestyle": re.compile(r"iso(,\s*(mdy|dmy|ymd))?", re.IGNORECASE).fullmatch,
    "default_transaction_isolation": _ISOLATION.fullmatch,
    "default_transaction_read_only": _BOOLEAN.fullmatch,
    "extra_float_digits": re.compile(r"[0-3]").fullmatch,
    "idle_in_transaction_session_timeout": _DURATION.fullmatch,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswer:
    """What a statement of the session's is answered with.

    tag:      of CommandComplete; "" for an empty statement.
    value:    the one text value of SHOW, or None.
    reported: settings to report, by ParameterStatus name.
    warning:  SQLSTATE and text of a notice, or None.
    """

    tag: str
    value: str | None = None
    reported: Mapping[str, str] | None = None
    warning: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting that was changed inside of the transaction block; ``value`` None is back to the default."""

    name: str
    value: str | None
    local: bool


def zone_of(name: str) -> tzinfo | None:
    """The time zone of a TimeZone setting, or None when it is not known here."""
    if name.upper() in ("UTC", "GMT", "ETC/UTC", "Z"):
        return timezone.utc
    if not re.fullmatch(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}", name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None


class Control:
    """Settings and transaction block of one session."""

    def __init__(self, server: Mapping[str, str], startup: Mapping[str, str]) -> None:
        """server: ParameterStatus of the control database. startup: settings of the startup packet, by lower-case name."""
        self._defaults = {name.lower(): value for name, value in server.items()}
        self._startup = dict(startup)
        self.settings: dict[str, str] = dict(startup)
        """Settings that differ from the server's defaults, by lower-case name; ours are in ``ours``."""
        self.ours: dict[str, str] = {}
        self.status: TransactionStatus = "idle"
        self.begin_text: str | None = None
        """The BEGIN of the open block as the client wrote it."""
        self.changes: list[Change] = []
        """Settings changed since BEGIN, in order."""
        self._before: dict[str, str] = {}

    def shown(self, name: str) -> str | None:
        """The value of a setting, or None when only PostgreSQL knows."""
        if name == AS_OF:
            return self.ours.get(name, "")
        return self.settings.get(name, self._defaults.get(name))

    def reported(self) -> dict[str, str]:
        """All settings a client is told of when it starts."""
        changed = {REPORTED[name]: value for name, value in self.settings.items() if name in REPORTED}
        names = {name.lower(): name for name in self._defaults}
        return {REPORTED.get(name, names[name]): value for name, value in self._defaults.items()} | changed

    def accepts(self, statement: Session) -> bool:
        """Whether the statement can be answered without PostgreSQL."""
        match statement:
            case Empty() | Begin() | Commit() | Rollback() | CleanUp():
                return True
            case SetParameter():
                if self.is_ours(statement):
                    return True
                check = _LOCAL.get(statement.name)
                return check is not None and (statement.value is None or bool(check(statement.value)))
            case ShowParameter():
                return self.shown(statement.name) is not None
        return False

    @staticmethod
    def is_ours(statement: Session) -> bool:
        """Whether the statement is about a setting that PostgreSQL does not keep."""
        return isinstance(statement, SetParameter | ShowParameter) and statement.name == AS_OF

    def answer(self, statement: Session, text: str) -> ControlAnswer:
        """Carry out a statement that ``accepts`` agreed to; ``text`` is how the client wrote it. Raises FlinkmsError."""
        match statement:
            case Empty():
                return ControlAnswer(tag="")
            case Begin():
                return self._begin(statement, text)
            case Commit() | Rollback():
                return self._end(statement)
            case SetParameter():
                return self._set(statement)
            case ShowParameter():
                return ControlAnswer(tag="SHOW", value=self.shown(statement.name) or "")
            case CleanUp():
                return self._clean_up(statement)
        raise AssertionError(f"{statement} is PostgreSQL's")

    def _begin(self, statement: Begin, text: str) -> ControlAnswer:
        if self.status != "idle":
            warning = (ACTIVE_TRANSACTION_WARNING, "there is already a transaction in progress")
            return ControlAnswer(tag=statement.tag, warning=warning)
        self.status, self.begin_text, self.changes = "transaction", text, []
        self._before = dict(self.settings)
        return ControlAnswer(tag=statement.tag)

    def _end(self, statement: Commit | Rollback) -> ControlAnswer:
        commits = isinstance(statement, Commit) and self.status != "failed"
        tag = "COMMIT" if commits else "ROLLBACK"
        if self.status == "idle":
            return ControlAnswer(
                tag=tag, warning=(NO_ACTIVE_TRANSACTION_WARNING, "there is no transaction in progress")
            )
        now = dict(self.settings)
        self.settings = self._committed() if commits else self._before
        self.status, self.changes = "idle", []
        if statement.chain:
            self.status, self._before = "transaction", dict(self.settings)
        else:
            self.begin_text = None
        return ControlAnswer(tag=tag, reported=self._differences(now))

    def _committed(self) -> dict[str, str]:
        """The settings after COMMIT: what was SET LOCAL is as it was."""
        settings = dict(self._before)
        for change in self.changes:
            if not change.local:
                _apply(settings, change)
        return settings

    def _set(self, statement: SetParameter) -> ControlAnswer:
        if self.is_ours(statement):
            self._set_as_of(statement)
            return ControlAnswer(tag=statement.tag)
        value = _canonical(statement.name, statement.value)
        change = Change(name=statement.name, value=value, local=statement.local)
        if statement.local and self.status == "idle":
            warning = (NO_ACTIVE_TRANSACTION_WARNING, "SET LOCAL can only be used in transaction blocks")
            return ControlAnswer(tag=statement.tag, warning=warning)
        before = dict(self.settings)
        _apply(self.settings, change)
        if value is None and statement.name in self._startup:
            self.settings[statement.name] = self._startup[statement.name]
        if self.status != "idle":
            self.changes.append(change)
        return ControlAnswer(tag=statement.tag, reported=self._differences(before))

    def _set_as_of(self, statement: SetParameter) -> None:
        """Takes effect at once and is not rolled back: what PostgreSQL's transaction does is not known here."""
        if statement.local:
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, f"SET LOCAL {AS_OF} is not supported",
                               hint="Use SET, which lasts until it is set again.")  # fmt: skip
        if not statement.value:
            self.ours.pop(AS_OF, None)
            return
        try:
            parse_moment(statement.value)
        except ValueError:
            raise FlinkmsError(
                errors.INVALID_PARAMETER_VALUE,
                f'invalid value for parameter "{AS_OF}": "{statement.value}"',
                hint="Write a timestamp such as 2026-11-20 10:00:00+00, or '' for now.",
            ) from None
        self.ours[AS_OF] = statement.value

    def _clean_up(self, statement: CleanUp) -> ControlAnswer:
        if statement.tag == "DISCARD ALL" and self.status != "idle":
            raise FlinkmsError(errors.ACTIVE_TRANSACTION, "DISCARD ALL cannot run inside a transaction block")
        before = dict(self.settings)
        if statement.tag in ("RESET", "DISCARD ALL"):
            self.settings, self.ours = dict(self._startup), {}
            if self.status != "idle":
                names = (before.keys() | self._startup.keys()) & _LOCAL.keys()
                self.changes += [Change(name=name, value=self._startup.get(name), local=False) for name in names]
        return ControlAnswer(tag=statement.tag, reported=self._differences(before))

    def _differences(self, before: Mapping[str, str]) -> dict[str, str]:
        names = [n for n in before.keys() | self.settings.keys() if before.get(n) != self.settings.get(n)]
        return {REPORTED[name]: self.shown(name) or "" for name in names if name in REPORTED}

    def fail(self) -> None:
        """A statement failed: an open block is aborted."""
        if self.status == "transaction":
            self.status = "failed"

    def handed_over(self) -> None:
        """A link has taken over settings and transaction; only ours remain here."""
        self.status, self.begin_text, self.changes = "idle", None, []

    def settings_before(self) -> dict[str, str]:
        """The settings outside of the open block: what a link starts with."""
        return dict(self.settings if self.status == "idle" else self._before)


def _apply(settings: dict[str, str], change: Change) -> None:
    if change.value is None:
        settings.pop(change.name, None)
    else:
        settings[change.name] = change.value


def _canonical(name: str, value: str | None) -> str | None:
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
            return "on" if value.lower() in ("on", "true", "yes", "1") else "off"
        case "intervalstyle" | "default_transaction_isolation" | "client_min_messages":
            return value.lower()
    return value
