"""The platform's table of payments, as the runbook's SQL names it, with payments in it.

What it starts with is the same every time, moved to now: two hours of payments up to this minute,
and the same two hours a week ago, which sold a tenth less. From then on new ones trickle in.
"""

from __future__ import annotations

import asyncio
from itertools import cycle

import psycopg

from programs import Postgres

# How a hundred payments end.
SHARES = {"completed": 92, "failed": 5, "refunded": 3}
_STATUSES = [status for status, share in SHARES.items() for _ in range(share)]
# Coprime to a hundred: neighbours differ, and a hundred in a row have each once.
_STRIDE = 37
# How far apart payments are.
_SECONDS = 10
_AMOUNT = "20 + (n * 7919) % 180 + 0.99"

_TABLE = f"""
CREATE TABLE payments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  status text NOT NULL,
  amount numeric(12, 2) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON payments (created_at);
INSERT INTO payments (status, amount, created_at)
SELECT ('{{{",".join(_STATUSES)}}}'::text[])[n * {_STRIDE} % 100 + 1],
       ({_AMOUNT}) * CASE WHEN week = 0 THEN 1 ELSE 0.9 END,
       now() - week * interval '7 days' - n * interval '{_SECONDS} seconds'
FROM generate_series(0, 719) AS n CROSS JOIN generate_series(0, 1) AS week;
INSERT INTO payments (status, amount, created_at)
SELECT 'completed', ({_AMOUNT}) * 0.9,
       now() - interval '7 days' + n * interval '{_SECONDS} seconds'
FROM generate_series(1, 360) AS n;
ANALYZE payments;
"""  # noqa: S608 - constants of ours


def create(postgres: Postgres, database: str = "postgres") -> None:
    """Create and fill the table, and the database where it is not Postgres' own."""
    if database != "postgres":
        postgres.execute(f'CREATE DATABASE "{database}"')
    postgres.execute(_TABLE, database)


async def trickle(postgres: Postgres, database: str = "postgres") -> None:
    """Add a payment every ten seconds, until cancelled. A database that is down gets none."""
    for n in cycle(range(100)):
        await asyncio.sleep(_SECONDS)
        status = _STATUSES[n * _STRIDE % 100]
        try:
            async with await psycopg.AsyncConnection.connect(
                postgres.dsn(dbname=database), autocommit=True, connect_timeout=2
            ) as connection:
                await connection.execute(
                    "INSERT INTO payments (status, amount) VALUES (%s, %s)",
                    (status, 20 + n * 7919 % 180 + 0.99),
                )
        except psycopg.OperationalError:
            continue  # the demo may be breaking it on purpose
