"""SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, as PostgreSQL speaks it (documentation, 54.3.1).

Must not know about connections, files or random sources: nonces and salts are arguments. Channel binding
(SCRAM-SHA-256-PLUS) is not offered; a client that insists on it is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire.wire import ProtocolError

MECHANISM = "SCRAM-SHA-256"
ITERATIONS_DEFAULT = 4096
"""Rounds of PBKDF2: PostgreSQL's scram_iterations."""
ITERATIONS_MAX = 10_000_000
"""Rounds a server may ask of us: ten seconds of hashing; more is an attack on the client."""
SALT_BYTES = 16
NONCE_BYTES = 18
"""Random bytes of a nonce: PostgreSQL's SCRAM_RAW_NONCE_LEN."""

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What a server keeps instead of a password: enough to check a proof, not enough to make one."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def text(self) -> str:
        """As in pg_authid.rolpassword: ``SCRAM-SHA-256$4096:salt$StoredKey:ServerKey``."""
        keys = f"{_encode64(self.stored_key)}:{_encode64(self.server_key)}"
        return f"{MECHANISM}${self.iterations}:{_encode64(self.salt)}${keys}"


def make_verifier(password: str, salt: bytes, iterations: int = ITERATIONS_DEFAULT) -> Verifier:
    """The verifier of a password."""
    salted = _salted_password(password, salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(iterations=iterations, salt=salt, stored_key=stored_key, server_key=_hmac(salted, b"Server Key"))


def parse_verifier(text: str) -> Verifier:
    """The verifier a line of a password file holds. Raises FlinkmsError 22023."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d{1,9}):([^$:]+)\$([^$:]+):([^$:]+)", text)
    try:
        if match is None:
            raise ValueError
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
        if not (int(match[1]) and salt and len(stored_key) == len(server_key) == hashlib.sha256().digest_size):
            raise ValueError
    except (ValueError, binascii.Error):
        raise FlinkmsError(
            errors.INVALID_PARAMETER_VALUE,
            "invalid SCRAM verifier",
            hint="Expected SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, as in pg_authid.rolpassword.",
        ) from None
    return Verifier(iterations=int(match[1]), salt=salt, stored_key=stored_key, server_key=server_key)


def decoy_verifier(user: str, secret: bytes) -> Verifier:
    """A verifier no password fits, the same at each try, so that an unknown user looks like a known one."""
    salt = _hmac(secret, b"salt:" + user.encode())[:SALT_BYTES]
    return Verifier(
        iterations=ITERATIONS_DEFAULT,
        salt=salt,
        stored_key=_hmac(secret, b"stored:" + user.encode()),
        server_key=_hmac(secret, b"server:" + user.encode()),
    )


class ServerExchange:
    """The server's side of one authentication: ``start`` with the client's first message, then ``finish``."""

    def __init__(self, verifier: Verifier, nonce: bytes) -> None:
        self._verifier = verifier
        self._nonce = _encode64(nonce)
        self._signed = ""
        self._header = ""

    def start(self, data: bytes) -> bytes:
        """The challenge to the body of SASLInitialResponse. Raises ProtocolError for a malformed one."""
        mechanism, _, rest = data.partition(b"\0")
        if mechanism.decode("latin-1") != MECHANISM:
            raise ProtocolError("client selected an invalid SASL authentication mechanism")
        if len(rest) < 4 or int.from_bytes(rest[:4], "big") != len(rest) - 4:
            raise ProtocolError("malformed SCRAM message", detail="The initial response has a wrong length.")
        first = _ascii(rest[4:])
        match = re.fullmatch(r"(([nyp])(?:=[^,]*)?,(?:a=[^,]*)?,)(n=[^,]*,r=([!-+\--~]+)(?:,.*)?)", first)
        if match is None:
            raise ProtocolError("malformed SCRAM message", detail="The client's first message cannot be read.")
        if match[2] == "p":
            raise FlinkmsError(errors.FEATURE_NOT_SUPPORTED, "SCRAM channel binding is not supported")
        self._header, bare, self._nonce = match[1], match[3], match[4] + self._nonce
        challenge = f"r={self._nonce},s={_encode64(self._verifier.salt)},i={self._verifier.iterations}"
        self._signed = f"{bare},{challenge}"
        return challenge.encode()

    def finish(self, data: bytes) -> bytes | None:
        """The server's proof, or None when the client's proof is wrong. Raises ProtocolError for a malformed message."""
        match = re.fullmatch(r"(c=([^,]*),r=([^,]*)(?:,[^,]*)*?),p=([^,]*)", _ascii(data))
        if match is None or match[3] != self._nonce or _decode64(match[2]) != self._header.encode():
            raise ProtocolError("malformed SCRAM message", detail="The client's final message does not fit.")
        signed = f"{self._signed},{match[1]}".encode()
        signature = _hmac(self._verifier.stored_key, signed)
        proof = _decode64(match[4])
        if len(proof) != len(signature):
            raise ProtocolError("malformed SCRAM message", detail="The proof has a wrong length.")
        client_key = bytes(a ^ b for a, b in zip(proof, signature))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            return None
        return b"v=" + _encode64(_hmac(self._verifier.server_key, signed)).encode()


class ClientExchange:
    """The client's side: ``start``, then ``respond`` to the challenge, then ``verify`` the server's proof."""

    def __init__(self, password: str, nonce: bytes) -> None:
        self._password = password
        self._nonce = _encode64(nonce)
        self._server_signature = b""

    def start(self) -> bytes:
        """The body of SASLInitialResponse. The user name is empty: PostgreSQL takes it from the startup packet."""
        first = f"n,,n=,r={self._nonce}".encode()
        return MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first

    def respond(self, challenge: bytes) -> bytes:
        """The body of SASLResponse. Raises ProtocolError when the challenge is malformed or not for us."""
        match = re.fullmatch(r"r=([^,]+),s=([^,]+),i=(\d{1,9})(?:,.*)?", _ascii(challenge))
        if match is None or not match[1].startswith(self._nonce) or match[1] == self._nonce:
            raise ProtocolError("malformed SCRAM message", detail="The server's challenge does not fit.")
        iterations = int(match[3])
        if not 1 <= iterations <= ITERATIONS_MAX:
            raise ProtocolError("malformed SCRAM message", detail=f"The server asks for {iterations} iterations.")
        salted = _salted_password(self._password, _decode64(match[2]), iterations)
        client_key = _hmac(salted, b"Client Key")
        final = f"c=biws,r={match[1]}"  # biws is base64 of "n,,"
        signed = f"n=,r={self._nonce},{_ascii(challenge)},{final}".encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), signed)
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{final},p={_encode64(proof)}".encode()

    def verify(self, final: bytes) -> None:
        """Check that the server knows the password too. Raises FlinkmsError 28000."""
        match = re.fullmatch(r"v=([^,]+)(?:,.*)?", _ascii(final))
        if match is None or not hmac.compare_digest(_decode64(match[1]), self._server_signature):
            raise FlinkmsError(errors.INVALID_AUTHORIZATION, "the server does not know the password of this user")


def prepare_password(password: str) -> str:
    """The password by SASLprep (RFC 4013), or as it is when SASLprep forbids it: PostgreSQL's pg_saslprep."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(test(char) for char in prepared for test in _PROHIBITED):
        return password
    if any(map(stringprep.in_table_d1, prepared)):  # right-to-left: RFC 3454, section 6
        ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not ends or any(map(stringprep.in_table_d2, prepared)):
            return password
    return prepared


def _salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", prepare_password(password).encode(), salt, iterations)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _encode64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ProtocolError("malformed SCRAM message", detail="A field is not base64.") from None


def _ascii(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("malformed SCRAM message", detail="It is not text.") from None
