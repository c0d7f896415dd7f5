"""Postgres' part of the catalogue, as in postgres_exporter.

Gauges and counters whose known names look like something else to promtool are untyped: a gauge
that ends in `_count`, a counter that does not end in `_total`.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType

_G, _C, _H, _U = (
    MetricType.GAUGE,
    MetricType.COUNTER,
    MetricType.HISTOGRAM,
    MetricType.UNTYPED,
)
_MAX = Collapse.MAX


def _pg(
    name: str, type_: MetricType, text: str, *labels: str, collapse: Collapse = Collapse.AVG
) -> Metric:
    return Metric(f"pg_{name}", type_, text, ("target", *labels), collapse=collapse)


PG_UP = _pg("up", _G, "Whether a new connection to Postgres can be made and used.")
PG_LAST_SCRAPE_ERROR = _pg(
    "exporter_last_scrape_error", _G, "Whether any collector failed.", collapse=_MAX
)
PG_LAST_SCRAPE_DURATION = _pg(
    "exporter_last_scrape_duration_seconds", _G, "How long the last probe of Postgres took."
)
PG_SCRAPES = _pg("exporter_scrapes_total", _C, "Probes of Postgres.", collapse=Collapse.SUM)
PG_COLLECTOR_SUCCESS = _pg(
    "scrape_collector_success",
    _G,
    "Whether a collector succeeded.",
    "collector",
    collapse=Collapse.MIN,
)
PG_COLLECTOR_DURATION = _pg(
    "scrape_collector_duration_seconds", _G, "How long a collector took.", "collector"
)
PG_ROWS_OMITTED = Metric(
    "monitoring_pg_collector_rows_omitted",
    _G,
    "Rows that a collector has left out, or folded into one, because they exceed its limit.",
    ("target", "collector"),
    collapse=_MAX,
)
PG_ROUND_TRIP = Metric(
    "monitoring_pg_round_trip_seconds",
    _H,
    "Round trip of a trivial query; one that never came back counts as over every bucket.",
    ("target",),
    collapse=Collapse.SUM,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)

# --- sessions, locks ----------------------------------------------------------------------------
_SESSION = (
    "datname",
    "state",
    "usename",
    "application_name",
    "backend_type",
    "wait_event_type",
    "wait_event",
)
PG_STAT_ACTIVITY_COUNT = _pg(
    "stat_activity_count",
    _U,
    "Connections by database, state, user, application and what they wait for.",
    *_SESSION,
)
PG_STAT_ACTIVITY_MAX_TX_DURATION = _pg(
    "stat_activity_max_tx_duration",
    _G,
    "Seconds that the oldest open transaction has lasted; 0 where none is open.",
    *_SESSION,
)
PG_LOCKS_COUNT = _pg(
    "locks_count", _U, "Locks held or waited for, by database and mode.", "datname", "mode"
)

# --- the server ---------------------------------------------------------------------------------
PG_POSTMASTER_START_TIME = _pg(
    "postmaster_start_time_seconds", _G, "When Postgres started, in unix time."
)
PG_STATIC = _pg("static", _U, "Always 1: Postgres' version.", "version", "short_version")
PG_ROLES_CONNECTION_LIMIT = _pg(
    "roles_connection_limit", _G, "Connections a role may have; -1 is no limit.", "rolname"
)
PG_WAL_SEGMENTS = _pg("wal_segments", _G, "Files of WAL.")
PG_WAL_SIZE = _pg("wal_size_bytes", _G, "Disk space of the files of WAL.")

# --- databases ----------------------------------------------------------------------------------
PG_DATABASE_SIZE = _pg("database_size_bytes", _G, "Disk space of a database.", "datname")
PG_DATABASE_CONNECTION_LIMIT = _pg(
    "database_connection_limit", _G, "Connections a database allows; -1 is no limit.", "datname"
)
PG_DATABASE_WRAPAROUND_AGE = _pg(
    "database_wraparound_age_datfrozenxid_seconds",
    _G,
    "Age, in transactions whatever the name says, of the oldest one that is not frozen.",
    "datname",
)
PG_DATABASE_WRAPAROUND_MULTIXACT_AGE = _pg(
    "database_wraparound_age_datminmxid_seconds",
    _G,
    "Age, in multixacts whatever the name says, of the oldest one that is not frozen.",
    "datname",
)


def _stat_database(name: str, text: str, type_: MetricType = _U) -> Metric:
    return _pg(f"stat_database_{name}", type_, text, "datid", "datname")


PG_STAT_DATABASE_NUMBACKENDS = _stat_database("numbackends", "Connected backends.", _G)
PG_STAT_DATABASE_XACT_COMMIT = _stat_database("xact_commit", "Transactions committed.")
PG_STAT_DATABASE_XACT_ROLLBACK = _stat_database("xact_rollback", "Transactions rolled back.")
PG_STAT_DATABASE_BLKS_READ = _stat_database("blks_read", "Blocks read from disk.")
PG_STAT_DATABASE_BLKS_HIT = _stat_database("blks_hit", "Blocks found in the buffer cache.")
PG_STAT_DATABASE_TUP_RETURNED = _stat_database("tup_returned", "Rows that scans have read.")
PG_STAT_DATABASE_TUP_FETCHED = _stat_database("tup_fetched", "Rows fetched by index scans.")
PG_STAT_DATABASE_TUP_INSERTED = _stat_database("tup_inserted", "Rows inserted.")
PG_STAT_DATABASE_TUP_UPDATED = _stat_database("tup_updated", "Rows updated.")
PG_STAT_DATABASE_TUP_DELETED = _stat_database("tup_deleted", "Rows deleted.")
PG_STAT_DATABASE_CONFLICTS = _stat_database(
    "conflicts", "Queries cancelled on a replica by conflicts with recovery."
)
PG_STAT_DATABASE_TEMP_FILES = _stat_database("temp_files", "Temporary files written.")
PG_STAT_DATABASE_TEMP_BYTES = _stat_database("temp_bytes", "Bytes of temporary files written.")
PG_STAT_DATABASE_DEADLOCKS = _stat_database("deadlocks", "Deadlocks detected.")
PG_STAT_DATABASE_BLK_READ_TIME = _stat_database(
    "blk_read_time", "Milliseconds spent reading blocks, if track_io_timing is on."
)
PG_STAT_DATABASE_BLK_WRITE_TIME = _stat_database(
    "blk_write_time", "Milliseconds spent writing blocks, if track_io_timing is on."
)
PG_STAT_DATABASE_ACTIVE_TIME = _stat_database(
    "active_time_seconds_total", "Time spent running statements; told by Postgres 14 and newer.", _C
)
PG_STAT_DATABASE_STATS_RESET = _stat_database(
    "stats_reset", "When these statistics began anew, in unix time; 0 if never."
)


def _conflicts(name: str, text: str) -> Metric:
    return _stat_database(f"conflicts_confl_{name}", f"Queries cancelled on a replica {text}.")


PG_STAT_DATABASE_CONFL_TABLESPACE = _conflicts("tablespace", "by a dropped tablespace")
PG_STAT_DATABASE_CONFL_LOCK = _conflicts("lock", "by a lock")
PG_STAT_DATABASE_CONFL_SNAPSHOT = _conflicts("snapshot", "by an old snapshot")
PG_STAT_DATABASE_CONFL_BUFFERPIN = _conflicts("bufferpin", "by a pinned buffer")
PG_STAT_DATABASE_CONFL_DEADLOCK = _conflicts("deadlock", "by a deadlock")

# --- replication, archiving ---------------------------------------------------------------------
PG_REPLICATION_LAG = _pg(
    "replication_lag_seconds",
    _G,
    "How far a replica is behind; 0 on a primary and when all that was received is replayed.",
    collapse=_MAX,
)
PG_REPLICATION_IS_REPLICA = _pg("replication_is_replica", _G, "Whether the server is a replica.")
PG_REPLICATION_LAST_REPLAY = _pg(
    "replication_last_replay_seconds",
    _G,
    "How long ago the last transaction was replayed that a replica knows of; 0 on a primary.",
    collapse=_MAX,
)
_SLOT = ("slot_name", "slot_type")
PG_REPLICATION_SLOTS_ACTIVE = _pg(
    "replication_slots_active", _G, "Whether a replication slot is in use.", *_SLOT, "database"
)
PG_REPLICATION_SLOTS_WAL_LSN_DIFF = _pg(
    "replication_slots_pg_wal_lsn_diff",
    _G,
    "Bytes of WAL that a replication slot keeps from being removed.",
    *_SLOT,
    "database",
)
PG_REPLICATION_SLOT_IS_ACTIVE = _pg(
    "replication_slot_slot_is_active", _G, "Whether a replication slot is in use.", *_SLOT
)
PG_REPLICATION_SLOT_CURRENT_WAL_LSN = _pg(
    "replication_slot_slot_current_wal_lsn", _G, "Where the server's WAL ends, in bytes.", *_SLOT
)
PG_REPLICATION_SLOT_CONFIRMED_FLUSH_LSN = _pg(
    "replication_slot_slot_confirmed_flush_lsn",
    _G,
    "Up to where the reader of a slot in use has confirmed its WAL, in bytes.",
    *_SLOT,
)
PG_REPLICATION_SLOT_SAFE_WAL_SIZE = _pg(
    "replication_slot_safe_wal_size_bytes",
    _G,
    "How much WAL may be written before a slot is in danger of being lost.",
    *_SLOT,
)
PG_REPLICATION_SLOT_WAL_STATUS = _pg(
    "replication_slot_wal_status",
    _G,
    "Always 1: whether the WAL that a slot needs is there.",
    *_SLOT,
    "wal_status",
    collapse=_MAX,
)
_STANDBY = ("application_name", "client_addr", "state", "slot_name")
PG_STAT_REPLICATION_WAL_LSN_DIFF = _pg(
    "stat_replication_pg_wal_lsn_diff",
    _G,
    "Bytes of WAL that a standby has yet to replay, as its sender knows.",
    *_STANDBY,
)
PG_STAT_REPLICATION_CURRENT_WAL_LSN = _pg(
    "stat_replication_pg_current_wal_lsn_bytes",
    _G,
    "Where the WAL of a standby's sender ends, in bytes.",
    *_STANDBY,
)
PG_STAT_REPLICATION_REPLY_TIME = _pg(
    "stat_replication_reply_time", _U, "When a standby has last replied, in unix time.", *_STANDBY
)
PG_STAT_ARCHIVER_ARCHIVED_COUNT = _pg(
    "stat_archiver_archived_count", _U, "WAL files that have been archived."
)
PG_STAT_ARCHIVER_FAILED_COUNT = _pg(
    "stat_archiver_failed_count", _U, "Failed attempts to archive a WAL file."
)
PG_STAT_ARCHIVER_LAST_ARCHIVE_AGE = _pg(
    "stat_archiver_last_archive_age", _G, "Seconds since a WAL file was archived."
)
PG_ARCHIVER_FAILING = Metric(
    "monitoring_pg_archiver_failing",
    _G,
    "Whether the last attempt to archive a WAL file failed.",
    ("target",),
)

# --- writing ------------------------------------------------------------------------------------


def _bgwriter(name: str, text: str) -> Metric:
    return _pg(f"stat_bgwriter_{name}_total", _C, text)


# Postgres 17 moved the checkpoints to pg_stat_checkpointer; the known names stay on all versions.
PG_STAT_BGWRITER_CHECKPOINTS_TIMED = _bgwriter("checkpoints_timed", "Scheduled checkpoints.")
PG_STAT_BGWRITER_CHECKPOINTS_REQ = _bgwriter("checkpoints_req", "Requested checkpoints.")
PG_STAT_BGWRITER_CHECKPOINT_WRITE_TIME = _bgwriter(
    "checkpoint_write_time", "Milliseconds that checkpoints spent writing."
)
PG_STAT_BGWRITER_CHECKPOINT_SYNC_TIME = _bgwriter(
    "checkpoint_sync_time", "Milliseconds that checkpoints spent syncing."
)
PG_STAT_BGWRITER_BUFFERS_CHECKPOINT = _bgwriter(
    "buffers_checkpoint", "Buffers written by checkpoints."
)
PG_STAT_BGWRITER_BUFFERS_CLEAN = _bgwriter(
    "buffers_clean", "Buffers written by the background writer."
)
PG_STAT_BGWRITER_MAXWRITTEN_CLEAN = _bgwriter(
    "maxwritten_clean", "Scans that the background writer stopped, having written too much."
)
PG_STAT_BGWRITER_BUFFERS_ALLOC = _bgwriter("buffers_alloc", "Buffers allocated.")
PG_STAT_BGWRITER_BUFFERS_BACKEND = _bgwriter(
    "buffers_backend", "Buffers written by backends themselves; not told by Postgres 17 and newer."
)
PG_STAT_BGWRITER_BUFFERS_BACKEND_FSYNC = _bgwriter(
    "buffers_backend_fsync", "Syncs made by backends; not told by Postgres 17 and newer."
)
PG_STAT_BGWRITER_STATS_RESET = _bgwriter(
    "stats_reset", "When these statistics began anew, in unix time; 0 if never."
)


def _checkpointer(name: str, text: str) -> Metric:
    return _pg(f"stat_checkpointer_{name}_total", _C, f"{text}; told by Postgres 17 and newer.")


PG_STAT_CHECKPOINTER_NUM_TIMED = _checkpointer("num_timed", "Scheduled checkpoints")
PG_STAT_CHECKPOINTER_NUM_REQUESTED = _checkpointer("num_requested", "Requested checkpoints")
PG_STAT_CHECKPOINTER_WRITE_TIME = _checkpointer("write_time", "Milliseconds spent writing")
PG_STAT_CHECKPOINTER_SYNC_TIME = _checkpointer("sync_time", "Milliseconds spent syncing")
PG_STAT_CHECKPOINTER_BUFFERS_WRITTEN = _checkpointer("buffers_written", "Buffers written")
