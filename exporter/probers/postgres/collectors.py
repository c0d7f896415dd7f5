"""The collectors: one query each, and the samples that its rows become.

Each query returns a bounded number of rows. Names and meaning of the series are
postgres_exporter's; what Postgres' versions have moved is found where it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.probers.postgres import settings
from exporter.probers.result import Sample
from model import names
from model.metric import Metric

# A row as JSON has it: column to value.
Row = Mapping[str, Any]

# What one server may add to Prometheus; what is beyond is counted in PG_ROWS_OMITTED.
DATABASES = 100
TABLES = 100
SESSION_GROUPS = 100
SLOTS = 50
STANDBYS = 50
# The first major version of Postgres whose checkpoints are told by pg_stat_checkpointer.
CHECKPOINTER = 17
# The column in which a query with a limit says how many rows there were before it.
_FOUND = "found"


@dataclass(frozen=True, slots=True)
class Collector:
    """A query, by the major version of the server, and what its rows become.

    `limit` is how many rows it returns at most, None if their number is fixed; the column `found`
    then says how many there were.
    """

    name: str
    query: Callable[[int], str]
    samples: Callable[[Sequence[Row]], list[Sample]]
    limit: int | None = None

    def omitted(self, rows: Sequence[Row]) -> int:
        """How many rows the limit has kept out, or folded into one."""
        return max(0, int(rows[0][_FOUND]) - self.limit) if self.limit and rows else 0


def _columns(labels: Sequence[str], metrics: Mapping[str, Metric]) -> Callable[..., list[Sample]]:
    """Rows in which each column named is a metric; NULL is no sample."""

    def samples(rows: Sequence[Row]) -> list[Sample]:
        found = []
        for row in rows:
            values = tuple([str(row[label]) for label in labels])
            for column, metric in metrics.items():
                value = row.get(column)
                if value is not None:
                    found.append(Sample(metric, values, float(value)))
        return found

    return samples


def _always(query: str) -> Callable[[int], str]:
    return lambda _major: query


# --- sessions, locks ----------------------------------------------------------------------------

# Without pg_monitor all but the database and user of others' sessions is hidden from us.
_ACTIVITY = f"""
SELECT CASE WHEN n <= {SESSION_GROUPS} THEN datname ELSE 'other' END AS datname,
       CASE WHEN n <= {SESSION_GROUPS} THEN state ELSE 'other' END AS state,
       CASE WHEN n <= {SESSION_GROUPS} THEN usename ELSE 'other' END AS usename,
       CASE WHEN n <= {SESSION_GROUPS} THEN application_name ELSE 'other' END AS application_name,
       sum(count) AS count, max(max_tx) AS max_tx, max({_FOUND}) AS {_FOUND}
FROM (
  SELECT *, row_number() OVER (ORDER BY count DESC, datname, state, usename, application_name) AS n,
         count(*) OVER () AS {_FOUND}
  FROM (
    SELECT coalesce(datname, '') AS datname,
           coalesce(state, CASE WHEN backend_type IS NULL THEN 'hidden' ELSE 'disabled' END)
             AS state,
           coalesce(usename, '') AS usename,
           coalesce(application_name, '') AS application_name,
           count(*) AS count,
           coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS max_tx
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)
    GROUP BY 1, 2, 3, 4
  ) AS groups
) AS ranked
GROUP BY 1, 2, 3, 4"""


def _activity(rows: Sequence[Row]) -> list[Sample]:
    samples = []
    oldest: dict[tuple[str, str], float] = {}
    for row in rows:
        labels = (row["datname"], row["state"])
        longer = (*labels, row["usename"], row["application_name"])
        samples.append(Sample(names.PG_STAT_ACTIVITY_COUNT, longer, row["count"]))
        oldest[labels] = max(oldest.get(labels, 0.0), float(row["max_tx"]))
    metric = names.PG_STAT_ACTIVITY_MAX_TX_DURATION
    return samples + [Sample(metric, labels, value) for labels, value in oldest.items()]


# As postgres_exporter does, every mode of every database, so that a series does not come and go.
_LOCKS = f"""
SELECT datname, mode, coalesce(count, 0) AS count, {_FOUND}
FROM (
  SELECT oid, datname, count(*) OVER () AS {_FOUND} FROM pg_database
  ORDER BY datname LIMIT {DATABASES}
) AS databases
CROSS JOIN unnest(ARRAY['accesssharelock', 'rowsharelock', 'rowexclusivelock',
  'shareupdateexclusivelock', 'sharelock', 'sharerowexclusivelock', 'exclusivelock',
  'accessexclusivelock', 'sireadlock']) AS mode
