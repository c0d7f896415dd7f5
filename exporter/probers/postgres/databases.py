"""The collectors of databases and roles."""

from __future__ import annotations

from exporter.probers.postgres.collector import (
    DATABASES,
    FOUND,
    ROLES,
    Collector,
    Server,
    always,
    columns,
)
from model import names

# The first major version of Postgres that counts the time spent running statements.
_ACTIVE_TIME = 14

# A database that is dropped meanwhile has no size.
_DATABASE = f"""
SELECT datname, pg_database_size(oid) AS size, datconnlimit, age(datfrozenxid) AS age,
       mxid_age(datminmxid) AS multixact_age, {FOUND}
FROM (
  SELECT oid, datname, datconnlimit, datfrozenxid, datminmxid, count(*) OVER () AS {FOUND}
  FROM pg_database
  WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')
  ORDER BY datname LIMIT {DATABASES}
) AS databases"""

_VIEW = {
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
# What the view pg_stat_database_conflicts calls.
_CONFLICTS = {
    "tablespace": names.PG_STAT_DATABASE_CONFL_TABLESPACE,
    "lock": names.PG_STAT_DATABASE_CONFL_LOCK,
    "snapshot": names.PG_STAT_DATABASE_CONFL_SNAPSHOT,
    "bufferpin": names.PG_STAT_DATABASE_CONFL_BUFFERPIN,
    "startup_deadlock": names.PG_STAT_DATABASE_CONFL_DEADLOCK,
}
_OTHERS = {
    "active_time": names.PG_STAT_DATABASE_ACTIVE_TIME,
    "reset": names.PG_STAT_DATABASE_STATS_RESET,
}


def _stat_database(server: Server) -> str:
    active = "active_time / 1000.0" if server.major >= _ACTIVE_TIME else "NULL"
    conflicts = (f"pg_stat_get_db_conflict_{name}(datid) AS {name}" for name in _CONFLICTS)
    # Shared objects are counted under no name: they are no database.
    return f"""
SELECT datid, datname, {", ".join(_VIEW)}, {", ".join(conflicts)},
       {active} AS active_time, coalesce(extract(epoch FROM stats_reset), 0) AS reset,
       count(*) OVER () AS {FOUND}
FROM pg_stat_database WHERE datname IS NOT NULL ORDER BY datname LIMIT {DATABASES}"""


_ROLES = f"""
SELECT rolname, rolconnlimit, count(*) OVER () AS {FOUND}
FROM pg_roles ORDER BY rolname LIMIT {ROLES}"""

DATABASE = Collector(
    "database",
    always(_DATABASE),
    columns(
        ("datname",),
        {
            "size": names.PG_DATABASE_SIZE,
            "datconnlimit": names.PG_DATABASE_CONNECTION_LIMIT,
            "age": names.PG_DATABASE_WRAPAROUND_AGE,
            "multixact_age": names.PG_DATABASE_WRAPAROUND_MULTIXACT_AGE,
        },
    ),
    DATABASES,
)
STAT_DATABASE = Collector(
    "stat_database",
    _stat_database,
    columns(("datid", "datname"), {**_VIEW, **_CONFLICTS, **_OTHERS}),
    DATABASES,
)
ROLE_LIMITS = Collector(
    "roles",
    always(_ROLES),
    columns(("rolname",), {"rolconnlimit": names.PG_ROLES_CONNECTION_LIMIT}),
    ROLES,
)
