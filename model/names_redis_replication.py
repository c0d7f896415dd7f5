"""Replication, keys and Sentinels of Redis: part of the catalogue, named as in redis_exporter."""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType

_G = MetricType.GAUGE
_MASTER = ("target", "master_host", "master_port")
_SLAVE = ("target", "slave_ip", "slave_port", "slave_state")
_WATCHED = ("target", "master_name", "master_address")


def _gauge(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}", _G, text, ("target",))


REDIS_CONNECTED_SLAVES = _gauge("connected_slaves", "Replicas that are connected.")
REDIS_SLAVE_OFFSET = Metric(
    "redis_connected_slave_offset_bytes", _G, "How far a replica has come.", _SLAVE
)
REDIS_SLAVE_LAG = Metric(
    "redis_connected_slave_lag_seconds", _G, "How long ago a replica has reported.", _SLAVE
)
REDIS_MASTER_LINK_UP = Metric(
    "redis_master_link_up", _G, "Whether a replica is connected to its master.", _MASTER
)
REDIS_MASTER_SYNC = Metric(
    "redis_master_sync_in_progress", _G, "Whether a replica is copying its master.", _MASTER
)
REDIS_MASTER_LAST_IO = Metric(
    "redis_master_last_io_seconds_ago", _G, "How long ago a replica heard its master.", _MASTER
)
REDIS_SLAVE_REPL_OFFSET = Metric(
    "redis_slave_repl_offset", _G, "How far this replica has come, in bytes.", _MASTER
)
REDIS_SLAVE_INFO = Metric(
    "redis_slave_info",
    _G,
    "Always 1: of a replica, its master, and whether it refuses to be written to.",
    (*_MASTER, "read_only"),
    collapse=Collapse.MAX,
)
REDIS_SLAVE_EXPIRES_TRACKED = _gauge(
    "slave_expires_tracked_keys", "Keys that a replica which may be written to lets expire itself."
)
REDIS_SLAVE_PRIORITY = _gauge("slave_priority", "A replica's rank to become master; 0 is never.")
REDIS_MASTER_REPL_OFFSET = _gauge("master_repl_offset", "How far the master has come, in bytes.")
REDIS_SECOND_REPL_OFFSET = _gauge(
    "second_repl_offset", "Up to where replicas of the former master may go on, in bytes."
)
REDIS_BACKLOG = _gauge("replication_backlog_bytes", "Size of the replication backlog.")
REDIS_BACKLOG_ACTIVE = _gauge("repl_backlog_is_active", "Whether there is a replication backlog.")
REDIS_BACKLOG_FIRST = _gauge("repl_backlog_first_byte_offset", "Where the backlog begins.")
REDIS_BACKLOG_HISTORY = _gauge("repl_backlog_history_bytes", "Bytes that the backlog holds.")
REDIS_RESYNCS_FULL = _gauge("replica_resyncs_full", "Replicas that had to copy everything.")
REDIS_RESYNCS_ACCEPTED = _gauge(
    "replica_partial_resync_accepted", "Replicas that could go on where they were."
)
REDIS_RESYNCS_DENIED = _gauge(
    "replica_partial_resync_denied", "Replicas that could not go on where they were."
)

# --- keys ---------------------------------------------------------------------------------------
_DB = ("target", "db")
REDIS_DB_KEYS = Metric("redis_db_keys", _G, "Keys in a database.", _DB)
REDIS_DB_KEYS_EXPIRING = Metric(
    "redis_db_keys_expiring", _G, "Keys in a database that will expire.", _DB
)
REDIS_DB_AVG_TTL = Metric(
    "redis_db_avg_ttl_seconds", _G, "How long those that expire have left on average.", _DB
)
REDIS_KEY_SIZE = Metric(
    "redis_key_size",
    _G,
    "Entries of a key that the config names; a key that does not exist has none.",
    ("target", "db", "key"),
)

# --- Sentinel -----------------------------------------------------------------------------------
REDIS_SENTINEL_MASTERS = _gauge("sentinel_masters", "Masters that this Sentinel watches.")
REDIS_SENTINEL_TILT = _gauge("sentinel_tilt", "Whether it distrusts its clock and does nothing.")
REDIS_SENTINEL_SCRIPTS = _gauge("sentinel_running_scripts", "Scripts that are running.")
REDIS_SENTINEL_SCRIPTS_QUEUE = _gauge("sentinel_scripts_queue_length", "Scripts that wait.")
REDIS_SENTINEL_SIMULATE = _gauge("sentinel_simulate_failure_flags", "Failures that it simulates.")
REDIS_SENTINEL_MASTER_STATUS = Metric(
    "redis_sentinel_master_status",
    _G,
    "Whether a Sentinel finds its master well.",
    (*_WATCHED, "master_status"),
)
REDIS_SENTINEL_MASTER_SLAVES = Metric(
    "redis_sentinel_master_slaves", _G, "Replicas that a Sentinel knows of.", _WATCHED
)
REDIS_SENTINEL_MASTER_SENTINELS = Metric(
    "redis_sentinel_master_sentinels", _G, "Sentinels that a Sentinel knows of.", _WATCHED
)
REDIS_SENTINEL_MASTER_CKQUORUM = Metric(
    "redis_sentinel_master_ckquorum_status",
    _G,
    "Whether enough Sentinels can be reached to replace a master.",
    ("target", "master_name", "message"),
)
