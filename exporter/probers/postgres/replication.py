"""The collectors of replication, archiving and WAL."""

from __future__ import annotations

from exporter.probers.postgres.collector import (
    FOUND,
    SLOTS,
    STANDBYS,
    Collector,
    Row,
    Server,
    Values,
    always,
    columns,
)
from model import names

_REPLICATION = """
SELECT pg_is_in_recovery()::int AS is_replica,
       CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp()))
       END AS lag,
       CASE WHEN pg_is_in_recovery()
            THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) ELSE 0
       END AS last_replay"""

_WAL_HERE = (
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
)
_SLOTS = f"""
SELECT slot_name, slot_type, coalesce(database, '') AS database, active::int AS active,
       pg_wal_lsn_diff({_WAL_HERE}, restart_lsn) AS diff,
       pg_wal_lsn_diff({_WAL_HERE}, '0/0') AS wal,
       CASE WHEN active THEN pg_wal_lsn_diff(coalesce(confirmed_flush_lsn, '0/0'), '0/0') END
         AS flushed,
       safe_wal_size, coalesce(wal_status, '') AS wal_status, count(*) OVER () AS {FOUND}
FROM pg_replication_slots ORDER BY slot_name LIMIT {SLOTS}"""
_slot_of_database = columns(
    ("slot_name", "slot_type", "database"),
    {
        "active": names.PG_REPLICATION_SLOTS_ACTIVE,
        "diff": names.PG_REPLICATION_SLOTS_WAL_LSN_DIFF,
    },
)
_slot = columns(
    ("slot_name", "slot_type"),
    {
        "active": names.PG_REPLICATION_SLOT_IS_ACTIVE,
        "wal": names.PG_REPLICATION_SLOT_CURRENT_WAL_LSN,
        "flushed": names.PG_REPLICATION_SLOT_CONFIRMED_FLUSH_LSN,
        "safe_wal_size": names.PG_REPLICATION_SLOT_SAFE_WAL_SIZE,
    },
)


def _slot_values(row: Row) -> Values:
    yield from _slot_of_database(row)
    yield from _slot(row)
    if row["wal_status"]:
        labels = (row["slot_name"], row["slot_type"], row["wal_status"])
        yield names.PG_REPLICATION_SLOT_WAL_STATUS, labels, 1.0


# Several connections of one standby may differ in nothing that we show. The view does not name
# the slot that a connection uses, but the connection's number is with the slot.
_STAT_REPLICATION = f"""
SELECT coalesce(application_name, '') AS application_name,
       coalesce(host(client_addr), '') AS client_addr, coalesce(state, '') AS state,
       coalesce(slot_name, '') AS slot_name,
       max(pg_wal_lsn_diff({_WAL_HERE}, replay_lsn)) AS diff,
       max(pg_wal_lsn_diff({_WAL_HERE}, '0/0')) AS wal,
       max(extract(epoch FROM reply_time)) AS replied, count(*) OVER () AS {FOUND}
FROM pg_stat_replication LEFT JOIN pg_replication_slots ON active_pid = pid
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT {STANDBYS}"""

_ARCHIVER = """
SELECT archived_count, failed_count,
       extract(epoch FROM now() - last_archived_time) AS age,
       (last_failed_time IS NOT NULL
        AND last_failed_time > coalesce(last_archived_time, '-infinity'))::int AS failing
FROM pg_stat_archiver"""


def _wal(server: Server) -> str | None:
    if not server.lists_wal:
        return None
    return """
SELECT count(*) AS segments, coalesce(sum(size), 0) AS size
FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"""


REPLICATION = Collector(
    "replication",
    always(_REPLICATION),
    columns(
        (),
        {
            "is_replica": names.PG_REPLICATION_IS_REPLICA,
            "lag": names.PG_REPLICATION_LAG,
            "last_replay": names.PG_REPLICATION_LAST_REPLAY,
        },
    ),
)
REPLICATION_SLOTS = Collector("replication_slots", always(_SLOTS), _slot_values, SLOTS)
STAT_REPLICATION = Collector(
    "stat_replication",
    always(_STAT_REPLICATION),
    columns(
        ("application_name", "client_addr", "state", "slot_name"),
        {
            "diff": names.PG_STAT_REPLICATION_WAL_LSN_DIFF,
            "wal": names.PG_STAT_REPLICATION_CURRENT_WAL_LSN,
            "replied": names.PG_STAT_REPLICATION_REPLY_TIME,
        },
    ),
    STANDBYS,
)
STAT_ARCHIVER = Collector(
    "stat_archiver",
    always(_ARCHIVER),
    columns(
        (),
        {
            "archived_count": names.PG_STAT_ARCHIVER_ARCHIVED_COUNT,
            "failed_count": names.PG_STAT_ARCHIVER_FAILED_COUNT,
            "age": names.PG_STAT_ARCHIVER_LAST_ARCHIVE_AGE,
            "failing": names.PG_ARCHIVER_FAILING,
        },
    ),
)
WAL = Collector(
    "wal",
    _wal,
    columns((), {"segments": names.PG_WAL_SEGMENTS, "size": names.PG_WAL_SIZE}),
)
