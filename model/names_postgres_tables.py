"""Tables of Postgres, as in postgres_exporter: part of the catalogue."""

from __future__ import annotations

from model.metric import Metric, MetricType

_G, _U = MetricType.GAUGE, MetricType.UNTYPED


def _pg(name: str, type_: MetricType, text: str, *labels: str) -> Metric:
    return Metric(f"pg_{name}", type_, text, ("target", *labels))


def _user_tables(name: str, text: str, type_: MetricType = _G) -> Metric:
    labels = ("datname", "schemaname", "relname")
    return _pg(f"stat_user_tables_{name}", type_, text, *labels)


PG_STAT_USER_TABLES_N_LIVE_TUP = _user_tables("n_live_tup", "Estimated live rows of a table.")
PG_STAT_USER_TABLES_N_DEAD_TUP = _user_tables("n_dead_tup", "Estimated dead rows of a table.")
PG_STAT_USER_TABLES_LAST_AUTOVACUUM = _user_tables(
    "last_autovacuum", "When autovacuum last vacuumed a table, in unix time; 0 if never."
)
PG_STAT_USER_TABLES_LAST_AUTOANALYZE = _user_tables(
    "last_autoanalyze", "When autovacuum last analyzed a table, in unix time; 0 if never."
)
PG_STAT_USER_TABLES_LAST_VACUUM = _user_tables(
    "last_vacuum", "When a table was last vacuumed by hand, in unix time; 0 if never."
)
PG_STAT_USER_TABLES_LAST_ANALYZE = _user_tables(
    "last_analyze", "When a table was last analyzed by hand, in unix time; 0 if never."
)
PG_STAT_USER_TABLES_N_MOD_SINCE_ANALYZE = _user_tables(
    "n_mod_since_analyze", "Estimated rows changed since a table was last analyzed."
)
PG_STAT_USER_TABLES_SEQ_SCAN = _user_tables("seq_scan", "Sequential scans of a table.", _U)
PG_STAT_USER_TABLES_SEQ_TUP_READ = _user_tables(
    "seq_tup_read", "Rows read by sequential scans of a table.", _U
)
PG_STAT_USER_TABLES_IDX_SCAN = _user_tables("idx_scan", "Index scans of a table.", _U)
PG_STAT_USER_TABLES_IDX_TUP_FETCH = _user_tables(
    "idx_tup_fetch", "Rows fetched by index scans of a table.", _U
)
PG_STAT_USER_TABLES_N_TUP_INS = _user_tables("n_tup_ins", "Rows inserted into a table.", _U)
PG_STAT_USER_TABLES_N_TUP_UPD = _user_tables("n_tup_upd", "Rows updated in a table.", _U)
PG_STAT_USER_TABLES_N_TUP_DEL = _user_tables("n_tup_del", "Rows deleted from a table.", _U)
PG_STAT_USER_TABLES_N_TUP_HOT_UPD = _user_tables(
    "n_tup_hot_upd", "Rows updated in a table without a change of its indexes.", _U
)
PG_STAT_USER_TABLES_VACUUM_COUNT = _user_tables(
    "vacuum_count", "Times that a table was vacuumed by hand.", _U
)
PG_STAT_USER_TABLES_AUTOVACUUM_COUNT = _user_tables(
    "autovacuum_count", "Times that autovacuum has vacuumed a table.", _U
)
PG_STAT_USER_TABLES_ANALYZE_COUNT = _user_tables(
    "analyze_count", "Times that a table was analyzed by hand.", _U
)
PG_STAT_USER_TABLES_AUTOANALYZE_COUNT = _user_tables(
    "autoanalyze_count", "Times that autovacuum has analyzed a table.", _U
)
PG_STAT_USER_TABLES_TABLE_SIZE = _user_tables(
    "table_size_bytes", "Disk space of a table without its indexes."
)
PG_STAT_USER_TABLES_INDEX_SIZE = _user_tables("index_size_bytes", "Disk space of its indexes.")


def _statio(name: str, text: str) -> Metric:
    labels = ("datname", "schemaname", "relname")
    return _pg(f"statio_user_tables_{name}", _U, f"Blocks of a table{text}.", *labels)


PG_STATIO_HEAP_READ = _statio("heap_blocks_read", " read from disk")
PG_STATIO_HEAP_HIT = _statio("heap_blocks_hit", " found in the buffer cache")
PG_STATIO_IDX_READ = _statio("idx_blocks_read", "'s indexes read from disk")
PG_STATIO_IDX_HIT = _statio("idx_blocks_hit", "'s indexes found in the buffer cache")
PG_STATIO_TOAST_READ = _statio("toast_blocks_read", "'s TOAST table read from disk")
PG_STATIO_TOAST_HIT = _statio("toast_blocks_hit", "'s TOAST table found in the buffer cache")
PG_STATIO_TIDX_READ = _statio("tidx_blocks_read", "'s TOAST index read from disk")
PG_STATIO_TIDX_HIT = _statio("tidx_blocks_hit", "'s TOAST index found in the buffer cache")


def _vacuum(name: str, text: str, *labels: str) -> Metric:
    return _pg(f"stat_progress_vacuum_{name}", _G, text, "datname", "relname", *labels)


PG_VACUUM_PHASE = _vacuum("phase", "1 for the phase that a vacuum is in, 0 for others.", "phase")
PG_VACUUM_HEAP_BLKS = _vacuum("heap_blks", "Blocks of the table that is vacuumed.")
PG_VACUUM_HEAP_BLKS_SCANNED = _vacuum("heap_blks_scanned", "Blocks that a vacuum has scanned.")
PG_VACUUM_HEAP_BLKS_VACUUMED = _vacuum("heap_blks_vacuumed", "Blocks that a vacuum has cleaned.")
PG_VACUUM_INDEX_VACUUMS = _vacuum("index_vacuums", "Rounds through the indexes.")
PG_VACUUM_MAX_DEAD_TUPLES = _vacuum(
    "max_dead_tuples",
    "What a vacuum remembers before a round through the indexes: rows, bytes since Postgres 17.",
)
PG_VACUUM_NUM_DEAD_TUPLES = _vacuum(
    "num_dead_tuples", "What a vacuum remembers by now: rows, bytes since Postgres 17."
)
