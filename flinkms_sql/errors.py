"""Errors with an SQLSTATE: the one exception type that may reach a session.

Message texts follow PostgreSQL's form: the message starts lower-case and has no full stop,
detail and hint are sentences. Anything else that reaches a session is a bug (XX000).
SQLSTATE values: PostgreSQL documentation, appendix A.
"""

from __future__ import annotations


class FlinkmsError(Exception):
    """An error to report: what is wrong, where, and what to do about it.

    ``position`` is the 1-based character position in the statement text, or None; in ``query`` when that is given: a text
    that the statement stands for, as REFRESH MODEL does for the model's query.
    """

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        query: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.query = query


class ModelError(FlinkmsError):
    """A model's options or data are invalid; raised by kernels through their adapters."""


SUCCESSFUL_COMPLETION = "00000"
CONNECTION_FAILURE = "08006"
TRANSACTION_RESOLUTION_UNKNOWN = "08007"
PROTOCOL_VIOLATION = "08P01"
FEATURE_NOT_SUPPORTED = "0A000"
CARDINALITY_VIOLATION = "21000"
DATA_EXCEPTION = "22000"
NUMERIC_VALUE_OUT_OF_RANGE = "22003"
INVALID_DATETIME_FORMAT = "22007"
DATETIME_FIELD_OVERFLOW = "22008"
CHARACTER_NOT_IN_REPERTOIRE = "22021"
INVALID_TEXT_REPRESENTATION = "22P02"
INVALID_BINARY_REPRESENTATION = "22P03"
INVALID_PARAMETER_VALUE = "22023"
NULL_VALUE_NOT_ALLOWED = "22004"
INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = "2201W"
INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE = "2201X"
NOT_NULL_VIOLATION = "23502"
ACTIVE_TRANSACTION = "25001"
READ_ONLY_TRANSACTION = "25006"
NO_ACTIVE_TRANSACTION = "25P01"
IN_FAILED_TRANSACTION = "25P02"
INVALID_STATEMENT_NAME = "26000"
INVALID_AUTHORIZATION = "28000"
INVALID_PASSWORD = "28P01"
INVALID_CURSOR_NAME = "34000"
UNDEFINED_DATABASE = "3D000"
DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"
INVALID_SAVEPOINT = "3B001"
INVALID_NAME = "42602"
SYNTAX_ERROR = "42601"
INSUFFICIENT_PRIVILEGE = "42501"
NAME_TOO_LONG = "42622"
UNDEFINED_COLUMN = "42703"
DUPLICATE_COLUMN = "42701"
UNDEFINED_FUNCTION = "42883"
UNDEFINED_OBJECT = "42704"
UNDEFINED_PARAMETER = "42P02"
INDETERMINATE_DATATYPE = "42P18"
UNDEFINED_TABLE = "42P01"
UNDEFINED_FILE = "58P01"
DUPLICATE_OBJECT = "42710"
DUPLICATE_FUNCTION = "42723"
DUPLICATE_CURSOR = "42P03"
DUPLICATE_SCHEMA = "42P06"
DUPLICATE_TABLE = "42P07"
DUPLICATE_PREPARED_STATEMENT = "42P05"
DATATYPE_MISMATCH = "42804"
DISK_FULL = "53100"
OUT_OF_MEMORY = "53200"
TOO_MANY_CONNECTIONS = "53300"
CONFIGURATION_LIMIT_EXCEEDED = "53400"
PROGRAM_LIMIT_EXCEEDED = "54000"
STATEMENT_TOO_COMPLEX = "54001"
OBJECT_NOT_IN_PREREQUISITE_STATE = "55000"
OBJECT_IN_USE = "55006"
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
ADMIN_SHUTDOWN = "57P01"
CANNOT_CONNECT_NOW = "57P03"
IO_ERROR = "58030"
DATA_CORRUPTED = "XX001"
INTERNAL_ERROR = "XX000"