LEFT JOIN (
  SELECT database AS oid, lower(mode) AS mode, count(*) AS count
  FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2
) AS held USING (oid, mode)"""

# --- databases ----------------------------------------------------------------------------------

# A database that is dropped meanwhile has no size.
_DATABASE = f"""
SELECT datname, pg_database_size(oid) AS size, datconnlimit, age(datfrozenxid) AS age, {_FOUND}
FROM (
  SELECT oid, datname, datconnlimit, datfrozenxid, count(*) OVER () AS {_FOUND} FROM pg_database
  WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')
  ORDER BY datname LIMIT {DATABASES}
) AS databases"""

_STAT_DATABASE_METRICS = {
    "numbackends": names.PG_STAT_DATABASE_NUMBACKENDS,
    "xact_commit": names.PG_STAT_DATABASE_XACT_COMMIT,
    "xact_rollback": names.PG_STAT_DATABASE_XACT_ROLLBACK,
    "blks_read": names.PG_STAT_DATABASE_BLKS_READ,
    "blks_hit": names.PG_STAT_DATABASE_BLKS_HIT,
    "tup_returned": names.PG_STAT_DATABASE_TUP_RETURNED,
    "tup_fetched": names.PG_STAT_DATABASE_TUP_FETCHED,
    "tup_inserted": names.PG_STAT_DATABASE_TUP_INSERTED,
    "tup_updated": names.PG_STAT_DATABASE_TUP_UPDATED,
    "tup_deleted": names.PG_STAT_DATABASE_TUP_DELETED,
    "conflicts": names.PG_STAT_DATABASE_CONFLICTS,
    "temp_files": names.PG_STAT_DATABASE_TEMP_FILES,
    "temp_bytes": names.PG_STAT_DATABASE_TEMP_BYTES,
    "deadlocks": names.PG_STAT_DATABASE_DEADLOCKS,
    "blk_read_time": names.PG_STAT_DATABASE_BLK_READ_TIME,
    "blk_write_time": names.PG_STAT_DATABASE_BLK_WRITE_TIME,
}
# Shared objects are counted under no name: they are no database.
_STAT_DATABASE = f"""
SELECT datid, datname, {", ".join(_STAT_DATABASE_METRICS)}, count(*) OVER () AS {_FOUND}
FROM pg_stat_database WHERE datname IS NOT NULL ORDER BY datname LIMIT {DATABASES}"""

_USER_TABLES = f"""
SELECT current_database() AS datname, schemaname, relname, n_live_tup, n_dead_tup,
       coalesce(extract(epoch FROM last_autovacuum), 0) AS last_autovacuum,
       coalesce(extract(epoch FROM last_autoanalyze), 0) AS last_autoanalyze,
       count(*) OVER () AS {_FOUND}
FROM pg_stat_user_tables
ORDER BY n_live_tup + n_dead_tup DESC, schemaname, relname LIMIT {TABLES}"""

# --- replication, archiving ---------------------------------------------------------------------

_REPLICATION = """
SELECT pg_is_in_recovery()::int AS is_replica,
       CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp()))
       END AS lag"""

_WAL_HERE = (
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
)
_SLOTS = f"""
SELECT slot_name, slot_type, active::int AS active,
       pg_wal_lsn_diff({_WAL_HERE}, restart_lsn) AS diff, count(*) OVER () AS {_FOUND}
FROM pg_replication_slots ORDER BY slot_name LIMIT {SLOTS}"""

# Several connections of one standby may differ in nothing that we show.
_STAT_REPLICATION = f"""
SELECT coalesce(application_name, '') AS application_name,
       coalesce(host(client_addr), '') AS client_addr, coalesce(state, '') AS state,
       max(pg_wal_lsn_diff({_WAL_HERE}, replay_lsn)) AS diff, count(*) OVER () AS {_FOUND}
FROM pg_stat_replication GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT {STANDBYS}"""

_ARCHIVER = """
SELECT archived_count, failed_count,
       extract(epoch FROM now() - last_archived_time) AS age,
       (last_failed_time IS NOT NULL
        AND last_failed_time > coalesce(last_archived_time, '-infinity'))::int AS failing
FROM pg_stat_archiver"""

# --- writing ------------------------------------------------------------------------------------

_BGWRITER_16 = """
SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time,
       buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_alloc, buffers_backend,
       buffers_backend_fsync
FROM pg_stat_bgwriter"""
_BGWRITER_17 = """
SELECT num_timed AS checkpoints_timed, num_requested AS checkpoints_req,
       write_time AS checkpoint_write_time, sync_time AS checkpoint_sync_time,
       buffers_written AS buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_alloc,
       num_timed, num_requested, write_time, sync_time, buffers_written
