"""A client's messages as bytes, both ways.

Must not know when a message is allowed (``state``) nor what a statement means. Decoding raises ProtocolError for a
malformed body and FlinkmsError 22021 for text that is not UTF-8.
"""

from __future__ import annotations

import struct

from typing_extensions import assert_never

from flinkms_sql.pgwire.frames import Frame
from flinkms_sql.pgwire.messages import (
    Bind,
    CancelRequest,
    ClientMessage,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    GSSENCRequest,
    Parse,
    Password,
    Query,
    SSLRequest,
    Startup,
    StartupPacket,
    Sync,
    Target,
    Terminate,
)
from flinkms_sql.pgwire.wire import Body, MalformedMessage, ProtocolError, counted, counted_values, cstring, framed

# PostgreSQL src/include/libpq/pqcomm.h
_CANCEL_CODE = 1234 << 16 | 5678
_SSL_CODE = 1234 << 16 | 5679
_GSSENC_CODE = 1234 << 16 | 5680
SECRET_KEY_BYTES_MAX = 256
"""A secret key, in bytes: the limit of protocol 3.2."""

_TARGETS: dict[bytes, Target] = {b"S": "statement", b"P": "portal"}
_TARGET_BYTES: dict[Target, bytes] = {"statement": b"S", "portal": b"P"}


def decode(frame: Frame) -> ClientMessage:
    """The message in a frame a client sent."""
    match frame.kind:
        case b"":
            return _startup_packet(Body(frame.raw, 4))
        case b"p":
            return Password(data=frame.body)
        case b"d":
            return CopyData(data=frame.body)
        case b"F":
            return FunctionCall(body=frame.body)
    body = Body(frame.raw, 5)
    message = _ordinary(frame.kind, body)
    body.end()
    return message


def _ordinary(kind: bytes, body: Body) -> ClientMessage:
    match kind:
        case b"Q":
            return Query(text=body.cstring())
        case b"P":
            name, text = body.cstring(), body.cstring()
            return Parse(statement=name, text=text, oids=tuple(body.int32() & 0xFFFFFFFF for _ in range(body.count())))
        case b"B":
            return _bind(body)
        case b"D":
            return Describe(target=_target(body), name=body.cstring())
        case b"E":
            return Execute(portal=body.cstring(), row_limit=max(body.int32(), 0))
        case b"C":
            return Close(target=_target(body), name=body.cstring())
        case b"H":
            return Flush()
        case b"S":
            return Sync()
        case b"X":
            return Terminate()
        case b"c":
            return CopyDone()
        case b"f":
            return CopyFail(message=body.cstring())
    raise ProtocolError(f"invalid frontend message type {kind[0]}")


def _bind(body: Body) -> Bind:
    portal, statement = body.cstring(), body.cstring()
    formats = _formats(body)
    values = tuple(body.value() for _ in range(body.count()))
    if len(formats) > 1 and len(formats) != len(values):
        raise MalformedMessage(f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
    return Bind(portal=portal, statement=statement, formats=formats, values=values, result_formats=_formats(body))


def _formats(body: Body) -> tuple[int, ...]:
    formats = tuple(body.int16() for _ in range(body.count()))
    for code in formats:
        if code not in (0, 1):
            raise MalformedMessage(f"unsupported format code: {code}")
    return formats


def _target(body: Body) -> Target:
    byte = body.byte()
    if byte not in _TARGETS:
        raise MalformedMessage(f"invalid DESCRIBE or CLOSE message subtype {byte[0]}")
    return _TARGETS[byte]


def _startup_packet(body: Body) -> StartupPacket:
    code = body.int32()
    if code == _SSL_CODE:
        body.end()
        return SSLRequest()
    if code == _GSSENC_CODE:
        body.end()
        return GSSENCRequest()
    if code == _CANCEL_CODE:
        process_id, key = body.int32(), body.rest()
        if not 4 <= len(key) <= SECRET_KEY_BYTES_MAX:
            raise ProtocolError("invalid length of cancel request packet")
        return CancelRequest(process_id=process_id, secret_key=key)
    parameters: dict[str, str] = {}
    while name := body.cstring():
        parameters[name] = body.cstring()
    body.end()
    return Startup(major=code >> 16, minor=code & 0xFFFF, parameters=parameters)


def encode(message: ClientMessage) -> bytes:
    """The bytes of a client's message."""
    match message:
        case SSLRequest():
            return struct.pack(">ii", 8, _SSL_CODE)
        case GSSENCRequest():
            return struct.pack(">ii", 8, _GSSENC_CODE)
        case CancelRequest():
            return struct.pack(">iii", 12 + len(message.secret_key), _CANCEL_CODE, message.process_id) + (
                message.secret_key
            )
        case Startup():
            pairs = b"".join(cstring(name) + cstring(value) for name, value in message.parameters.items())
            return struct.pack(">ii", 9 + len(pairs), message.major << 16 | message.minor) + pairs + b"\0"
        case Password():
            return framed(b"p", message.data)
        case Query():
            return framed(b"Q", cstring(message.text))
        case Parse():
            return framed(b"P", cstring(message.statement) + cstring(message.text) + counted("I", message.oids))
        case Bind():
            names = cstring(message.portal) + cstring(message.statement)
            formats, results = counted("h", message.formats), counted("h", message.result_formats)
            return framed(b"B", names + formats + counted_values(message.values) + results)
        case Describe():
            return framed(b"D", _TARGET_BYTES[message.target] + cstring(message.name))
        case Execute():
            return framed(b"E", cstring(message.portal) + struct.pack(">i", message.row_limit))
        case Close():
            return framed(b"C", _TARGET_BYTES[message.target] + cstring(message.name))
        case Flush():
            return framed(b"H", b"")
        case Sync():
            return framed(b"S", b"")
        case Terminate():
            return framed(b"X", b"")
        case FunctionCall():
            return framed(b"F", message.body)
        case CopyData():
            return framed(b"d", message.data)
        case CopyDone():
            return framed(b"c", b"")
        case CopyFail():
            return framed(b"f", cstring(message.message))
        case _:
            assert_never(message)

