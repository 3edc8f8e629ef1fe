"""Where the control database is.

Must not know how it is connected to. psycopg only reads connection strings here, as libpq does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.conninfo import conninfo_to_dict

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendAddress:
    """Where the control database is: ``host`` starting with "/" is the directory of a unix socket.

    ``clients_own``: clients' statements run as the client's own role; ``user`` is ours, for what concerns no client.
    """

    host: str
    port: int = 5432
    user: str = "postgres"
    database: str = "postgres"
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    clients_own: bool = False

    def for_client(self, name: str) -> BackendAddress:
        """What a client of this name is connected to. Our password is not for it."""
        return replace(self, user=name, password=None) if self.clients_own else self

    @property
    def is_local(self) -> bool:
        """Whether it is reached through a unix socket."""
        return self.host.startswith("/")


def client_address(dsn: str, client_dsn: str | None) -> BackendAddress:
    """Where clients' statements go: ``dsn``'s place (the owner's) unless ``client_dsn`` names another.

    As the client's own role, unless ``client_dsn`` names one for all: never as the owner, unless it says so itself.
    """
    own = parse_dsn(dsn)
    if client_dsn is None:
        return replace(own, clients_own=True)
    found = parse_dsn(client_dsn)
    if conninfo_to_dict(client_dsn).get("user"):
        return found
    return replace(found, user=own.user, password=own.password, database=own.database, clients_own=True)


def parse_dsn(dsn: str) -> BackendAddress:
    """The address in a libpq connection string or URI. Raises FlinkmsError 22023.

    ``sslmode`` require does not verify the certificate, verify-ca and verify-full do; the others mean no TLS.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
        host = parts.get("host") or parts.get("hostaddr") or "127.0.0.1"
        user = parts.get("user") or "postgres"
        port = int(parts.get("port") or 5432)
    except (psycopg.Error, ValueError) as error:
        raise FlinkmsError(
            errors.INVALID_PARAMETER_VALUE, "invalid connection string of the control database",
            detail=f"{str(error).strip()}.", hint="Write host=… port=… user=… dbname=…, or postgresql://user@host/db.",
        ) from None  # fmt: skip
    return BackendAddress(
        host=host,
        port=port,
        user=user,
        database=parts.get("dbname") or user,
        password=parts.get("password"),
        tls=_tls_context(parts.get("sslmode", "prefer"), parts.get("sslrootcert")),
    )


def _tls_context(mode: str, root: str | None) -> ssl.SSLContext | None:
    if mode not in ("require", "verify-ca", "verify-full"):
        return None
    context = ssl.create_default_context(cafile=root)
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
