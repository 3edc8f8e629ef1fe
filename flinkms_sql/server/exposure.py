"""What the frontend needs before other machines may reach it: passwords and TLS, or the word that plain text will do.

Must not know about sockets. Checked before a deployment starts and again by the frontend itself.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


def is_loopback(host: str) -> bool:
    """Whether an address, of a socket to listen on or of a client, is this machine's alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_exposure(hosts: Sequence[str], *, passwords: bool, tls: bool, allow_plaintext: bool) -> None:
    """Raise 22023 for an address off loopback that strangers could use, or whose traffic they could read."""
    for host in hosts:
        if is_loopback(host):
            continue
        if not passwords:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'will not listen on "{host}" without passwords',
                               hint="Name a password file, or listen on 127.0.0.1.")
        if not tls and not allow_plaintext:
            raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'will not listen on "{host}" without TLS',
                               hint="Give --tls-cert and --tls-key, or --allow-plaintext where the network is trusted.")


def tls_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with this certificate; None without one.

    Raises FlinkmsError: 22023 for one of the two alone or files that are no certificate and its key, 58030 when they
    cannot be read, 42501 when others may read the key.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, "a TLS certificate and its key come together",
                           hint="Give both --tls-cert and --tls-key.")
    _check_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An encrypted key would ask for its password on a terminal that is not there.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'cannot use "{certificate}" with key "{key}"',
                           detail=f"{error.reason or error}.",
                           hint="Both are PEM files; the key has no password.") from error
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f'cannot read "{certificate}"', detail=f"{error.strerror}.") from error
    return context


def _check_private(key: Path) -> None:
    """As PostgreSQL does (be-secure-common.c): 0600, or 0640 for a file of root's that a group is trusted with."""
    try:
        status = key.stat()
    except OSError as error:
        raise FlinkmsError(errors.IO_ERROR, f'cannot read "{key}"', detail=f"{error.strerror}.") from error
    allowed = 0o740 if status.st_uid == 0 != os.geteuid() else 0o700
    if stat.S_IMODE(status.st_mode) & ~allowed:
        raise FlinkmsError(errors.INSUFFICIENT_PRIVILEGE, f'private key file "{key}" has group or world access',
                           hint=f"Run: chmod 600 {key}")
