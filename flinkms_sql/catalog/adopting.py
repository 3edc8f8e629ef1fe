"""Whose the registry is: the embedded server's superuser sees to it at each start that it is its owner's and no client's.

In data directories of earlier versions it is a client's, who can have put anything into its schema or onto its tables.
Such a registry is not cleaned but made anew, by the migrations, and its rows are read by its former owner: nothing that a
client has written is run by anybody else. Must not run a query over what a client owns.
"""

from __future__ import annotations

import logging

import psycopg
import psycopg.conninfo
from psycopg import sql
from psycopg.rows import dict_row

from flinkms_sql import errors, sqlfiles
from flinkms_sql.catalog import rows, shadows
from flinkms_sql.catalog.connection import CONNECT_TIMEOUT_S, Connection, translated
from flinkms_sql.catalog.migrations import migrate
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.settings import DATABASE

logger = logging.getLogger(__name__)

_ADOPTING = sqlfiles.queries("catalog/adopting")

FIRST_OF_THE_OWNERS = "catalog/0006_access"
"""The migration from which on the registry has an owner of its own, and groups that may read it."""

PLAIN = "-c role=none -c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed " \
        "-c default_transaction_deferrable=off -c statement_timeout=0 -c lock_timeout=0 -c transaction_timeout=0 " \
        "-c standard_conforming_strings=on -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1"
"""Settings that a database or a role may have been given by its former owner, as our sessions need them."""


def adopt(dsn: str) -> None:
    """Give the registry to a role that no client logs in as; ``dsn`` is a superuser's. Changes nothing the second time.

    Raises FlinkmsError 55000 when roles of ours are somebody else's, and what is wrong with rows that cannot be taken over.
    """
    with translated(), _connect(dsn, options=f"{PLAIN} -c search_path=pg_catalog") as connection:
        from_a_client = connection.execute(_ADOPTING["from_a_client"]).fetchone()["present"]
        if from_a_client:
            _check_roles(connection)
        connection.execute(sqlfiles.load("catalog/adopt"))
        if from_a_client:
            with _connect(dsn, user=DATABASE, options=PLAIN) as former:
                _make_anew(connection, former)


def _connect(dsn: str, **given: str) -> Connection:
    return psycopg.connect(psycopg.conninfo.make_conninfo(dsn, client_encoding="utf8", **given), row_factory=dict_row,
                           connect_timeout=CONNECT_TIMEOUT_S)


def _check_roles(connection: Connection) -> None:
    taken = [row["name"] for row in connection.execute(_ADOPTING["roles_in_the_way"])]
    if taken:
        raise FlinkmsError(
            errors.OBJECT_NOT_IN_PREREQUISITE_STATE, f"cannot take over the registry: role {', '.join(taken)} was made by a client",
            detail="Roles of these names are to own and to read the registry, and whoever made them may be them.",
            hint="Drop or rename them with the earlier version.")


def _make_anew(connection: Connection, former: Connection) -> None:
    """Set the registry aside, make it anew and fill it with what its former owner reads there."""
    recorded = {row["name"] for row in former.execute(_ADOPTING["recorded"])}
    connection.execute(_ADOPTING["set_aside"])
    connection.execute(_ADOPTING["become_owner"])
    migrate(connection, lambda name: name in recorded and name < FIRST_OF_THE_OWNERS)
    for row in connection.execute(_ADOPTING["tables_to_fill"]).fetchall():
        _fill(connection, former, row["name"], row["columns"])
    connection.execute(_ADOPTING["number_jobs_on"])
    connection.execute(_ADOPTING["become_superuser"])
    connection.execute(_ADOPTING["set_shadows_aside"])
    connection.execute(_ADOPTING["become_owner"])
    try:
        for row in connection.execute(sqlfiles.queries("catalog/tables")["list"]).fetchall():
            shadows.declare_table(connection, rows.table(row))
        migrate(connection)
        for row in connection.execute(sqlfiles.queries("catalog/models")["list"]).fetchall():
            shadows.create_stubs(connection, rows.model(row))
    except (KeyError, TypeError, ValueError) as error:
        raise FlinkmsError(errors.DATA_EXCEPTION, "cannot take over the registry: it holds what no version has written",
                           detail=repr(error)) from error
    logger.warning("the registry belonged to a client's role and was made anew: what that role had added to it is in the schemas "
                   "flinkms_former and flinkms_former_public")


def _fill(connection: Connection, former: Connection, table: str, columns: list[str]) -> None:
    """Copy a table's rows. The former owner's session may run what its owner has written there: as itself."""
    names = {"table": sql.Identifier(table), "columns": sql.SQL(", ").join(map(sql.Identifier, columns))}
    read, written = sql.SQL(_ADOPTING["copy_out"]).format(**names), sql.SQL(_ADOPTING["copy_in"]).format(**names)
    with former.cursor().copy(read) as source, connection.cursor().copy(written) as target:
        for block in source:
            target.write(block)
