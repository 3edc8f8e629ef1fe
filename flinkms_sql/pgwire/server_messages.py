"""A server's messages as bytes, both ways.

Must not know when a message is allowed (``state``). Rows in bulk are built in ``columns``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from typing_extensions import assert_never

from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.messages import (
    AuthenticationCleartextPassword,
    AuthenticationOk,
    AuthenticationOther,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendKeyData,
    BindComplete,
    CloseComplete,
    CommandComplete,
    CopyData,
    CopyDone,
    CopyResponse,
    DataRow,
    EmptyQueryResponse,
    ErrorResponse,
    Field,
    FunctionCallResponse,
    NegotiateProtocolVersion,
    NoData,
    NoticeResponse,
    NotificationResponse,
    ParameterDescription,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
    ServerMessage,
    TransactionStatus,
)
from flinkms_sql.pgwire.wire import Body, ProtocolError, counted, counted_values, cstring, framed, value

_RareMessage = (
    AuthenticationOk
    | AuthenticationCleartextPassword
    | AuthenticationSASL
    | AuthenticationSASLContinue
    | AuthenticationSASLFinal
    | AuthenticationOther
    | NegotiateProtocolVersion
    | BackendKeyData
    | ParameterStatus
    | NotificationResponse
    | CopyResponse
    | FunctionCallResponse
)
_STATUS: dict[bytes, TransactionStatus] = {b"I": "idle", b"T": "transaction", b"E": "failed"}
_STATUS_BYTES: dict[TransactionStatus, bytes] = {"idle": b"I", "transaction": b"T", "failed": b"E"}
_EMPTY: dict[bytes, ServerMessage] = {
    b"1": ParseComplete(),
    b"2": BindComplete(),
    b"3": CloseComplete(),
    b"n": NoData(),
    b"s": PortalSuspended(),
    b"I": EmptyQueryResponse(),
    b"c": CopyDone(),
}
_COPY = {b"G": "in", b"H": "out", b"W": "both"}
_COPY_BYTES = {direction: kind for kind, direction in _COPY.items()}


def decode(frame: Frame) -> ServerMessage:
    """The message in a frame a server sent. Raises ProtocolError when it is malformed or unknown."""
    if (empty := _EMPTY.get(frame.kind)) is not None:
        Body(frame.raw, 5).end()
        return empty
    if frame.kind == b"d":
        return CopyData(data=frame.body)
    body = Body(frame.raw, 5)
    message = _filled(frame.kind, body)
    body.end()
    return message


def _filled(kind: bytes, body: Body) -> ServerMessage:
    match kind:
        case b"R":
            return _authentication(body)
        case b"v":
            version = body.int32()
            options = tuple(body.cstring() for _ in range(body.int32()))
            return NegotiateProtocolVersion(major=version >> 16, minor=version & 0xFFFF, unknown_options=options)
        case b"K":
            return BackendKeyData(process_id=body.int32(), secret_key=body.rest())
        case b"S":
            return ParameterStatus(name=body.cstring(), value=body.cstring())
        case b"Z":
            return ReadyForQuery(status=transaction_status(body.byte()))
        case b"T":
            return RowDescription(fields=tuple(_field(body) for _ in range(body.count())))
        case b"t":
            return ParameterDescription(oids=tuple(body.int32() & 0xFFFFFFFF for _ in range(body.count())))
        case b"D":
            return DataRow(values=tuple(body.value() for _ in range(body.count())))
        case b"C":
            return CommandComplete(tag=body.cstring())
        case b"E":
            return ErrorResponse(fields=_report(body))
        case b"N":
            return NoticeResponse(fields=_report(body))
        case b"A":
            return NotificationResponse(process_id=body.int32(), channel=body.cstring(), payload=body.cstring())
        case b"G" | b"H" | b"W":
            code = body.byte()[0]
            formats = tuple(body.int16() for _ in range(body.count()))
            return CopyResponse(direction=_COPY[kind], format=code, column_formats=formats)
        case b"V":
            return FunctionCallResponse(value=body.value())
    raise ProtocolError(f"invalid backend message type {kind[0]}")


def _authentication(body: Body) -> ServerMessage:
    code = body.int32()
    match code:
        case 0:
            return AuthenticationOk()
        case 3:
            return AuthenticationCleartextPassword()
        case 10:
            names = []
            while name := body.cstring():
                names.append(name)
            return AuthenticationSASL(mechanisms=tuple(names))
        case 11:
            return AuthenticationSASLContinue(data=body.rest())
        case 12:
            return AuthenticationSASLFinal(data=body.rest())
    return AuthenticationOther(code=code, data=body.rest())


def transaction_status(byte: bytes) -> TransactionStatus:
    """The status a ReadyForQuery byte stands for."""
    if byte not in _STATUS:
        raise ProtocolError(f"invalid transaction status {byte!r}")
    return _STATUS[byte]


def _field(body: Body) -> Field:
    name = body.cstring()
    table_oid, attribute, oid = body.int32() & 0xFFFFFFFF, body.int16(), body.int32() & 0xFFFFFFFF
    size, modifier, code = body.int16(), body.int32(), body.int16()
    return Field(
        name=name, oid=oid, size=size, format=code, table_oid=table_oid, attribute=attribute, modifier=modifier
    )


def _report(body: Body) -> dict[str, str]:
    fields: dict[str, str] = {}
    while (code := body.byte()) != b"\0":
        # Reports may be sent before the encoding is settled, so they are read leniently.
        fields[code.decode("latin-1")] = body.raw_cstring().decode("utf-8", "replace")
    return fields


def encode(message: ServerMessage) -> bytes:
    """The bytes of a server's message."""
    match message:
        case ParseComplete():
            return framed(b"1", b"")
        case BindComplete():
            return framed(b"2", b"")
        case CloseComplete():
            return framed(b"3", b"")
        case NoData():
            return framed(b"n", b"")
        case PortalSuspended():
            return framed(b"s", b"")
        case EmptyQueryResponse():
            return framed(b"I", b"")
        case CopyDone():
            return framed(b"c", b"")
        case CopyData():
            return framed(b"d", message.data)
        case ReadyForQuery():
            return framed(b"Z", _STATUS_BYTES[message.status])
        case CommandComplete():
            return framed(b"C", cstring(message.tag))
        case DataRow():
            return framed(b"D", counted_values(message.values))
        case RowDescription():
            return framed(
                b"T", struct.pack(">H", len(message.fields)) + b"".join(_encode_field(f) for f in message.fields)
            )
        case ParameterDescription():
            return framed(b"t", counted("I", message.oids))
        case ErrorResponse():
            return framed(b"E", _encode_report(message.fields))
        case NoticeResponse():
            return framed(b"N", _encode_report(message.fields))
        case _:
            return _encode_rare(message)


