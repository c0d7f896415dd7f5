"""Which line of INFO, or of CONFIG, is which metric."""

from __future__ import annotations

from collections.abc import Mapping

from model import names
from model.names import Metric

FIELDS: Mapping[str, Metric] = {
    # Server
    "uptime_in_seconds": names.REDIS_UPTIME,
    "io_threads_active": names.REDIS_IO_THREADS_ACTIVE,
    "hz": names.REDIS_HZ,
    "configured_hz": names.REDIS_CONFIGURED_HZ,
    "cluster_enabled": names.REDIS_CLUSTER_ENABLED,
    # Clients
    "connected_clients": names.REDIS_CONNECTED_CLIENTS,
    "blocked_clients": names.REDIS_BLOCKED_CLIENTS,
    "tracking_clients": names.REDIS_TRACKING_CLIENTS,
    "cluster_connections": names.REDIS_CLUSTER_CONNECTIONS,
    "clients_in_timeout_table": names.REDIS_CLIENTS_IN_TIMEOUT_TABLE,
    "client_recent_max_input_buffer": names.REDIS_MAX_INPUT_BUFFER,
    "client_recent_max_output_buffer": names.REDIS_MAX_OUTPUT_BUFFER,
    # Redis before 7 tells it in CONFIG only.
    "maxclients": names.REDIS_CONFIG_MAXCLIENTS,
    # Memory
    "used_memory": names.REDIS_MEMORY_USED,
    "used_memory_rss": names.REDIS_MEMORY_RSS,
    "used_memory_peak": names.REDIS_MEMORY_PEAK,
    "used_memory_overhead": names.REDIS_MEMORY_OVERHEAD,
    "used_memory_startup": names.REDIS_MEMORY_STARTUP,
    "used_memory_dataset": names.REDIS_MEMORY_DATASET,
    "used_memory_lua": names.REDIS_MEMORY_LUA,
    "used_memory_scripts": names.REDIS_MEMORY_SCRIPTS,
    "maxmemory": names.REDIS_MEMORY_MAX,
    "total_system_memory": names.REDIS_TOTAL_SYSTEM_MEMORY,
    "mem_fragmentation_ratio": names.REDIS_MEM_FRAGMENTATION_RATIO,
    "mem_fragmentation_bytes": names.REDIS_MEM_FRAGMENTATION,
    "mem_clients_slaves": names.REDIS_MEM_CLIENTS_SLAVES,
    "mem_clients_normal": names.REDIS_MEM_CLIENTS_NORMAL,
    "mem_not_counted_for_evict": names.REDIS_MEM_NOT_COUNTED,
    "allocator_active": names.REDIS_ALLOCATOR_ACTIVE,
    "allocator_allocated": names.REDIS_ALLOCATOR_ALLOCATED,
    "allocator_resident": names.REDIS_ALLOCATOR_RESIDENT,
    "allocator_frag_ratio": names.REDIS_ALLOCATOR_FRAG_RATIO,
    "allocator_frag_bytes": names.REDIS_ALLOCATOR_FRAG,
    "allocator_rss_ratio": names.REDIS_ALLOCATOR_RSS_RATIO,
    "allocator_rss_bytes": names.REDIS_ALLOCATOR_RSS,
    "lazyfree_pending_objects": names.REDIS_LAZYFREE_PENDING,
    "active_defrag_running": names.REDIS_ACTIVE_DEFRAG_RUNNING,
    "lazyfreed_objects": names.REDIS_LAZYFREED,
    "used_memory_functions": names.REDIS_MEMORY_FUNCTIONS,
    "used_memory_scripts_eval": names.REDIS_MEMORY_SCRIPTS_EVAL,
    "used_memory_vm_eval": names.REDIS_MEMORY_VM_EVAL,
    "used_memory_vm_functions": names.REDIS_MEMORY_VM_FUNCTIONS,
    "used_memory_vm_total": names.REDIS_MEMORY_VM,
    "mem_aof_buffer": names.REDIS_MEM_AOF_BUFFER,
    "mem_cluster_links": names.REDIS_MEM_CLUSTER_LINKS,
    "mem_replication_backlog": names.REDIS_MEM_BACKLOG,
    "mem_total_replication_buffers": names.REDIS_MEM_REPLICATION,
    "number_of_cached_scripts": names.REDIS_CACHED_SCRIPTS,
    "number_of_functions": names.REDIS_FUNCTIONS,
    "number_of_libraries": names.REDIS_LIBRARIES,
    # Persistence
    "async_loading": names.REDIS_ASYNC_LOADING,
    "rdb_saves": names.REDIS_RDB_SAVES,
    "rdb_last_load_keys_expired": names.REDIS_RDB_LOAD_EXPIRED,
    "rdb_last_load_keys_loaded": names.REDIS_RDB_LOAD_LOADED,
    "module_fork_in_progress": names.REDIS_MODULE_FORK,
    "module_fork_last_cow_size": names.REDIS_MODULE_FORK_COW,
    "loading": names.REDIS_LOADING,
    "rdb_changes_since_last_save": names.REDIS_RDB_CHANGES,
    "rdb_bgsave_in_progress": names.REDIS_RDB_IN_PROGRESS,
    "rdb_last_save_time": names.REDIS_RDB_LAST_SAVE,
    "rdb_last_bgsave_status": names.REDIS_RDB_LAST_STATUS,
    "rdb_last_cow_size": names.REDIS_RDB_LAST_COW,
    "aof_enabled": names.REDIS_AOF_ENABLED,
    "aof_rewrite_in_progress": names.REDIS_AOF_REWRITE_IN_PROGRESS,
    "aof_rewrite_scheduled": names.REDIS_AOF_REWRITE_SCHEDULED,
    "aof_last_bgrewrite_status": names.REDIS_AOF_REWRITE_STATUS,
    "aof_last_write_status": names.REDIS_AOF_WRITE_STATUS,
    "aof_last_cow_size": names.REDIS_AOF_LAST_COW,
    "aof_current_size": names.REDIS_AOF_SIZE,
    "aof_base_size": names.REDIS_AOF_BASE_SIZE,
    "aof_buffer_length": names.REDIS_AOF_BUFFER,
    "aof_pending_bio_fsync": names.REDIS_AOF_PENDING_FSYNC,
    "aof_delayed_fsync": names.REDIS_AOF_DELAYED_FSYNC,
    # Stats
    "total_connections_received": names.REDIS_CONNECTIONS_RECEIVED,
    "rejected_connections": names.REDIS_REJECTED_CONNECTIONS,
    "total_commands_processed": names.REDIS_COMMANDS_PROCESSED,
    "total_net_input_bytes": names.REDIS_NET_INPUT,
    "total_net_output_bytes": names.REDIS_NET_OUTPUT,
    "keyspace_hits": names.REDIS_KEYSPACE_HITS,
    "keyspace_misses": names.REDIS_KEYSPACE_MISSES,
    "expired_keys": names.REDIS_EXPIRED_KEYS,
    "expired_stale_perc": names.REDIS_EXPIRED_STALE,
    "expired_time_cap_reached_count": names.REDIS_EXPIRED_CAP_REACHED,
    "evicted_keys": names.REDIS_EVICTED_KEYS,
    "pubsub_channels": names.REDIS_PUBSUB_CHANNELS,
    "pubsub_patterns": names.REDIS_PUBSUB_PATTERNS,
    "latest_fork_usec": names.REDIS_LATEST_FORK,
    "active_defrag_hits": names.REDIS_DEFRAG_HITS,
    "active_defrag_misses": names.REDIS_DEFRAG_MISSES,
    "active_defrag_key_hits": names.REDIS_DEFRAG_KEY_HITS,
    "active_defrag_key_misses": names.REDIS_DEFRAG_KEY_MISSES,
    "total_net_repl_input_bytes": names.REDIS_NET_REPL_INPUT,
    "total_net_repl_output_bytes": names.REDIS_NET_REPL_OUTPUT,
    "evicted_clients": names.REDIS_EVICTED_CLIENTS,
    "pubsubshard_channels": names.REDIS_PUBSUBSHARD_CHANNELS,
    "migrate_cached_sockets": names.REDIS_MIGRATE_CACHED_SOCKETS,
    "slave_expires_tracked_keys": names.REDIS_SLAVE_EXPIRES_TRACKED,
    "tracking_total_keys": names.REDIS_TRACKING_KEYS,
    "tracking_total_items": names.REDIS_TRACKING_ITEMS,
    "tracking_total_prefixes": names.REDIS_TRACKING_PREFIXES,
    "unexpected_error_replies": names.REDIS_UNEXPECTED_ERRORS,
    "total_error_replies": names.REDIS_ERROR_REPLIES,
    "dump_payload_sanitizations": names.REDIS_SANITIZATIONS,
    "total_reads_processed": names.REDIS_READS,
    "total_writes_processed": names.REDIS_WRITES,
    "io_threaded_reads_processed": names.REDIS_THREADED_READS,
    "io_threaded_writes_processed": names.REDIS_THREADED_WRITES,
    "reply_buffer_shrinks": names.REDIS_REPLY_BUFFER_SHRINKS,
    "reply_buffer_expands": names.REDIS_REPLY_BUFFER_EXPANDS,
    # CPU
    "used_cpu_sys_main_thread": names.REDIS_CPU_SYS_MAIN,
    "used_cpu_user_main_thread": names.REDIS_CPU_USER_MAIN,
    "used_cpu_sys": names.REDIS_CPU_SYS,
    "used_cpu_user": names.REDIS_CPU_USER,
    "used_cpu_sys_children": names.REDIS_CPU_SYS_CHILDREN,
    "used_cpu_user_children": names.REDIS_CPU_USER_CHILDREN,
    # Replication
    "connected_slaves": names.REDIS_CONNECTED_SLAVES,
    "slave_priority": names.REDIS_SLAVE_PRIORITY,
    "master_repl_offset": names.REDIS_MASTER_REPL_OFFSET,
    "second_repl_offset": names.REDIS_SECOND_REPL_OFFSET,
    "repl_backlog_size": names.REDIS_BACKLOG,
    "repl_backlog_active": names.REDIS_BACKLOG_ACTIVE,
    "repl_backlog_first_byte_offset": names.REDIS_BACKLOG_FIRST,
    "repl_backlog_histlen": names.REDIS_BACKLOG_HISTORY,
    "sync_full": names.REDIS_RESYNCS_FULL,
    "sync_partial_ok": names.REDIS_RESYNCS_ACCEPTED,
    "sync_partial_err": names.REDIS_RESYNCS_DENIED,
    # Sentinel
    "sentinel_masters": names.REDIS_SENTINEL_MASTERS,
    "sentinel_tilt": names.REDIS_SENTINEL_TILT,
    "sentinel_running_scripts": names.REDIS_SENTINEL_SCRIPTS,
    "sentinel_scripts_queue_length": names.REDIS_SENTINEL_SCRIPTS_QUEUE,
    "sentinel_simulate_failure_flags": names.REDIS_SENTINEL_SIMULATE,
}

