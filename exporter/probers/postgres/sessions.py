"""The collectors of sessions and locks."""

from __future__ import annotations

from exporter.probers.postgres.collector import (
    DATABASES,
    FOUND,
    SESSION_GROUPS,
    Collector,
    always,
    columns,
)
from model import names

_LABELS = names.PG_STAT_ACTIVITY_COUNT.labels[1:]
_FOLDED = ",\n       ".join(
    f"CASE WHEN n <= {SESSION_GROUPS} THEN {label} ELSE 'other' END AS {label}" for label in _LABELS
)
_PLACES = ", ".join(str(place) for place in range(1, len(_LABELS) + 1))

# Without pg_monitor all but the database and user of others' sessions is hidden from us. As
# postgres_exporter does, every state of every database, so that an alert on none does not miss it.
ACTIVITY_QUERY = f"""
WITH groups AS MATERIALIZED (
  SELECT coalesce(datname, '') AS datname,
         coalesce(state, CASE WHEN backend_type IS NULL THEN 'hidden' ELSE 'disabled' END)
           AS state,
         coalesce(usename, '') AS usename,
         coalesce(application_name, '') AS application_name,
         coalesce(backend_type, '') AS backend_type,
         coalesce(wait_event_type, '') AS wait_event_type,
         coalesce(wait_event, '') AS wait_event,
         count(*) AS count,
         coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS max_tx
  FROM pg_stat_activity
  WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)
  GROUP BY {_PLACES}
)
SELECT {_FOLDED},
       sum(count) AS count, max(max_tx) AS max_tx, max({FOUND}) AS {FOUND}
FROM (
  SELECT *, row_number() OVER (ORDER BY count DESC, {", ".join(_LABELS)}) AS n,
         count(*) OVER () AS {FOUND}
  FROM groups
) AS ranked
GROUP BY {_PLACES}
UNION ALL
SELECT datname, known.state, '', '', '', '', '', 0, 0, (SELECT count(*) FROM groups)
FROM (SELECT datname FROM pg_database ORDER BY datname LIMIT {DATABASES}) AS databases
CROSS JOIN unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)',
  'fastpath function call', 'disabled']) AS known(state)
WHERE NOT EXISTS (
  SELECT FROM groups WHERE groups.datname = databases.datname AND groups.state = known.state
)"""

# As postgres_exporter does, every mode of every database, so that a series does not come and go.
_LOCKS = f"""
SELECT datname, mode, coalesce(count, 0) AS count, {FOUND}
FROM (
  SELECT oid, datname, count(*) OVER () AS {FOUND} FROM pg_database
  ORDER BY datname LIMIT {DATABASES}
) AS databases
CROSS JOIN unnest(ARRAY['accesssharelock', 'rowsharelock', 'rowexclusivelock',
  'shareupdateexclusivelock', 'sharelock', 'sharerowexclusivelock', 'exclusivelock',
  'accessexclusivelock', 'sireadlock']) AS mode
LEFT JOIN (
  SELECT database AS oid, lower(mode) AS mode, count(*) AS count
  FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2
) AS held USING (oid, mode)"""

ACTIVITY = Collector(
    "stat_activity",
    always(ACTIVITY_QUERY),
    columns(
        _LABELS,
        {
            "count": names.PG_STAT_ACTIVITY_COUNT,
            "max_tx": names.PG_STAT_ACTIVITY_MAX_TX_DURATION,
        },
    ),
    SESSION_GROUPS,
)
LOCKS = Collector(
    "locks",
    always(_LOCKS),
    columns(("datname", "mode"), {"count": names.PG_LOCKS_COUNT}),
    DATABASES,
)
