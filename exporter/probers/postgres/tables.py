"""The collectors of tables: those of the connected database, the largest."""

from __future__ import annotations

from exporter.probers.postgres.collector import (
    FOUND,
    TABLES,
    VACUUMS,
    Collector,
    Row,
    Server,
    Values,
    always,
    columns,
)
from model import names

# The first major version of Postgres whose vacuum counts what it remembers in bytes.
_DEAD_TUPLE_BYTES = 17

_TOP = f"""
  SELECT *, count(*) OVER () AS {FOUND} FROM pg_stat_user_tables
  ORDER BY n_live_tup + n_dead_tup DESC, schemaname, relname LIMIT {TABLES}"""

_COLUMNS = {
    "n_live_tup": names.PG_STAT_USER_TABLES_N_LIVE_TUP,
    "n_dead_tup": names.PG_STAT_USER_TABLES_N_DEAD_TUP,
    "n_mod_since_analyze": names.PG_STAT_USER_TABLES_N_MOD_SINCE_ANALYZE,
    "seq_scan": names.PG_STAT_USER_TABLES_SEQ_SCAN,
    "seq_tup_read": names.PG_STAT_USER_TABLES_SEQ_TUP_READ,
    "idx_scan": names.PG_STAT_USER_TABLES_IDX_SCAN,
    "idx_tup_fetch": names.PG_STAT_USER_TABLES_IDX_TUP_FETCH,
    "n_tup_ins": names.PG_STAT_USER_TABLES_N_TUP_INS,
    "n_tup_upd": names.PG_STAT_USER_TABLES_N_TUP_UPD,
    "n_tup_del": names.PG_STAT_USER_TABLES_N_TUP_DEL,
    "n_tup_hot_upd": names.PG_STAT_USER_TABLES_N_TUP_HOT_UPD,
    "vacuum_count": names.PG_STAT_USER_TABLES_VACUUM_COUNT,
    "autovacuum_count": names.PG_STAT_USER_TABLES_AUTOVACUUM_COUNT,
    "analyze_count": names.PG_STAT_USER_TABLES_ANALYZE_COUNT,
    "autoanalyze_count": names.PG_STAT_USER_TABLES_AUTOANALYZE_COUNT,
}
_TIMES = {
    "last_vacuum": names.PG_STAT_USER_TABLES_LAST_VACUUM,
    "last_autovacuum": names.PG_STAT_USER_TABLES_LAST_AUTOVACUUM,
    "last_analyze": names.PG_STAT_USER_TABLES_LAST_ANALYZE,
    "last_autoanalyze": names.PG_STAT_USER_TABLES_LAST_AUTOANALYZE,
}
_SIZES = {
    "table_size": names.PG_STAT_USER_TABLES_TABLE_SIZE,
    "index_size": names.PG_STAT_USER_TABLES_INDEX_SIZE,
}
# To measure a table is to open it, which waits for whoever has, or waits for, an exclusive lock
# on it or on one of its indexes: such a table has no sizes.
_USER_TABLES = f"""
WITH locked AS MATERIALIZED (
  SELECT coalesce(index.indrelid, held.relation) AS relid
  FROM pg_lock_status() AS held LEFT JOIN pg_index AS index ON index.indexrelid = held.relation
  WHERE held.mode = 'AccessExclusiveLock' AND held.relation IS NOT NULL
)
SELECT current_database() AS datname, schemaname, relname,
       {", ".join(f"coalesce({column}, 0) AS {column}" for column in _COLUMNS)},
       {", ".join(f"coalesce(extract(epoch FROM {time}), 0) AS {time}" for time in _TIMES)},
       CASE WHEN free THEN pg_table_size(relid) END AS table_size,
       CASE WHEN free THEN pg_indexes_size(relid) END AS index_size, {FOUND}
FROM (
  SELECT *, NOT EXISTS (SELECT FROM locked WHERE locked.relid = top.relid) AS free
  FROM ({_TOP}) AS top
) AS top"""

_BLOCKS = {
    "heap_blks_read": names.PG_STATIO_HEAP_READ,
    "heap_blks_hit": names.PG_STATIO_HEAP_HIT,
    "idx_blks_read": names.PG_STATIO_IDX_READ,
    "idx_blks_hit": names.PG_STATIO_IDX_HIT,
    "toast_blks_read": names.PG_STATIO_TOAST_READ,
    "toast_blks_hit": names.PG_STATIO_TOAST_HIT,
    "tidx_blks_read": names.PG_STATIO_TIDX_READ,
    "tidx_blks_hit": names.PG_STATIO_TIDX_HIT,
}
_STATIO = f"""
SELECT current_database() AS datname, io.schemaname, io.relname, {FOUND},
       {", ".join(f"coalesce({column}, 0) AS {column}" for column in _BLOCKS)}
FROM ({_TOP}) AS top JOIN pg_statio_user_tables AS io USING (relid)"""

_PHASES = (
    "initializing",
    "scanning heap",
    "vacuuming indexes",
    "vacuuming heap",
    "cleaning up indexes",
    "truncating heap",
    "performing final cleanup",
)
_PROGRESS = {
    "heap_blks_total": names.PG_VACUUM_HEAP_BLKS,
    "heap_blks_scanned": names.PG_VACUUM_HEAP_BLKS_SCANNED,
    "heap_blks_vacuumed": names.PG_VACUUM_HEAP_BLKS_VACUUMED,
    "index_vacuum_count": names.PG_VACUUM_INDEX_VACUUMS,
    "max_dead": names.PG_VACUUM_MAX_DEAD_TUPLES,
    "num_dead": names.PG_VACUUM_NUM_DEAD_TUPLES,
}
_progress = columns(("datname", "relname"), _PROGRESS)


def _vacuum(server: Server) -> str:
    most, now = "max_dead_tuples", "num_dead_tuples"
    if server.major >= _DEAD_TUPLE_BYTES:
        most, now = "max_dead_tuple_bytes", "dead_tuple_bytes"
    # A table of another database has no name here, and its number may be another table's here.
    return f"""
SELECT coalesce(datname, 'unknown') AS datname, phase,
       CASE WHEN datname = current_database() THEN relid::regclass::text ELSE relid::text END
         AS relname,
       heap_blks_total, heap_blks_scanned, heap_blks_vacuumed, index_vacuum_count,
       {most} AS max_dead, {now} AS num_dead, count(*) OVER () AS {FOUND}
FROM pg_stat_progress_vacuum WHERE relid IS NOT NULL ORDER BY datname, relid LIMIT {VACUUMS}"""


def _vacuum_values(row: Row) -> Values:
    for phase in _PHASES:
        labels = (row["datname"], row["relname"], phase)
        yield names.PG_VACUUM_PHASE, labels, float(row["phase"] == phase)
    yield from _progress(row)


_LABELS = ("datname", "schemaname", "relname")
USER_TABLES = Collector(
    "stat_user_tables",
    always(_USER_TABLES),
    columns(_LABELS, {**_COLUMNS, **_TIMES, **_SIZES}),
    TABLES,
)
STATIO = Collector("statio_user_tables", always(_STATIO), columns(_LABELS, _BLOCKS), TABLES)
VACUUM = Collector("stat_progress_vacuum", _vacuum, _vacuum_values, VACUUMS)