# Lines that are a second metric, too, and what the number is divided by.
TWINS: Mapping[str, tuple[Metric, float]] = {
    "maxclients": (names.REDIS_MAX_CLIENTS, 1.0),
    "latest_fork_usec": (names.REDIS_LATEST_FORK_SECONDS, 1e6),
    "process_id": (names.REDIS_PROCESS_ID, 1.0),
}

# Told of a replica, with its master in the labels.
MASTER_FIELDS: Mapping[str, Metric] = {
    "master_link_status": names.REDIS_MASTER_LINK_UP,
    "master_sync_in_progress": names.REDIS_MASTER_SYNC,
    "master_last_io_seconds_ago": names.REDIS_MASTER_LAST_IO,
    "slave_repl_offset": names.REDIS_SLAVE_REPL_OFFSET,
}

# Lines that samples are made of together with others.
FACTS = frozenset(
    {*names.REDIS_INSTANCE_INFO.labels[1:], "master_host", "master_port", "slave_read_only"}
) | frozenset(MASTER_FIELDS)

# Statuses that Redis has as words.
WORDS: Mapping[str, float] = {"ok": 1.0, "err": 0.0, "fail": 0.0, "up": 1.0, "down": 0.0}

# CONFIG is asked for these patterns: Redis before 7 takes one at a time.
CONFIG_PATTERNS = ("max*", "io-threads", "repl-backlog-size", "client-output-buffer-limit")
CONFIG: Mapping[str, Metric] = {
    "maxclients": names.REDIS_CONFIG_MAXCLIENTS,
    "maxmemory": names.REDIS_CONFIG_MAXMEMORY,
    "io-threads": names.REDIS_CONFIG_IO_THREADS,
    "repl-backlog-size": names.REDIS_CONFIG_BACKLOG_SIZE,
}

# What counts the entries of a key of each kind, in O(1).
SIZE: Mapping[str, str] = {
    "list": "LLEN",
    "set": "SCARD",
    "sorted set": "ZCARD",
    "stream": "XLEN",
    "hash": "HLEN",
}
