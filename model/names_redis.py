"""Redis' part of the catalogue: named as in redis_exporter where it has a name.

Left out are names that promtool objects to: those with abbreviated units (`…_duration_sec`,
`…_time_ms`). Counters without `_total`, and gauges with it, are untyped.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType

_G, _C, _U = MetricType.GAUGE, MetricType.COUNTER, MetricType.UNTYPED
_T = ("target",)


def _gauge(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}", _G, text, _T)


def _counter(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}_total", _C, text, _T)


def _untyped(name: str, text: str) -> Metric:
    return Metric(f"redis_{name}", _U, text, _T)


REDIS_UP = _gauge("up", "Whether a new connection to Redis can be made and used.")
REDIS_COLLECTOR_SUCCESS = Metric(
    "monitoring_redis_collector_success",
    _G,
    "Whether Redis told us what it was asked for: info, config, slowlog, keys.",
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
        "master_replid",
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
REDIS_START_TIME = _gauge("start_time_seconds", "When Redis started, in unix time.")
REDIS_PROCESS_ID = _gauge("process_id", "The number of Redis' process.")
REDIS_HZ = _gauge("hz", "How often a second Redis does its background work.")
REDIS_CONFIGURED_HZ = _gauge("configured_hz", "Redis' setting hz.")
REDIS_CLUSTER_ENABLED = _gauge("cluster_enabled", "Whether it is a node of a cluster.")
REDIS_MAX_CLIENTS = _gauge("max_clients", "Redis' setting maxclients.")
REDIS_EVICTED_CLIENTS = _counter("evicted_clients", "Clients cut off for their memory.")
REDIS_CONFIG_BACKLOG_SIZE = _gauge("config_repl_backlog_size", "Redis' setting repl-backlog-size.")
REDIS_CONFIG_BUFFER_LIMIT = Metric(
    "redis_config_client_output_buffer_limit_bytes",
    _G,
    "Redis' setting client-output-buffer-limit: bytes; 0 is no limit.",
    ("target", "class", "limit"),
)
REDIS_CONFIG_BUFFER_LIMIT_OVERCOME = Metric(
    "redis_config_client_output_buffer_limit_overcome_seconds",
    _G,
    "Redis' setting client-output-buffer-limit: how long the soft limit may be exceeded.",
    ("target", "class", "limit"),
)
REDIS_TRACKING_KEYS = _gauge("tracking_total_keys", "Keys that clients are told of.")
REDIS_TRACKING_ITEMS = _gauge("tracking_total_items", "Pairs of a client and a key it is told of.")
REDIS_TRACKING_PREFIXES = _gauge("tracking_total_prefixes", "Prefixes that clients are told of.")

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
REDIS_LAZYFREED = _gauge("lazyfreed_objects", "Objects that were freed in the background.")
REDIS_MEMORY_FUNCTIONS = _gauge("memory_used_functions_bytes", "Memory of functions.")
REDIS_MEMORY_SCRIPTS_EVAL = _gauge("memory_used_scripts_eval_bytes", "Memory of EVAL's scripts.")
REDIS_MEMORY_VM_EVAL = _gauge("memory_used_vm_eval_bytes", "Memory of EVAL's interpreter.")
REDIS_MEMORY_VM_FUNCTIONS = _gauge(
    "memory_used_vm_functions_bytes", "Memory of the functions' interpreter."
)
REDIS_MEMORY_VM = _untyped("memory_used_vm_total", "Memory of both interpreters.")
REDIS_MEM_AOF_BUFFER = _gauge("mem_aof_buffer_bytes", "Memory of the AOF's buffer.")
REDIS_MEM_CLUSTER_LINKS = _gauge("mem_cluster_links_bytes", "Memory of the cluster's own bus.")
REDIS_MEM_BACKLOG = _gauge("mem_replication_backlog_bytes", "Memory of the replication backlog.")
REDIS_MEM_REPLICATION = _gauge(
    "mem_total_replication_buffers_bytes", "Memory of all buffers of replication."
)
REDIS_CACHED_SCRIPTS = _gauge("number_of_cached_scripts", "Scripts of EVAL that are cached.")
REDIS_FUNCTIONS = _gauge("number_of_functions", "Functions.")
REDIS_LIBRARIES = _gauge("number_of_libraries", "Libraries of functions.")

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

REDIS_ASYNC_LOADING = _gauge("async_loading", "Whether Redis loads data while it serves old ones.")
REDIS_RDB_SAVES = _counter("rdb_saves", "Snapshots written.")
REDIS_RDB_LOAD_EXPIRED = _gauge(
    "rdb_last_load_expired_keys", "Keys of the last snapshot loaded that were over."
)
REDIS_RDB_LOAD_LOADED = _gauge("rdb_last_load_loaded_keys", "Keys of the last snapshot loaded.")
REDIS_MODULE_FORK = _gauge("module_fork_in_progress", "Whether a module has forked.")
REDIS_MODULE_FORK_COW = _gauge(
    "module_fork_last_cow_size", "Memory copied by the last fork of a module, in bytes."
)
REDIS_LATEST_FORK_SECONDS = _gauge("latest_fork_seconds", "How long the last fork took.")
REDIS_NET_REPL_INPUT = _counter("net_repl_input_bytes", "Bytes that replication has received.")
REDIS_NET_REPL_OUTPUT = _counter("net_repl_output_bytes", "Bytes that replication has sent.")
REDIS_PUBSUBSHARD_CHANNELS = _gauge(
    "pubsubshard_channels", "Channels of shards that somebody listens to."
)
REDIS_MIGRATE_CACHED_SOCKETS = _untyped(
    "migrate_cached_sockets_total", "Sockets open for MIGRATE now."
)
REDIS_CPU_SYS_MAIN = _counter(
    "cpu_sys_main_thread_seconds", "The main thread's time in the system."
)
REDIS_CPU_USER_MAIN = _counter(
    "cpu_user_main_thread_seconds", "The main thread's time outside of the system."
)
REDIS_REPLY_BUFFER_SHRINKS = _counter("reply_buffer_shrinks", "Buffers made smaller.")
REDIS_REPLY_BUFFER_EXPANDS = _counter("reply_buffer_expands", "Buffers made larger.")
REDIS_ERROR_REPLIES = _untyped("total_error_replies", "Errors that were answered.")
REDIS_UNEXPECTED_ERRORS = _untyped(
    "unexpected_error_replies", "Errors in replication or while the AOF was loaded."
)
REDIS_SANITIZATIONS = _untyped(
    "dump_payload_sanitizations", "Payloads of RESTORE that were checked."
)
REDIS_READS = _untyped("total_reads_processed", "Reads from clients.")
REDIS_WRITES = _untyped("total_writes_processed", "Writes to clients.")
REDIS_THREADED_READS = _untyped("io_threaded_reads_processed", "Reads by threads.")
REDIS_THREADED_WRITES = _untyped("io_threaded_writes_processed", "Writes by threads.")
REDIS_SLOWLOG_LENGTH = _gauge("slowlog_length", "Commands in the slow log.")
REDIS_SLOWLOG_LAST_ID = _gauge("slowlog_last_id", "The number of the last slow command.")
REDIS_LAST_SLOW_DURATION = _gauge(
    "last_slow_execution_duration_seconds", "How long the last slow command took."
)
