"""A database that is only for trying a restore, and is dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from exporter.operations.console import OperationError
from exporter.operations.postgres_tools import at_database, connect

_MAY = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"


def check_allowed(url: str) -> None:
    """Raises OperationError where the user of a URL may make no database."""
    with connect(url) as connection:
        row = connection.execute(_MAY).fetchone()
    if row is None or not row[0]:
        raise OperationError(
            "a backup counts when it was restored somewhere, and this user may make no database "
            "for that: ALTER ROLE … CREATEDB, or name another server by --scratch postgresql://…"
        )


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The URL of a new, empty database of that server. Raises OperationError."""
    name = f"monitoring_verify_{secrets.token_hex(6)}"
    with connect(url) as connection:
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            )
        except psycopg.Error as error:
            raise OperationError(f"no scratch database: {str(error).strip()}") from None
    try:
        yield at_database(url, name)
    finally:
        with connect(url) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
