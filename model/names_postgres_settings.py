"""Postgres' settings that are numbers, as postgres_exporter names them: part of the catalogue.

They are those of Postgres 15, 16 and 18. Sizes are in bytes and times in seconds whatever
Postgres' own unit is; a switch is 0 or 1. What an extension adds is not among them, nor is
wal_summary_keep_time: promtool takes the `summary` in it for a type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from model.metric import Metric, MetricType

_PLAIN = """
    allow_alter_system allow_in_place_tablespaces allow_system_table_mods array_nulls
    autovacuum autovacuum_analyze_scale_factor autovacuum_analyze_threshold
    autovacuum_freeze_max_age autovacuum_max_workers autovacuum_multixact_freeze_max_age
    autovacuum_vacuum_cost_limit autovacuum_vacuum_insert_scale_factor
    autovacuum_vacuum_insert_threshold autovacuum_vacuum_max_threshold
    autovacuum_vacuum_scale_factor autovacuum_vacuum_threshold autovacuum_worker_slots
    bgwriter_lru_maxpages bgwriter_lru_multiplier block_size bonjour check_function_bodies
    checkpoint_completion_target commit_delay commit_siblings cpu_index_tuple_cost
    cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction data_checksums data_directory_mode
    data_sync_retry db_user_namespace debug_assertions debug_discard_caches debug_pretty_print
    debug_print_parse debug_print_plan debug_print_rewritten default_statistics_target
    default_transaction_deferrable default_transaction_read_only effective_io_concurrency
    enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge
    enable_group_by_reordering enable_hashagg enable_hashjoin enable_incremental_sort
    enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
    enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
    enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate
    enable_self_join_elimination enable_seqscan enable_sort enable_tidscan
    escape_string_warning event_triggers exit_on_error extra_float_digits from_collapse_limit
    fsync full_page_writes geqo geqo_effort geqo_generations geqo_pool_size geqo_seed
    geqo_selection_bias geqo_threshold gin_fuzzy_search_limit gss_accept_delegation
    hash_mem_multiplier hot_standby hot_standby_feedback ignore_checksum_failure
    ignore_invalid_pages ignore_system_indexes in_hot_standby integer_datetimes
    io_max_concurrency io_workers jit jit_above_cost jit_debugging_support jit_dump_bitcode
    jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_profiling_support
    jit_tuple_deforming join_collapse_limit krb_caseins_users lo_compat_privileges
    log_checkpoints log_connections log_disconnections log_duration log_executor_stats
    log_file_mode log_hostname log_lock_failures log_lock_waits log_parser_stats
    log_planner_stats log_recovery_conflict_waits log_replication_commands
    log_statement_sample_rate log_statement_stats log_transaction_sample_rate
    log_truncate_on_rotation logging_collector maintenance_io_concurrency
    max_active_replication_origins max_connections max_files_per_process max_function_args
    max_identifier_length max_index_keys max_locks_per_transaction
    max_logical_replication_workers max_notify_queue_pages
    max_parallel_apply_workers_per_subscription max_parallel_maintenance_workers
    max_parallel_workers max_parallel_workers_per_gather max_pred_locks_per_page
    max_pred_locks_per_relation max_pred_locks_per_transaction max_prepared_transactions
    max_replication_slots max_sync_workers_per_subscription max_wal_senders
    max_worker_processes md5_password_warnings num_os_semaphores parallel_leader_participation
    parallel_setup_cost parallel_tuple_cost port quote_all_identifiers random_page_cost
    recovery_target_inclusive recursive_worktable_factor remove_temp_files_after_crash
    reserved_connections restart_after_crash row_security scram_iterations
    send_abort_for_crash send_abort_for_kill seq_page_cost server_version_num
    shared_memory_size_in_huge_pages ssl ssl_passphrase_command_supports_reload
    ssl_prefer_server_ciphers standard_conforming_strings summarize_wal
    superuser_reserved_connections sync_replication_slots synchronize_seqscans
    syslog_sequence_numbers syslog_split_messages tcp_keepalives_count
    trace_connection_negotiation trace_notify trace_sort track_activities
    track_commit_timestamp track_cost_delay_timing track_counts track_io_timing
    track_wal_io_timing transaction_deferrable transaction_read_only transform_null_equals
    unix_socket_permissions update_process_title vacuum_cost_limit vacuum_cost_page_dirty
    vacuum_cost_page_hit vacuum_cost_page_miss vacuum_defer_cleanup_age vacuum_failsafe_age
    vacuum_freeze_min_age vacuum_freeze_table_age vacuum_max_eager_freeze_failure_rate
    vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age
    vacuum_multixact_freeze_table_age vacuum_truncate wal_block_size wal_init_zero
    wal_log_hints wal_receiver_create_temp_slot wal_recycle zero_damaged_pages
"""
_BYTES = """
    autovacuum_work_mem backend_flush_after bgwriter_flush_after checkpoint_flush_after
    commit_timestamp_buffers effective_cache_size gin_pending_list_limit huge_page_size
    io_combine_limit io_max_combine_limit log_parameter_max_length
    log_parameter_max_length_on_error log_rotation_size log_temp_files
    logical_decoding_work_mem maintenance_work_mem max_slot_wal_keep_size max_stack_depth
    max_wal_size min_dynamic_shared_memory min_parallel_index_scan_size
    min_parallel_table_scan_size min_wal_size multixact_member_buffers
    multixact_offset_buffers notify_buffers segment_size serializable_buffers shared_buffers
    shared_memory_size subtransaction_buffers temp_buffers temp_file_limit
    track_activity_query_size transaction_buffers vacuum_buffer_usage_limit wal_buffers
    wal_decode_buffer_size wal_keep_size wal_segment_size wal_skip_threshold
    wal_writer_flush_after work_mem
"""
_SECONDS = """
    archive_timeout authentication_timeout autovacuum_naptime autovacuum_vacuum_cost_delay
    bgwriter_delay checkpoint_timeout checkpoint_warning client_connection_check_interval
    deadlock_timeout idle_in_transaction_session_timeout idle_replication_slot_timeout
    idle_session_timeout lock_timeout log_autovacuum_min_duration log_min_duration_sample
    log_min_duration_statement log_rotation_age log_startup_progress_interval
    max_standby_archive_delay max_standby_streaming_delay old_snapshot_threshold
    post_auth_delay pre_auth_delay recovery_min_apply_delay statement_timeout
    tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout transaction_timeout
    vacuum_cost_delay wal_receiver_status_interval wal_receiver_timeout
    wal_retrieve_retry_interval wal_sender_timeout wal_writer_delay
"""


def _metrics() -> Iterator[tuple[str, Metric]]:
    for names, unit in ((_PLAIN, ""), (_BYTES, "_bytes"), (_SECONDS, "_seconds")):
        for name in names.split():
            metric = f"pg_settings_{name}{unit}"
            # promtool objects to a gauge that looks like a part of a histogram.
            kind = MetricType.UNTYPED if metric.endswith("_count") else MetricType.GAUGE
            yield name, Metric(metric, kind, f"Postgres' setting {name}.", ("target",))


# By the name of the setting.
PG_SETTINGS: Mapping[str, Metric] = dict(_metrics())
PG_SETTINGS_MAX_CONNECTIONS = PG_SETTINGS["max_connections"]
