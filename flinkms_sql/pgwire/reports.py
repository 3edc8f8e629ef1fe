"""Errors and notices as the fields of ErrorResponse and NoticeResponse.

Must not know which errors there are, nor the session they happen in. Field codes: PostgreSQL documentation, 54.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.messages import ErrorResponse, NoticeResponse

Severity = Literal["ERROR", "FATAL", "PANIC"]
NoticeSeverity = Literal["WARNING", "NOTICE", "INFO", "LOG", "DEBUG"]


def error_response(error: FlinkmsError, severity: Severity = "ERROR") -> ErrorResponse:
    """The message that reports an error; FATAL says that the connection ends."""
    fields = _fields(severity, error.sqlstate, error.message, error.detail, error.hint)
    if error.position is not None and error.query is None:
        fields["P"] = str(error.position)
    elif error.position is not None:
        fields |= {"p": str(error.position), "q": error.query}
    return ErrorResponse(fields=fields)


def notice(
    message: str,
    *,
    severity: NoticeSeverity = "NOTICE",
    sqlstate: str = errors.SUCCESSFUL_COMPLETION,
    detail: str | None = None,
    hint: str | None = None,
) -> NoticeResponse:
    """A message for the user that is no error."""
    return NoticeResponse(fields=_fields(severity, sqlstate, message, detail, hint))


def reported_error(fields: Mapping[str, str]) -> FlinkmsError:
    """The error a server reported to us, as our own."""
    position = fields.get("P", "")
    return FlinkmsError(
        fields.get("C", errors.INTERNAL_ERROR),
        fields.get("M", "the server reported an error without a message"),
        detail=fields.get("D"),
        hint=fields.get("H"),
        position=int(position) if position.isdigit() else None,
    )


def _fields(severity: str, sqlstate: str, message: str, detail: str | None, hint: str | None) -> dict[str, str]:
    # "V" is the severity in English whatever the language of "S"; here they are the same.
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": message}
    if detail is not None:
        fields["D"] = detail
    if hint is not None:
        fields["H"] = hint
    return fields
