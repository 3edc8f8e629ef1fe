"""A self-signed certificate and its key, made without any program or library: ECDSA over P-256, as X.509 (RFC 5280)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
"""P-256 (FIPS 186-4, D.1.2.3); its a is -3."""

EC_PUBLIC_KEY, P_256, ECDSA_SHA256 = "2a8648ce3d0201", "2a8648ce3d030107", "2a8648ce3d040302"
COMMON_NAME, ALTERNATIVE_NAMES, BASIC_CONSTRAINTS = "550403", "551d11", "551d13"
"""Object identifiers, encoded."""

Point = tuple[int, int] | None
"""None is the point at infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Files of a certificate and of its key, both PEM; the certificate is its own root."""

    certificate: Path
    key: Path


def make_pair(folder: Path, names: Sequence[str] = ("localhost",)) -> Pair:
    """A certificate for these names and addresses, valid for a day; the key is readable by nobody else."""
    private = secrets.randbelow(N - 1) + 1
    public = b"\4" + b"".join(part.to_bytes(32, "big") for part in times(private, G) or ())
    signed = to_be_signed(names, public)
    certificate = sequence(signed, algorithm(ECDSA_SHA256), bits(signature(private, signed)))
    key = sequence(integer(1), tlv(0x04, private.to_bytes(32, "big")), tlv(0xA0, oid(P_256)), tlv(0xA1, bits(public)))
    pair = Pair(certificate=folder / "certificate.pem", key=folder / "key.pem")
    pair.certificate.write_text(pem("CERTIFICATE", certificate))
    pair.key.touch(mode=0o600)
    pair.key.write_text(pem("EC PRIVATE KEY", key))
    return pair


def to_be_signed(names: Sequence[str], public: bytes) -> bytes:
    """TBSCertificate of version 3."""
    name = sequence(tlv(0x31, sequence(oid(COMMON_NAME), tlv(0x0C, names[0].encode()))))
    now = datetime.now(timezone.utc)
    valid = [tlv(0x17, (now + timedelta(hours=hours)).strftime("%y%m%d%H%M%SZ").encode()) for hours in (-1, 24)]
    extensions = sequence(extension(BASIC_CONSTRAINTS, sequence(tlv(0x01, b"\xff"))),
                          extension(ALTERNATIVE_NAMES, sequence(*map(alternative, names))))
    return sequence(tlv(0xA0, integer(2)), integer(secrets.randbits(63)), algorithm(ECDSA_SHA256), name, sequence(*valid), name,
                    sequence(algorithm(EC_PUBLIC_KEY, P_256), bits(public)), tlv(0xA3, extensions))


def alternative(name: str) -> bytes:
    """A dNSName or an iPAddress."""
    try:
        return tlv(0x87, ip_address(name).packed)
    except ValueError:
        return tlv(0x82, name.encode())


def signature(private: int, message: bytes) -> bytes:
    """ECDSA with SHA-256."""
    digest, nonce = int.from_bytes(hashlib.sha256(message).digest(), "big"), secrets.randbelow(N - 1) + 1
    point = times(nonce, G)
    assert point is not None
    r = point[0] % N
    return sequence(integer(r), integer(pow(nonce, -1, N) * (digest + r * private) % N))


def times(factor: int, point: Point) -> Point:
    """A multiple of a point."""
    found: Point = None
    while factor:
        if factor & 1:
            found = plus(found, point)
        point, factor = plus(point, point), factor >> 1
    return found


def plus(one: Point, other: Point) -> Point:
    """The sum of two points."""
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % P == 0:
        return None
    slope = ((3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, P) if one == other
             else (other[1] - one[1]) * pow(other[0] - one[0], -1, P))
    x = (slope**2 - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def tlv(tag: int, value: bytes) -> bytes:
    """DER: a tag, the length of the value, the value."""
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + value


def sequence(*values: bytes) -> bytes:
    return tlv(0x30, b"".join(values))


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bits(value: bytes) -> bytes:
    return tlv(0x03, b"\0" + value)


def oid(encoded: str) -> bytes:
    return tlv(0x06, bytes.fromhex(encoded))


def algorithm(*identifiers: str) -> bytes:
    return sequence(*map(oid, identifiers))


def extension(identifier: str, value: bytes) -> bytes:
    return sequence(oid(identifier), tlv(0x04, value))


def pem(label: str, value: bytes) -> str:
    text = base64.b64encode(value).decode()
    lines = "\n".join(text[at:at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
