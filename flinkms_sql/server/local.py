"""Settings and the transaction block of a session that has no link yet, as they will be replayed on one.

Must not know about messages, rows or PostgreSQL. Only settings whose every value can be checked here are kept here.
Settings of ours (``flinkms.…``) are always kept here, and are not part of a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.catalog.address import parse_moment
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.statements.statement import SetParameter
from flinkms_sql.server.parameters import AS_OF, REPORTED, acts_here, canonical, is_local, is_on, local_names

_ACCESS = re.compile(r"\bread\s+(only|write)\b", re.IGNORECASE)
_ISOLATION = re.compile(
    r"\bisolation\s+level\s+(serializable|repeatable\s+read|read\s+committed|read\s+uncommitted)\b", re.IGNORECASE
)
_DEFERRABLE = re.compile(r"(\bnot\s+)?\bdeferrable\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting that was changed inside of the transaction block; ``value`` None is back to the default."""

    name: str
    value: str | None
    local: bool


class Local:
    """See the module. Methods that change settings return those to report, by ParameterStatus name."""

    __slots__ = ("_before", "_defaults", "_startup", "begin_text", "changes", "ours", "read_only", "settings")

    def __init__(self, server: Mapping[str, str], startup: Mapping[str, str]) -> None:
        """server: ParameterStatus of the control database. startup: settings of the startup packet, by lower-case name."""
        self._defaults = {name.lower(): value for name, value in server.items()}
        self._startup = dict(startup)
        self.settings: dict[str, str] = dict(startup)
        """Settings that differ from the server's defaults, by lower-case name; ours are in ``ours``."""
        self.ours: dict[str, str] = {}
        self.begin_text: str | None = None
        """The BEGIN of the open block as the client wrote it."""
        self.read_only = False
        """The open block's access mode."""
        self.changes: list[Change] = []
        """Settings changed since the block, or the implicit one of a text, was begun; in order."""
        self._before: dict[str, str] | None = None

    def start_with(self, kept: Mapping[str, str]) -> bool:
        """What is kept for the role or the database is what this session's settings go back to. Whether all of it that
        matters here is understood here."""
        understood = True
        for name, value in ((name.lower(), value) for name, value in kept.items()):
            if not acts_here(name):
                continue
            if name == "search_path" or is_local(name, value):
                self._defaults[name] = canonical(name, value) or ""
            else:
                understood = False
        return understood

    def shown(self, name: str) -> str | None:
        """The value of a setting, or None when only PostgreSQL knows."""
        if name == AS_OF:
            return self.ours.get(name, "")
        return self.settings.get(name, self._defaults.get(name))

    def shown_names(self) -> set[str]:
        """The settings that are known here."""
        return {AS_OF, *self._defaults, *self.settings}

    def reported(self) -> dict[str, str]:
        """All settings a client is told of when it starts."""
        changed = {REPORTED[name]: value for name, value in self.settings.items() if name in REPORTED}
        names = {name.lower(): name for name in self._defaults}
        return {REPORTED.get(name, names[name]): value for name, value in self._defaults.items()} | changed

    # ---- the transaction ----

    def begin(self, text: str, modes: str) -> None:
        """A block begins; what an implicit one has changed is part of it."""
        if self._before is None:
            self._before, self.changes = dict(self.settings), []
        self.begin_text = text
        modes_set = transaction_settings(modes).get("transaction_read_only")
        self.read_only = self.default_read_only() if modes_set is None else is_on(modes_set)

    def default_read_only(self) -> bool:
        """Whether a transaction that does not say otherwise may write; what is set in it is for the next one."""
        name = "default_transaction_read_only"
        return is_on(self.settings_before().get(name, self._defaults.get(name)))

    def begin_implicit(self) -> None:
        """A text of several statements begins: what it sets is gone when it fails."""
        if self._before is None:
            self._before, self.changes = dict(self.settings), []

    def end(self, *, committed: bool, chain: bool) -> dict[str, str]:
        """The transaction is over; with ``chain`` the next one has its characteristics."""
        if self._before is None:
            return {}
        now, settings = dict(self.settings), dict(self._before)
        for change in self.changes if committed else ():
            if not change.local:
                _apply(settings, change)
        self.settings, self.changes = settings, []
        if chain:
            self._before = dict(settings)
        else:
            self._before, self.begin_text, self.read_only = None, None, False
        return self._differences(now)

    def settings_before(self) -> dict[str, str]:
        """The settings outside of the open transaction: what a link starts with."""
        return dict(self.settings if self._before is None else self._before)

    def handed_over(self) -> None:
        """A link has taken over settings and transaction; only ours remain here."""
        self._before, self.begin_text, self.changes, self.read_only = None, None, [], False

    # ---- settings ----

    def set(self, statement: SetParameter) -> dict[str, str]:
        """SET, SET LOCAL or RESET of one setting, inside of a transaction if there is one."""
        change = Change(name=statement.name, value=canonical(statement.name, statement.value), local=statement.local)
        before = dict(self.settings)
        _apply(self.settings, change)
        if change.value is None and statement.name in self._startup:
            self.settings[statement.name] = self._startup[statement.name]
        if self._before is not None:
            self.changes.append(change)
        return self._differences(before)

    def set_ours(self, statement: SetParameter) -> None:
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

    def reset(self) -> dict[str, str]:
        """RESET ALL: the settings of the startup packet."""
        before = dict(self.settings)
        self.settings, self.ours = dict(self._startup), {}
        if self._before is not None:
            names = (before.keys() | self._startup.keys()) & local_names()
            self.changes += [Change(name=name, value=self._startup.get(name), local=False) for name in sorted(names)]
        return self._differences(before)

    def _differences(self, before: Mapping[str, str]) -> dict[str, str]:
        names = [n for n in before.keys() | self.settings.keys() if before.get(n) != self.settings.get(n)]
        return {REPORTED[name]: self.shown(name) or "" for name in names if name in REPORTED}


def transaction_settings(modes: str) -> dict[str, str]:
    """What the modes of a BEGIN set, by name of the setting."""
    found: dict[str, str] = {}
    for level in _ISOLATION.findall(modes):
        found["transaction_isolation"] = " ".join(level.lower().split())
    for access in _ACCESS.findall(modes):
        found["transaction_read_only"] = "on" if access.lower() == "only" else "off"
    for negation in _DEFERRABLE.findall(modes):
        found["transaction_deferrable"] = "off" if negation else "on"
    return found


def _apply(settings: dict[str, str], change: Change) -> None:
    if change.value is None:
        settings.pop(change.name, None)
    else:
        settings[change.name] = change.value
