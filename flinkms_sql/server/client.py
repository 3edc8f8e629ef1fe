"""A client of the frontend, as an application would write it: for the commands that ask a running deployment."""

from __future__ import annotations

import psycopg

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.settings import DATABASE, Settings

CONNECT_TIMEOUT_S = 5


def connect(settings: Settings) -> psycopg.Connection:
    """An autocommit connection to the frontend of these settings. Raises FlinkmsError 08006."""
    try:
        return psycopg.connect(host=settings.host, port=settings.port, dbname=DATABASE, user=DATABASE, autocommit=True,
                               connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.OperationalError as error:
        raise FlinkmsError(errors.CONNECTION_FAILURE, f"could not connect to {settings.host}:{settings.port}",
                           detail=" ".join(str(error).split()), hint="flinkms up starts a deployment.") from error