FROM pg_stat_bgwriter CROSS JOIN pg_stat_checkpointer"""
_BGWRITER_METRICS = {
    "checkpoints_timed": names.PG_STAT_BGWRITER_CHECKPOINTS_TIMED,
    "checkpoints_req": names.PG_STAT_BGWRITER_CHECKPOINTS_REQ,
    "checkpoint_write_time": names.PG_STAT_BGWRITER_CHECKPOINT_WRITE_TIME,
    "checkpoint_sync_time": names.PG_STAT_BGWRITER_CHECKPOINT_SYNC_TIME,
    "buffers_checkpoint": names.PG_STAT_BGWRITER_BUFFERS_CHECKPOINT,
    "buffers_clean": names.PG_STAT_BGWRITER_BUFFERS_CLEAN,
    "maxwritten_clean": names.PG_STAT_BGWRITER_MAXWRITTEN_CLEAN,
    "buffers_alloc": names.PG_STAT_BGWRITER_BUFFERS_ALLOC,
    "buffers_backend": names.PG_STAT_BGWRITER_BUFFERS_BACKEND,
    "buffers_backend_fsync": names.PG_STAT_BGWRITER_BUFFERS_BACKEND_FSYNC,
    "num_timed": names.PG_STAT_CHECKPOINTER_NUM_TIMED,
    "num_requested": names.PG_STAT_CHECKPOINTER_NUM_REQUESTED,
    "write_time": names.PG_STAT_CHECKPOINTER_WRITE_TIME,
    "sync_time": names.PG_STAT_CHECKPOINTER_SYNC_TIME,
    "buffers_written": names.PG_STAT_CHECKPOINTER_BUFFERS_WRITTEN,
}

COLLECTORS: tuple[Collector, ...] = (
    Collector("stat_activity", _always(_ACTIVITY), _activity, SESSION_GROUPS),
    Collector("settings", _always(settings.QUERY), _columns((), settings.METRICS)),
    Collector(
        "postmaster",
        _always("SELECT extract(epoch FROM pg_postmaster_start_time()) AS started"),
        _columns((), {"started": names.PG_POSTMASTER_START_TIME}),
    ),
    Collector(
        "locks",
        _always(_LOCKS),
        _columns(("datname", "mode"), {"count": names.PG_LOCKS_COUNT}),
        DATABASES,
    ),
    Collector(
        "database",
        _always(_DATABASE),
        _columns(
            ("datname",),
            {
                "size": names.PG_DATABASE_SIZE,
                "datconnlimit": names.PG_DATABASE_CONNECTION_LIMIT,
                "age": names.PG_DATABASE_WRAPAROUND_AGE,
            },
        ),
        DATABASES,
    ),
    Collector(
        "stat_database",
        _always(_STAT_DATABASE),
        _columns(("datid", "datname"), _STAT_DATABASE_METRICS),
        DATABASES,
    ),
    Collector(
        "stat_user_tables",
        _always(_USER_TABLES),
        _columns(
            ("datname", "schemaname", "relname"),
            {
                "n_live_tup": names.PG_STAT_USER_TABLES_N_LIVE_TUP,
                "n_dead_tup": names.PG_STAT_USER_TABLES_N_DEAD_TUP,
                "last_autovacuum": names.PG_STAT_USER_TABLES_LAST_AUTOVACUUM,
                "last_autoanalyze": names.PG_STAT_USER_TABLES_LAST_AUTOANALYZE,
            },
        ),
        TABLES,
    ),
    Collector(
        "replication",
        _always(_REPLICATION),
        _columns(
            (), {"is_replica": names.PG_REPLICATION_IS_REPLICA, "lag": names.PG_REPLICATION_LAG}
        ),
    ),
    Collector(
        "replication_slots",
        _always(_SLOTS),
        _columns(
            ("slot_name", "slot_type"),
            {
                "active": names.PG_REPLICATION_SLOTS_ACTIVE,
                "diff": names.PG_REPLICATION_SLOTS_WAL_LSN_DIFF,
            },
        ),
        SLOTS,
    ),
    Collector(
        "stat_replication",
        _always(_STAT_REPLICATION),
        _columns(
            ("application_name", "client_addr", "state"),
            {"diff": names.PG_STAT_REPLICATION_WAL_LSN_DIFF},
        ),
        STANDBYS,
    ),
    Collector(
        "stat_archiver",
        _always(_ARCHIVER),
        _columns(
            (),
            {
                "archived_count": names.PG_STAT_ARCHIVER_ARCHIVED_COUNT,
                "failed_count": names.PG_STAT_ARCHIVER_FAILED_COUNT,
                "age": names.PG_STAT_ARCHIVER_LAST_ARCHIVE_AGE,
                "failing": names.PG_ARCHIVER_FAILING,
            },
        ),
    ),
    Collector(
        "stat_bgwriter",
        lambda major: _BGWRITER_17 if major >= CHECKPOINTER else _BGWRITER_16,
        _columns((), _BGWRITER_METRICS),
    ),
)
