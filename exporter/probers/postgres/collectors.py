"""All collectors: one query each, and the samples that its rows become.

Each query returns a bounded number of rows. Names and meaning of the series are
postgres_exporter's; what Postgres' versions have moved is found where it is now.
"""

from __future__ import annotations

from exporter.probers.postgres.collector import Collector, Row, Server, Values, always, columns
from exporter.probers.postgres.databases import DATABASE, ROLE_LIMITS, STAT_DATABASE
from exporter.probers.postgres.replication import (
    REPLICATION,
    REPLICATION_SLOTS,
    STAT_ARCHIVER,
    STAT_REPLICATION,
    WAL,
)
from exporter.probers.postgres.sessions import ACTIVITY, LOCKS
from exporter.probers.postgres.settings import SETTINGS
from exporter.probers.postgres.tables import STATIO, USER_TABLES, VACUUM
from model import names

# The first major version of Postgres whose checkpoints are told by pg_stat_checkpointer.
_CHECKPOINTER = 17

_BGWRITER_16 = """
SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time,
       buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_alloc, buffers_backend,
       buffers_backend_fsync, coalesce(extract(epoch FROM stats_reset), 0) AS reset
FROM pg_stat_bgwriter"""
_BGWRITER_17 = """
SELECT num_timed AS checkpoints_timed, num_requested AS checkpoints_req,
       write_time AS checkpoint_write_time, sync_time AS checkpoint_sync_time,
       buffers_written AS buffers_checkpoint, buffers_clean, maxwritten_clean, buffers_alloc,
       num_timed, num_requested, write_time, sync_time, buffers_written,
       coalesce(extract(epoch FROM b.stats_reset), 0) AS reset
FROM pg_stat_bgwriter AS b CROSS JOIN pg_stat_checkpointer"""
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
    "reset": names.PG_STAT_BGWRITER_STATS_RESET,
    "num_timed": names.PG_STAT_CHECKPOINTER_NUM_TIMED,
    "num_requested": names.PG_STAT_CHECKPOINTER_NUM_REQUESTED,
    "write_time": names.PG_STAT_CHECKPOINTER_WRITE_TIME,
    "sync_time": names.PG_STAT_CHECKPOINTER_SYNC_TIME,
    "buffers_written": names.PG_STAT_CHECKPOINTER_BUFFERS_WRITTEN,
}


def _bgwriter(server: Server) -> str:
    return _BGWRITER_17 if server.major >= _CHECKPOINTER else _BGWRITER_16


_STATIC = """
SELECT version() AS version, number / 10000 || '.' || number % 10000 || '.0' AS short_version
FROM (SELECT current_setting('server_version_num')::int AS number) AS server"""


def _static(row: Row) -> Values:
    yield names.PG_STATIC, (row["version"], row["short_version"]), 1.0


COLLECTORS: tuple[Collector, ...] = (
    ACTIVITY,
    SETTINGS,
    Collector(
        "postmaster",
        always("SELECT extract(epoch FROM pg_postmaster_start_time()) AS started"),
        columns((), {"started": names.PG_POSTMASTER_START_TIME}),
    ),
    Collector("static", always(_STATIC), _static),
    LOCKS,
    DATABASE,
    STAT_DATABASE,
    ROLE_LIMITS,
    USER_TABLES,
    STATIO,
    VACUUM,
    REPLICATION,
    REPLICATION_SLOTS,
    STAT_REPLICATION,
    STAT_ARCHIVER,
    WAL,
    Collector("stat_bgwriter", _bgwriter, columns((), _BGWRITER_METRICS)),
)