def _encode_rare(message: _RareMessage) -> bytes:
    match message:
        case AuthenticationOk():
            return framed(b"R", struct.pack(">i", 0))
        case AuthenticationCleartextPassword():
            return framed(b"R", struct.pack(">i", 3))
        case AuthenticationSASL():
            return framed(b"R", struct.pack(">i", 10) + b"".join(map(cstring, message.mechanisms)) + b"\0")
        case AuthenticationSASLContinue():
            return framed(b"R", struct.pack(">i", 11) + message.data)
        case AuthenticationSASLFinal():
            return framed(b"R", struct.pack(">i", 12) + message.data)
        case AuthenticationOther():
            return framed(b"R", struct.pack(">i", message.code) + message.data)
        case NegotiateProtocolVersion():
            head = struct.pack(">ii", message.major << 16 | message.minor, len(message.unknown_options))
            return framed(b"v", head + b"".join(map(cstring, message.unknown_options)))
        case BackendKeyData():
            return framed(b"K", struct.pack(">i", message.process_id) + message.secret_key)
        case ParameterStatus():
            return framed(b"S", cstring(message.name) + cstring(message.value))
        case NotificationResponse():
            head = struct.pack(">i", message.process_id)
            return framed(b"A", head + cstring(message.channel) + cstring(message.payload))
        case CopyResponse():
            body = struct.pack(">B", message.format) + counted("h", message.column_formats)
            return framed(_COPY_BYTES[message.direction], body)
        case FunctionCallResponse():
            return framed(b"V", value(message.value))
        case _:
            assert_never(message)


def _encode_field(field: Field) -> bytes:
    return cstring(field.name) + struct.pack(
        ">IhIhih", field.table_oid, field.attribute, field.oid, field.size, field.modifier, field.format
    )


def _encode_report(fields: Mapping[str, str]) -> bytes:
    # A zero character cannot be in a report: it would cut it short, and a report must always get through.
    pairs = (code.encode("latin-1") + cstring(text.replace("\0", "\ufffd")) for code, text in fields.items())
    return b"".join(pairs) + b"\0"
