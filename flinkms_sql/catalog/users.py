"""Users: the roles that clients log in as, each a member of one group.

Must not know passwords: they are the frontend's to ask for. A user owns a schema of its own name, for its own tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.connection import Connection, Database
from flinkms_sql.catalog.roles import ROLES, UserRole
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.settings import DATABASE

_ACCESS = sqlfiles.queries("catalog/access")

NAME_BYTES_MAX = 63
"""Bytes of a name in PostgreSQL (NAMEDATALEN - 1)."""


class Users:
    """The users of one control database, by its owner's connection string."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def all(self) -> dict[str, UserRole]:
        """What each user is, by name."""
        with self._database.transaction() as connection:
            return {row["name"]: row["role"] for row in connection.execute(_ACCESS["users"])}

    def put(self, name: str, role: UserRole) -> None:
        """Make a user, or make one that is there another kind of user.

        Raises FlinkmsError: 22023 for a name that is no user's, 42710 for a role that is there and no user, 42P06 for a
        schema of this name that is somebody else's.
        """
        _check_name(name)
        with self._database.transaction() as connection:
            _put(connection, name, role, known=name in {row["name"] for row in connection.execute(_ACCESS["users"])})

    def ensure(self, wanted: Mapping[str, UserRole | None]) -> dict[str, UserRole | FlinkmsError]:
        """Make the users that are missing (readers, where nothing is said), and change those that are said otherwise; what
        each of those is now, or why it is not."""
        known, changed = self.all(), {}
        for name, role in wanted.items():
            if name not in known or (role is not None and known[name] != role):
                try:
                    self.put(name, role or "reader")
                    changed[name] = role or "reader"
                except FlinkmsError as error:
                    if error.sqlstate == errors.CONNECTION_FAILURE:
                        raise
                    changed[name] = error
        return changed

    def remove(self, name: str) -> None:
        """Remove a user. Raises FlinkmsError 42704 when there is none, 2BP01 while tables belong to it."""
        with self._database.transaction() as connection:
            if name not in {row["name"] for row in connection.execute(_ACCESS["users"])}:
                raise FlinkmsError(errors.UNDEFINED_OBJECT, f'user "{name}" does not exist')
            quoted = {"name": name, "quoted": sql.Identifier(name).as_string(connection)}
            if connection.execute(_ACCESS["owns_schema"], quoted).fetchone()["present"]:
                connection.execute(_template("drop_schema", name=name))
            connection.execute(_template("drop_user", name=name))


def _put(connection: Connection, name: str, role: UserRole, *, known: bool) -> None:
    quoted = {"name": sql.Identifier(name).as_string(connection)}
    connection.execute(_ACCESS["keep_created"])
    if not known:
        if connection.execute(_ACCESS["exists"], quoted).fetchone()["present"]:
            raise FlinkmsError(
                errors.DUPLICATE_OBJECT, f'role "{name}" already exists and is no user',
                hint="Choose another name. A role of the control database's own becomes a user by GRANT flinkms_reader, "
                     "flinkms_writer or flinkms_deployer to it, unless it is a superuser or may be the registry's owner.")
        connection.execute(_template("create_user", name=name))
        _create_schema(connection, name)
    for row in connection.execute(_ACCESS["groups"], quoted).fetchall():
        connection.execute(_template("revoke_group", name=name, group=row["name"]))
    connection.execute(_template("grant_group", name=name, group=f"flinkms_{role}"))


def _create_schema(connection: Connection, name: str) -> None:
    """A schema of the user's own; the user who is there from the start has none, the registry has its name."""
    if name == DATABASE:
        return
    found = connection.execute(_ACCESS["schema_owner"], {"name": name}).fetchone()
    if found is not None:
        raise FlinkmsError(errors.DUPLICATE_SCHEMA, f'schema "{name}" already exists',
                           detail=f"It belongs to {found['owner']}, who would own what user \"{name}\" puts there.",
                           hint="Choose another name, or rename the schema: ALTER SCHEMA … RENAME TO …")
    connection.execute(_template("create_schema", name=name))


def _check_name(name: str) -> None:
    reserved = name.startswith(("pg_", "flinkms_")) or name in ("public", "none", "postgres")
    if not name or reserved or len(name.encode()) > NAME_BYTES_MAX or any(not sign.isprintable() or sign == ":" for sign in name):
        raise FlinkmsError(errors.INVALID_PARAMETER_VALUE, f'"{name}" cannot be the name of a user',
                           hint=f"Choose up to {NAME_BYTES_MAX} printable characters without a colon, not beginning with "
                                "pg_ or flinkms_. Roles are " + ", ".join(ROLES) + ".")


def _template(statement: str, **names: str) -> sql.Composed:
    return sql.SQL(_ACCESS[statement]).format(**{key: sql.Identifier(name) for key, name in names.items()})
