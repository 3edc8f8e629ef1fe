"""The registry's schema: the files sql/catalog/0001_… in the order of their names, each applied once.

Must not know what is in them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog.connection import Connection
from flinkms_sql.errors import FlinkmsError

_SCHEMA = sqlfiles.queries("catalog/schema")
_MIGRATION = re.compile(r"catalog/\d{4}_\w+")


def migrate(connection: Connection, wanted: Callable[[str], bool] = lambda name: True) -> list[str]:
    """Apply the migrations that are wanted and not yet applied, in the caller's transaction; their names.

    Raises FlinkmsError 55000 for one that was changed after it was applied.
    """
    known = connection.execute(_SCHEMA["has_migrations"]).fetchone()["present"]
    connection.execute(_SCHEMA["migration_lock" if known else "first_lock"])
    applied = {}
    if connection.execute(_SCHEMA["has_migrations"]).fetchone()["present"]:
        applied = {row["name"]: row["sha256"] for row in connection.execute(_SCHEMA["applied"])}
    done = []
    for name in filter(_MIGRATION.fullmatch, sqlfiles.names("catalog")):
        digest = hashlib.sha256(sqlfiles.load(name).encode()).hexdigest()
        if name not in applied and wanted(name):
            connection.execute(sqlfiles.load(name))
            done.append((name, digest))
        elif applied.get(name, digest) != digest:
            raise FlinkmsError(errors.OBJECT_NOT_IN_PREREQUISITE_STATE,
                               f"migration {name} was changed after it was applied",
                               hint="Changes of the registry need a new file under sql/catalog/.")
    for name, digest in done:
        connection.execute(_SCHEMA["record"], {"name": name, "sha256": digest})
    return [name for name, _ in done]
