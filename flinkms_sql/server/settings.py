"""What can be set about the frontend, with defaults, units and reasons."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flinkms_sql.pgwire.frames import MESSAGE_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendSettings:
    """Where the frontend listens and what a client may ask of it.

    hosts:             addresses to listen on; others than loopback need ``password_file``.
    port:              TCP port; 0 takes a free one.
    socket_dir:        directory of a unix socket besides (``.s.PGSQL.<port>``), half the way of TCP; None has none.
    database:          the one database clients see.
    connections_max:   sessions at one time, with or without a connection to the control database.
    links_max:         sessions connected to the control database at one time: fewer than it lets clients have, so that
                       whoever comes too late is told at once, and why.
    links_of_user_max: the same of one user, who cannot leave the others none.
    password_file:     lines ``user:verifier`` for SCRAM-SHA-256; None lets every client in.
    tls:               offers TLS to clients that ask for it, and wants it of those of other machines; None does not.
    allow_plaintext:   clients of other machines may come without TLS.
    message_bytes_max: a client's message, in bytes.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 5433
    socket_dir: Path | None = None
    database: str = "flinkms"
    connections_max: int = 500
    links_max: int = 180
    links_of_user_max: int = 150
    password_file: Path | None = None
    tls: ssl.SSLContext | None = None
    allow_plaintext: bool = False
    message_bytes_max: int = MESSAGE_BYTES_MAX


AUTHENTICATION_SECONDS_MAX = 60.0
"""Time for a client to prove who it is, in seconds: PostgreSQL's authentication_timeout."""

OUTPUT_BYTES_MAX = 256 << 10
"""Bytes waiting to be sent to a client before what it asked for is slowed down."""

INPUT_BYTES_MAX = 1 << 20
"""Bytes taken from a client ahead of what is being done, before it is not read from any more."""

ROWS_PER_WRITE = 4096
"""Rows that are encoded at once, so that a large result does not hold up other sessions."""

DEFAULT_PARAMETERS: Mapping[str, str] = {
    "server_version": "18.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "is_superuser": "off",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "application_name": "",
}
"""What clients are told where there is no control database to say it."""
