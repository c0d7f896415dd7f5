"""What a database holds, table by table, so that two of them can be compared.

A checksum is the sum of all rows' hashes: the order of rows, which a restore changes, is no matter.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

# Before a line of JSON that ends a dump: a comment, for psql.
MARK = b"-- monitoring-service, rows and checksum of each table: "

# How a row is written as text depends on these.
_WRITTEN = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET statement_timeout = 0
"""
# The same in the transaction that restores, which a difference ends.
_CHECK = """
DECLARE counted bigint; added text;
BEGIN
  SELECT * INTO counted, added FROM ({content}) found;
  IF counted <> {rows} OR added <> {checksum} THEN
    RAISE EXCEPTION 'table % has % rows instead of %, or others', {name}, counted, {rows};
  END IF;
END
"""
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_CONTENT = """
SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text
FROM {} t
"""


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows a table has, and the sum of their hashes."""

    rows: int
    checksum: str


Contents = Mapping[str, Content]


def of_postgres(connection: Connection[Any]) -> Contents:
    """Of all tables but the system's and extensions', in the connection's present transaction."""
    connection.execute(_WRITTEN)
    found = {}
    for schema, name in connection.execute(_TABLES).fetchall():
        counted = sql.SQL(_CONTENT).format(sql.Identifier(schema, name))
        row = connection.execute(counted).fetchone()
        assert row is not None  # an aggregate has one
        found[f"{schema}.{name}"] = Content(*row)
    return found


def of_sqlite(connection: sqlite3.Connection) -> Contents:
    """Of all tables, in the connection's present transaction."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' "
        "ESCAPE '~' ORDER BY name"
    )
    found = {}
    for (name,) in names.fetchall():
        quoted = name.replace('"', '""')
        rows = total = 0
        for row in connection.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - it is quoted
            rows += 1
            digest = hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8)
            total += int.from_bytes(digest.digest())
        found[name] = Content(rows, str(total))
    return found


def total(contents: Contents) -> int:
    """The rows of all tables."""
    return sum(content.rows for content in contents.values())


def differences(wanted: Contents, found: Contents) -> list[str]:
    """What is not the same, a sentence a table."""
    told = []
    for name in sorted({*wanted, *found}):
        here, there = wanted.get(name), found.get(name)
        if here is None:
            told.append(f"{name} should not be there")
        elif there is None:
            told.append(f"{name} is missing")
        elif here.rows != there.rows:
            told.append(f"{name} has {there.rows} rows, not {here.rows}")
        elif here != there:
            told.append(f"{name} has as many rows, but others")
    return told


def checks(contents: Contents) -> Iterator[bytes]:
    """SQL that fails in Postgres where tables hold something else."""
    yield f"{_WRITTEN};\n".encode()
    for name, content in contents.items():
        table = sql.Identifier(*name.split(".", 1))
        body = sql.SQL(_CHECK).format(
            content=sql.SQL(_CONTENT).format(table),
            rows=sql.Literal(content.rows),
            checksum=sql.Literal(content.checksum),
            name=sql.Literal(name),
        )
        yield sql.SQL("DO {};\n").format(sql.Literal(body.as_string(None))).as_bytes(None)


def as_comment(contents: Contents) -> bytes:
    """The line that ends a dump."""
    rows = {name: [content.rows, content.checksum] for name, content in contents.items()}
    return MARK + json.dumps(rows).encode() + b"\n"


def from_comment(line: bytes) -> Contents:
    """What such a line says. Raises ValueError where it says something else."""
    try:
        said = json.loads(line.removeprefix(MARK))
        return {name: Content(int(rows), str(checksum)) for name, (rows, checksum) in said.items()}
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"no counts of tables: {error}") from None
