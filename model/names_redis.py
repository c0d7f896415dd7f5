"""Redis' part of the catalogue: named as in redis_exporter where it has a name.

Left out are names that promtool objects to: abbreviated units (`…_duration_sec`) and gauges that
end in `_total`.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType

_G, _C = MetricType.GAUGE, MetricType.COUNTER
_T = ("target",)
_MASTER = ("target", "master_host", "master_port")
_SLAVE = ("target", "slave_ip", "slave_port", "slave_state")
_WATCHED = ("target", "master_name", "master_address")


def _gauge(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}", _G, text, _T)


def _counter(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}_total", _C, text, _T)


REDIS_UP = _gauge("up", "Whether a new connection to Redis can be made and used.")
REDIS_COLLECTOR_SUCCESS = Metric(
    "monitoring_redis_collector_success",
    _G,
    "Whether Redis told us what it was asked for: info, config, keys.",
    ("target", "collector"),
    collapse=Collapse.MIN,
)

# --- server and clients -------------------------------------------------------------------------
REDIS_INSTANCE_INFO = Metric(
    "redis_instance_info",
    _G,
    "Always 1: what kind of Redis it is, and which process.",
    (
        "target",
        "role",
        "redis_version",
        "redis_build_id",
        "redis_mode",
        "os",
        "maxmemory_policy",
        "tcp_port",
        "run_id",
        "process_id",
    ),
    collapse=Collapse.MAX,
)
REDIS_UPTIME = _gauge("uptime_in_seconds", "How long Redis has been running.")
REDIS_IO_THREADS_ACTIVE = _gauge("io_threads_active", "Whether threads for I/O are at work.")
REDIS_CONNECTED_CLIENTS = _gauge("connected_clients", "Connected clients.")
REDIS_BLOCKED_CLIENTS = _gauge("blocked_clients", "Clients that wait in a blocking call.")
REDIS_TRACKING_CLIENTS = _gauge("tracking_clients", "Clients that are told of changed keys.")
REDIS_CLUSTER_CONNECTIONS = _gauge("cluster_connections", "Sockets of the cluster's own bus.")
REDIS_CLIENTS_IN_TIMEOUT_TABLE = _gauge(
    "clients_in_timeout_table", "Clients whose blocking call may time out."
)
REDIS_MAX_INPUT_BUFFER = _gauge(
    "client_recent_max_input_buffer_bytes", "The largest input buffer of a client of late."
)
REDIS_MAX_OUTPUT_BUFFER = _gauge(
    "client_recent_max_output_buffer_bytes", "The largest output buffer of a client of late."
)
REDIS_CONFIG_MAXCLIENTS = _gauge("config_maxclients", "Redis' setting maxclients.")
REDIS_CONFIG_MAXMEMORY = _gauge("config_maxmemory", "Redis' setting maxmemory; 0 is no limit.")
REDIS_CONFIG_IO_THREADS = _gauge("config_io_threads", "Redis' setting io-threads.")

# --- memory -------------------------------------------------------------------------------------
REDIS_MEMORY_USED = _gauge("memory_used_bytes", "Memory that Redis has allocated.")
REDIS_MEMORY_RSS = _gauge("memory_used_rss_bytes", "Memory that the system gave to Redis.")
REDIS_MEMORY_PEAK = _gauge("memory_used_peak_bytes", "The most memory that Redis had allocated.")
REDIS_MEMORY_OVERHEAD = _gauge("memory_used_overhead_bytes", "Memory of Redis' own structures.")
REDIS_MEMORY_STARTUP = _gauge("memory_used_startup_bytes", "Memory that Redis had at its start.")
REDIS_MEMORY_DATASET = _gauge("memory_used_dataset_bytes", "Memory of the data themselves.")
REDIS_MEMORY_LUA = _gauge("memory_used_lua_bytes", "Memory of Lua's interpreter.")
REDIS_MEMORY_SCRIPTS = _gauge("memory_used_scripts_bytes", "Memory of cached scripts.")
REDIS_MEMORY_MAX = _gauge("memory_max_bytes", "Redis' setting maxmemory; 0 is no limit.")
REDIS_TOTAL_SYSTEM_MEMORY = _gauge("total_system_memory_bytes", "Memory of Redis' machine.")
REDIS_MEM_FRAGMENTATION_RATIO = _gauge(
    "mem_fragmentation_ratio", "Memory that the system gave by memory that Redis allocated."
)
REDIS_MEM_FRAGMENTATION = _gauge(
    "mem_fragmentation_bytes", "Memory that the system gave beyond what Redis allocated."
)
REDIS_MEM_CLIENTS_SLAVES = _gauge("mem_clients_slaves", "Bytes of the buffers of replicas.")
REDIS_MEM_CLIENTS_NORMAL = _gauge("mem_clients_normal", "Bytes of the buffers of clients.")
REDIS_MEM_NOT_COUNTED = _gauge(
    "mem_not_counted_for_eviction_bytes", "Memory that maxmemory does not limit."
)
REDIS_ALLOCATOR_ACTIVE = _gauge("allocator_active_bytes", "Memory in the allocator's pages.")
REDIS_ALLOCATOR_ALLOCATED = _gauge("allocator_allocated_bytes", "Memory that was asked for.")
REDIS_ALLOCATOR_RESIDENT = _gauge("allocator_resident_bytes", "The allocator's resident memory.")
REDIS_ALLOCATOR_FRAG_RATIO = _gauge("allocator_frag_ratio", "Active by allocated memory.")
REDIS_ALLOCATOR_FRAG = _gauge("allocator_frag_bytes", "Active beyond allocated memory.")
REDIS_ALLOCATOR_RSS_RATIO = _gauge("allocator_rss_ratio", "Resident by active memory.")
REDIS_ALLOCATOR_RSS = _gauge("allocator_rss_bytes", "Resident beyond active memory.")
REDIS_LAZYFREE_PENDING = _gauge("lazyfree_pending_objects", "Objects that wait to be freed.")
REDIS_ACTIVE_DEFRAG_RUNNING = _gauge("active_defrag_running", "Whether memory is defragmented.")

# --- persistence --------------------------------------------------------------------------------
REDIS_LOADING = _gauge("loading_dump_file", "Whether Redis is loading its data.")
REDIS_RDB_CHANGES = _gauge("rdb_changes_since_last_save", "Changes since the last snapshot.")
REDIS_RDB_IN_PROGRESS = _gauge("rdb_bgsave_in_progress", "Whether a snapshot is being written.")
REDIS_RDB_LAST_SAVE = _gauge(
    "rdb_last_save_timestamp_seconds", "When the last snapshot was written, in unix time."
)
REDIS_RDB_LAST_STATUS = _gauge("rdb_last_bgsave_status", "Whether the last snapshot succeeded.")
REDIS_RDB_LAST_COW = _gauge("rdb_last_cow_size_bytes", "Memory that the last snapshot copied.")
REDIS_AOF_ENABLED = _gauge("aof_enabled", "Whether the append-only file is written.")
REDIS_AOF_REWRITE_IN_PROGRESS = _gauge(
    "aof_rewrite_in_progress", "Whether the append-only file is being rewritten."
)
REDIS_AOF_REWRITE_SCHEDULED = _gauge(
    "aof_rewrite_scheduled", "Whether the append-only file will be rewritten."
)
REDIS_AOF_REWRITE_STATUS = _gauge(
    "aof_last_bgrewrite_status", "Whether the last rewrite of the append-only file succeeded."
)
REDIS_AOF_WRITE_STATUS = _gauge(
    "aof_last_write_status", "Whether the last write to the append-only file succeeded."
)
REDIS_AOF_LAST_COW = _gauge("aof_last_cow_size_bytes", "Memory that the last rewrite copied.")
REDIS_AOF_SIZE = _gauge("aof_current_size_bytes", "Size of the append-only file.")
REDIS_AOF_BASE_SIZE = _gauge("aof_base_size_bytes", "Its size after the last rewrite.")
REDIS_AOF_BUFFER = _gauge("aof_buffer_length", "Bytes that wait to be written to it.")
REDIS_AOF_PENDING_FSYNC = _gauge("aof_pending_bio_fsync", "Calls of fsync that wait.")
REDIS_AOF_DELAYED_FSYNC = _gauge("aof_delayed_fsync", "Calls of fsync that came late.")

# --- what was done ------------------------------------------------------------------------------
REDIS_CONNECTIONS_RECEIVED = _counter("connections_received", "Connections accepted.")
REDIS_REJECTED_CONNECTIONS = _counter(
    "rejected_connections", "Connections refused because of maxclients."
)
REDIS_COMMANDS_PROCESSED = _counter("commands_processed", "Commands that Redis has processed.")
REDIS_NET_INPUT = _counter("net_input_bytes", "Bytes received.")
REDIS_NET_OUTPUT = _counter("net_output_bytes", "Bytes sent.")
REDIS_KEYSPACE_HITS = _counter("keyspace_hits", "Look-ups that found a key.")
REDIS_KEYSPACE_MISSES = _counter("keyspace_misses", "Look-ups that found no key.")
REDIS_EXPIRED_KEYS = _counter("expired_keys", "Keys whose time was over.")
REDIS_EXPIRED_STALE = _gauge("expired_stale_percentage", "Keys that are over but still there.")
REDIS_EXPIRED_CAP_REACHED = _counter(
    "expired_time_cap_reached", "Rounds of expiring keys that ended for lack of time."
)
REDIS_EVICTED_KEYS = _counter("evicted_keys", "Keys evicted by maxmemory.")
REDIS_PUBSUB_CHANNELS = _gauge("pubsub_channels", "Channels that somebody listens to.")
REDIS_PUBSUB_PATTERNS = _gauge("pubsub_patterns", "Patterns of channels that somebody listens to.")
REDIS_LATEST_FORK = _gauge("latest_fork_usec", "How long the last fork took, in microseconds.")
REDIS_DEFRAG_HITS = _gauge("defrag_hits", "Values that defragmentation has moved.")
REDIS_DEFRAG_MISSES = _gauge("defrag_misses", "Values that defragmentation has left.")
REDIS_DEFRAG_KEY_HITS = _gauge("defrag_key_hits", "Keys that defragmentation has moved.")
REDIS_DEFRAG_KEY_MISSES = _gauge("defrag_key_misses", "Keys that defragmentation has left.")
REDIS_CPU_SYS = _counter("cpu_sys_seconds", "Time in the system.")
REDIS_CPU_USER = _counter("cpu_user_seconds", "Time outside of the system.")
REDIS_CPU_SYS_CHILDREN = _counter("cpu_sys_children_seconds", "Children's time in the system.")
REDIS_CPU_USER_CHILDREN = _counter(
    "cpu_user_children_seconds", "Children's time outside of the system."
)
_COMMAND = ("target", "cmd")
REDIS_COMMANDS = Metric("redis_commands_total", _C, "Calls of a command.", _COMMAND)
REDIS_COMMANDS_DURATION = Metric(
    "redis_commands_duration_seconds_total", _C, "Time that a command's calls took.", _COMMAND
)
REDIS_COMMANDS_REJECTED = Metric(
    "redis_commands_rejected_calls_total", _C, "Calls that were refused before they ran.", _COMMAND
)
REDIS_COMMANDS_FAILED = Metric(
    "redis_commands_failed_calls_total", _C, "Calls that failed when they ran.", _COMMAND
)

# --- replication --------------------------------------------------------------------------------
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
