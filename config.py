"""THE config: what the platform is, what is watched, and who is told.

After a change run `make rules`. A mistake is reported with its line, all mistakes at once.
"""

from model import (
    BURN_WINDOWS,
    CONFIG_SHA256,
    Age,
    Alert,
    Always,
    And,
    BurnWindow,
    BusinessHours,
    Contact,
    Count,
    Email,
    EscalationStep,
    Events,
    JsonState,
    JsonTarget,
    Latency,
    Maintenance,
    Match,
    Or,
    OrZero,
    PagerDuty,
    Platform,
    Postgres,
    Prometheus,
    Ratio,
    Recording,
    Redis,
    Service,
    Severity,
    Slack,
    Slo,
    SqlMetrics,
    SqlValue,
    TcpService,
    TimeUntil,
    Unless,
    Uptime,
    Usual,
    Webhook,
    WeeklyMaintenance,
    Workers,
    collapsed,
    days,
    hours,
    increase,
    max_by,
    metrics,
    min_by,
    minutes,
    missing_metrics,
    observed,
    predict_linear,
    quantile,
    rate,
    recorded,
    seconds,
    select,
    sum_by,
)

# --- What is watched ----------------------------------------------------------------------------
# A service's URL is http://<name>:<port>; the environment overrides it (AUTH_SERVICE_URL).
# `exposes` is what alerts are about: a service that lacks it is reported, not taken for well.

HTTP_SERVER = (metrics.HTTP_REQUESTS, metrics.HTTP_REQUEST_DURATION)

SERVICES = (
    Service(name="auth-service", port=3000, exposes=HTTP_SERVER),
    Service(name="venue-service", port=3001, exposes=HTTP_SERVER),
    Service(name="event-service", port=3002),
    Service(name="ticket-service", port=3003),
    Service(name="payment-service", port=3004),
    Service(name="marketplace-service", port=3005),
    Service(name="analytics-service", port=3006),
    Service(name="notification-service", port=3007, exposes=(metrics.NOTIFICATION_QUEUE_DEPTH,)),
    Service(name="integration-service", port=3008),
    Service(name="compliance-service", port=3009),
    Service(name="queue-service", port=3010, exposes=(metrics.QUEUE_SIZE,)),
    Service(name="search-service", port=3011),
    Service(name="file-service", port=3012),
    Service(name="blockchain-service", port=3013),
    Service(name="order-service", port=3014),
    Service(
        name="minting-service",
        port=3015,
        exposes=(metrics.QUEUE_SIZE, metrics.MINTS, metrics.MINTS_FAILED),
    ),
    Service(name="transfer-service", port=3016),
    # The exporter itself. /status depends on no target, so we are never ill because others are.
    Service(name="monitoring-service", port=3017, path="/status"),
    Service(name="scanning-service", port=3018),
    Service(name="blockchain-indexer", port=3019),
    Service(name="api-gateway", port=3020, exposes=HTTP_SERVER),
)

# What speaks no HTTP, such as a broker or a mail server:
#     TcpService(name="smtp", url="tcp://smtp.tickettoken.com:587", expect="^220 "),
TCP: tuple[TcpService, ...] = ()

# Credentials belong in DATABASE_URL and REDIS_URL, or in the files DATABASE_URL_FILE and
# REDIS_URL_FILE name; these are the addresses without them.
POSTGRES = (Postgres(name="postgresql", url="postgresql://monitoring@postgresql/monitoring_prod"),)
REDIS = (Redis(name="redis", url="redis://redis:6379/0"),)

# What the platform depends on and others run. STRIPE_STATUS_URL overrides it.
EXTERNAL = (
    JsonTarget(
        name="stripe-status",
        url="https://status.stripe.com/api/v2/status.json",
        state=JsonState(
            path="status.indicator",
            up=("none",),
            degraded=("minor",),
            down=("major", "critical"),
        ),
    ),
)

# --- Maintenance --------------------------------------------------------------------------------
# Probing goes on, alerts about these targets do not fire. A reload of the exporter is enough.

MAINTENANCE: tuple[Maintenance | WeeklyMaintenance, ...] = (
    # None is planned.
)

# --- Business metrics ---------------------------------------------------------------------------
# Read by SQL, each on its own clock. The role needs SELECT on payments (docs/postgres.md).

PAYMENTS = SqlMetrics(
    name="payments",
    query="""
        SELECT status, count(*) AS payments FROM payments
        WHERE created_at > now() - interval '1 hour' GROUP BY status
    """,
    key_labels=("status",),
    values=(
        SqlValue(
            column="payments",
            metric_name="tickettoken_payments",
            help="Payments made in the last hour, by status.",
        ),
    ),
)
REFUNDS = SqlMetrics(
    name="refunds",
    query="""
        SELECT count(*) AS refunds, coalesce(sum(amount), 0) AS amount FROM payments
        WHERE status = 'refunded' AND created_at > now() - interval '1 hour'
    """,
    values=(
        SqlValue(
            column="refunds",
            metric_name="tickettoken_refunds",
            help="Payments of the last hour that were refunded.",
        ),
        SqlValue(
            column="amount",
            metric_name="tickettoken_refunded_amount",
            help="What was refunded of the last hour's payments, in the platform's currency.",
        ),
    ),
)
# The last 60 minutes, not the hour that the clock has begun: that one starts at nothing.
REVENUE = SqlMetrics(
    name="revenue",
    query="""
        SELECT
          coalesce(sum(amount) FILTER (WHERE created_at > now() - interval '1 hour'), 0)
            AS this_hour,
          coalesce(sum(amount) FILTER (WHERE created_at <= now() - interval '7 days'), 0)
            AS last_week
        FROM payments
        WHERE status = 'completed' AND (
          created_at > now() - interval '1 hour' OR
          (created_at > now() - interval '7 days 1 hour'
           AND created_at <= now() - interval '7 days'))
    """,
    values=(
        SqlValue(
            column="this_hour",
            metric_name="tickettoken_revenue_hour",
            help="Revenue of the last hour, in the platform's currency.",
        ),
        SqlValue(
            column="last_week",
            metric_name="tickettoken_revenue_hour_last_week",
            help="Revenue of the same hour a week ago, in the platform's currency.",
            beside="this_hour",
        ),
    ),
)
SQL = (PAYMENTS, REFUNDS, REVENUE)

# --- Who is told --------------------------------------------------------------------------------

SECRETS = "/etc/alertmanager/secrets"

CHANNELS = (
    Email(
        to=("oncall@tickettoken.com",),
        sender="monitoring@tickettoken.com",
        smarthost="smtp.tickettoken.com:587",
        username="monitoring@tickettoken.com",
        password_file=f"{SECRETS}/smtp_password",
    ),
    Slack(webhook_url_file=f"{SECRETS}/slack_webhook_url", channel="#monitoring-alerts"),
    PagerDuty(routing_key_file=f"{SECRETS}/pagerduty_routing_key"),
)

# Alertmanager dials no phone: PagerDuty does, by a service of that person's own. Whoever may
# acknowledge from Slack, or is to be known by name when acknowledging in PagerDuty, has an entry
# with these IDs, whether a ladder names it or not (docs/chat.md):
#     Contact(
#         role="jane",
#         title="Jane Doe",
#         email="jane@tickettoken.com",
#         slack_user="T0123/U0456",
#         pagerduty_user="PABC123",
#     ),
CONTACTS = (
    Contact(
        role="on-call",
        title="On-call engineer",
        email="oncall@tickettoken.com",
        when="business",
        after_hours="on-call-primary",
    ),
    Contact(
        role="on-call-primary",
        title="On-call engineer (primary)",
        phone="+1-555-0001",
        pagerduty_routing_key_file=f"{SECRETS}/pagerduty_on_call_primary",
        when="after-hours",
    ),
    Contact(
        role="on-call-backup",
        title="On-call engineer (backup)",
        phone="+1-555-0002",
        pagerduty_routing_key_file=f"{SECRETS}/pagerduty_on_call_backup",
        when="after-hours",
    ),
    Contact(
        role="team-lead",
        title="Team lead",
        email="teamlead@tickettoken.com",
        when="business",
        after_hours="on-call-backup",
    ),
    Contact(
        role="manager",
        title="Engineering manager",
        phone="+1-555-0100",
        pagerduty_routing_key_file=f"{SECRETS}/pagerduty_manager",
    ),
    Contact(role="cto", title="CTO", phone="+1-555-0200", when="emergency"),
    Contact(role="ceo", title="CEO", phone="+1-555-0300", when="emergency"),
)

SEVERITIES = (
    Severity(
        name="critical",
        response_time=minutes(5),
        channels=("email", "slack", "pagerduty"),
        escalation=(
            EscalationStep(after=minutes(5), to="team-lead"),
            EscalationStep(after=minutes(10), to="manager"),
        ),
        # All services that one evaluation finds down arrive together: a second is enough.
        group_wait=seconds(1),
        group_interval=seconds(30),
    ),
    Severity(
        name="error",
        response_time=minutes(15),
        channels=("email", "slack"),
        escalation=(EscalationStep(after=minutes(15), to="team-lead"),),
    ),
    Severity(
        name="warning",
        response_time=hours(1),
        channels=("slack",),
        group_by=("alertname",),
        escalation=(EscalationStep(after=hours(1), to="on-call"),),
        group_wait=seconds(30),
        group_interval=minutes(5),
    ),
    Severity(
        name="info",
        response_time=None,
        channels=("email",),
        group_by=("alertname",),
        group_wait=seconds(30),
        group_interval=minutes(5),
        repeat_interval=hours(12),
        business_hours_only=True,
    ),
)

# --- What people are told about -----------------------------------------------------------------
# Two failed probes in a row fit into 10 s, one never does; docs/architecture.md has the budget.
# Once firing, an alert outlives a gap of four scrapes before it counts as resolved.

CONFIRMED = seconds(10)
OUTLIVE_A_GAP = seconds(20)

# --- Limits -------------------------------------------------------------------------------------

# What Postgres' volume holds, which it cannot tell itself: `df -B1` on its machine does.
POSTGRES_VOLUME_BYTES = 100 * 2**30
STANDBY_LAG_BYTES = 2**30

BLOCKS_HIT, BLOCKS_READ = (
    sum_by(increase(select(counter), minutes(10)), "target", "datname")
    for counter in (metrics.PG_STAT_DATABASE_BLKS_HIT, metrics.PG_STAT_DATABASE_BLKS_READ)
)

# Queues as their services tell of them, and as Redis does of the keys that REDIS names: the metric,
# whose queue it is, and what people call it.
QUEUES = (
    (
        metrics.QUEUE_SIZE,
        "{{ $labels.service }}",
        "The queue {{ $labels.queue_name }} of {{ $labels.service }}",
    ),
    (metrics.QUEUE_DEPTH, "{{ $labels.service }}", "The queue of {{ $labels.service }}"),
    (
        metrics.NOTIFICATION_QUEUE_DEPTH,
        "{{ $labels.service }}",
        "The notifications' queue of {{ $labels.service }}",
    ),
    *(
        (
            (
                metrics.REDIS_KEY_SIZE,
                "{{ $labels.target }}",
                "The queue {{ $labels.key }} in {{ $labels.target }}",
            ),
        )
        if any(server.keys for server in REDIS)
        else ()
    ),
)

ALERTS = (
    Alert(
        name="ServiceDown",
        group="availability",
        expr=observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
        for_=CONFIRMED,
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary="{{ $labels.target }} is down",
        description=(
            "Most health checks of {{ $labels.target }} have failed for 10 s: it did not answer "
            "in time, or its answer did not say that it is healthy."
        ),
        symptoms="The service's health check fails.",
        investigation=(
            "Why does the check fail? `monitoring_probe_failure_reason` and `/health` say.",
            "Look at the service's logs and its last deployment.",
            "Check what it depends on: database, Redis, other services.",
        ),
        actions=("Restart the service.", "Roll back the last deployment."),
    ),
    Alert(
        name="ServiceDegraded",
        group="availability",
        expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.5",
        for_=minutes(2),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="warning",
        inhibited_by_dependencies=True,
        summary="{{ $labels.target }} calls itself degraded",
        description=(
            "{{ $labels.target }} has answered its health check with the status degraded "
            "for 2 minutes: it works, but not as it should."
        ),
        symptoms="The health check answers, with the status degraded.",
        investigation=("The answer's body says which of its dependencies is in trouble.",),
        actions=("Mend the dependency that the answer names.",),
    ),
    Alert(
        name="TargetNotProbed",
        group="availability",
        expr=Unless(
            Unless(
                observed(
                    metrics.TARGET_INFO, by=("target", "kind"), config=CONFIG_SHA256, over=hours(1)
                ),
                observed(metrics.PROBE_SUCCESS),
                on=("target",),
            ),
            # Those that an isolated exporter cannot tell of: ExporterIsolated has been sent.
            observed(metrics.PROBE_WITHHELD),
            on=("target",),
        ),
        for_=minutes(1),
        severity="error",
        summary="{{ $labels.target }} is not being probed",
        description=(
            "{{ $labels.target }} was known in the last hour, but has had no fresh result for a "
            "minute: whether it is up is unknown."
        ),
        symptoms="No result of its probes is younger than three intervals.",
        investigation=(
            "Is the exporter that probes it up, and not overloaded?",
            "`monitoring_errors_total` counts errors inside the exporter; its log names them.",
        ),
        actions=("Restart the exporter.",),
    ),
    Alert(
        name="TargetsMissing",
        group="availability",
        expr=Count(observed(metrics.PROBE_SUCCESS, by=("target",)))
        < len(SERVICES) + len(TCP) + len(POSTGRES) + len(REDIS) + len(SQL) + len(EXTERNAL),
        for_=minutes(1),
        severity="error",
        service="monitoring-service",
        summary="Only {{ $value }} targets are being probed",
        description=(
            "Fewer targets have fresh results than the config names: "
            "{{ $value }}. What the others do is unknown."
        ),
        symptoms="Targets of the config have no fresh results.",
        investigation=(
            "Does every exporter run with the config that the rules were made from?",
            "Is a shard's exporter down?",
        ),
        actions=("Deploy the config, or start the missing exporter.",),
    ),
    Alert(
        name="DatabaseDown",
        group="databases",
        expr=observed(metrics.PG_UP) < "0.5",
        for_=CONFIRMED,
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        inhibits_dependents=True,
        summary="Postgres {{ $labels.target }} is down",
        description=(
            "A new connection to {{ $labels.target }} cannot be made and used, for 10 s: "
            "it is stopped, hung, full, or refuses our credentials."
        ),
        symptoms="New connections to Postgres fail or never answer.",
        investigation=(
            "`monitoring_probe_failure_reason` tells refused from timed out from full.",
            '`psql $DATABASE_URL -c "SELECT 1"`',
        ),
        actions=("Restart Postgres.", "Kill idle connections if it is full."),
    ),
    Alert(
        name="DatabaseSlow",
        group="databases",
        expr=quantile("0.95", metrics.PG_ROUND_TRIP, minutes(5)) > 1,
        for_=minutes(1),
        severity="warning",
        channels=("slack",),
        repeat_interval=minutes(15),
        summary="Postgres {{ $labels.target }} is slow",
        description=(
            "The 95th percentile of a trivial query's round trip to {{ $labels.target }} is "
            "{{ $value | humanizeDuration }} over the last 5 minutes; the limit is 1 s."
        ),
        symptoms="Queries take longer than 1000 ms.",
        investigation=(
            (
                'Connections: `psql $DATABASE_URL -c "SELECT count(*), state FROM '
                'pg_stat_activity GROUP BY state"`'
            ),
            (
                'Long queries: `psql $DATABASE_URL -c "SELECT pid, now() - query_start AS '
                "duration, query FROM pg_stat_activity WHERE state != 'idle' "
                'ORDER BY duration DESC LIMIT 10"`'
            ),
            "Review the slow query log.",
            "Verify the size of the connection pools.",
        ),
        actions=("Kill the long-running query: `SELECT pg_terminate_backend(<pid>)`",),
    ),
    Alert(
        name="SqlMetricsFailing",
        group="databases",
        expr=observed(metrics.PROBE_SUCCESS, kind="sql") < "0.5",
        for_=minutes(5),
        keep_firing_for=minutes(2),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="The query of {{ $labels.target }} fails",
        description=(
            "The business metrics {{ $labels.target }} could not be read for 5 minutes: "
            "alerts about them are blind."
        ),
        symptoms="A query of the config fails, so that its metrics are missing.",
        investigation=(
            "`monitoring_probe_failure_reason` and the exporter's log say why.",
            "Run the query of config.py by psql, as the monitoring role.",
        ),
        actions=("Grant what the role lacks, or mend the query.",),
    ),
    # --- Postgres ---------------------------------------------------------------------------------
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "replication_lag"},
        expr=observed(metrics.PG_REPLICATION_LAG) > minutes(5),
        for_=minutes(2),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary="Replica {{ $labels.target }} is {{ $value | humanizeDuration }} behind",
        description=(
            "The replica {{ $labels.target }} has yet to replay what the primary wrote "
            "{{ $value | humanizeDuration }} ago; the limit is 5 minutes. If the primary is lost "
            "now, so is what the replica lacks."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                "replication_lag: `SELECT pg_last_xact_replay_timestamp(), "
                "pg_is_wal_replay_paused()` on the replica. Does a long query hold up recovery?"
            ),
        ),
        actions=("replication_lag: `SELECT pg_wal_replay_resume()`, or end the query.",),
    ),
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "standby_lag"},
        expr=max_by(
            observed(metrics.PG_STAT_REPLICATION_WAL_LSN_DIFF),
            "target",
            "application_name",
            "client_addr",
        )
        > STANDBY_LAG_BYTES,
        for_=minutes(5),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary=(
            "Standby {{ $labels.application_name }} of {{ $labels.target }} is "
            "{{ $value | humanize1024 }}B behind"
        ),
        description=(
            "For 5 minutes the standby {{ $labels.application_name }} at "
            "{{ $labels.client_addr }} has lacked over 1 GiB of {{ $labels.target }}'s WAL: "
            "{{ $value | humanize1024 }}B."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                'standby_lag: `psql $DATABASE_URL -c "SELECT * FROM pg_stat_replication"`. Which '
                "of sent, written, flushed and replayed lags: network, disk, or its queries?"
            ),
        ),
        actions=("standby_lag: mend the standby's network or disk, or stop the bulk load.",),
    ),
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "inactive_slot"},
        # On a replica, slots that are synchronised from the primary are never in use.
        expr=And(
            min_by(observed(metrics.PG_REPLICATION_SLOTS_ACTIVE), "target", "slot_name") < "0.5",
            observed(metrics.PG_REPLICATION_IS_REPLICA) < "0.5",
            on=("target",),
        ),
        for_=minutes(10),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary="Nobody reads the slot {{ $labels.slot_name }} of {{ $labels.target }}",
        description=(
            "For 10 minutes nobody has read the replication slot {{ $labels.slot_name }} of "
            "{{ $labels.target }}: its standby falls behind, and the WAL that is kept for it "
            "fills the disk."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                'inactive_slot: `psql $DATABASE_URL -c "SELECT slot_name, active, wal_status, '
                'restart_lsn FROM pg_replication_slots"`. Does its reader run?'
            ),
        ),
        actions=(
            (
                "inactive_slot: start the reader. If it is gone for good: "
                "`SELECT pg_drop_replication_slot('<name>')`"
            ),
        ),
    ),
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "wal_archiving"},
        expr=observed(metrics.PG_ARCHIVER_FAILING) > "0.5",
        for_=minutes(5),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary="{{ $labels.target }} cannot archive its WAL",
        description=(
            "For 5 minutes the last attempt of {{ $labels.target }} to archive a WAL file has "
            "been a failed one: nothing newer than the archive can be restored to a point in time."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                'wal_archiving: `psql $DATABASE_URL -c "SELECT * FROM pg_stat_archiver"`, and '
                "Postgres' log for what archive_command said. Is the archive full or out of reach?"
            ),
        ),
        actions=(
            "wal_archiving: mend archive_command or its target; Postgres tries again itself.",
        ),
    ),
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "backup_too_old"},
        # Of what never was backed up there is no time: it is quiet until the first backup.
        expr=Age(observed(metrics.LAST_BACKUP)) > hours(26),
        for_=minutes(5),
        severity="critical",
        service="monitoring-service",
        summary="The last backup is {{ $value | humanizeDuration }} old",
        description=(
            "The last backup of the monitoring database that succeeded is "
            "{{ $value | humanizeDuration }} old; there should be one a day."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                "backup_too_old: did last night's backup run, and what did it say? "
                "`aws s3 ls s3://tickettoken-backups/monitoring/`"
            ),
        ),
        actions=(
            "backup_too_old: `pg_dump $DATABASE_URL > monitoring_backup_$(date +%Y%m%d).sql`",
        ),
    ),
    Alert(
        name="DiskFilling",
        group="databases",
        expr=collapsed(predict_linear(select(metrics.PG_WAL_SIZE), hours(1), ahead=hours(4)))
        + sum_by(observed(metrics.PG_DATABASE_SIZE), "target")
        > POSTGRES_VOLUME_BYTES,
        for_=minutes(10),
        severity="error",
        inhibited_by_dependencies=True,
        summary="The volume of {{ $labels.target }} will be full within 4 hours",
        description=(
            "At the last hour's pace the WAL of {{ $labels.target }} will, with its databases, "
            "take {{ $value | humanize1024 }}B in 4 hours, which its volume does not hold. "
            "Postgres stops when it is full."
        ),
        symptoms="WAL grows so fast that the volume will be full within hours.",
        investigation=(
            "Is WAL kept for somebody? DataLossRisk: a slot that nobody reads, or archiving.",
            (
                'What keeps it: `psql $DATABASE_URL -c "SELECT slot_name, '
                'pg_size_pretty(pg_current_wal_lsn() - restart_lsn) FROM pg_replication_slots"`'
            ),
            "What does the volume hold: `df -h` on its machine; is that the size in config.py?",
        ),
        actions=(
            "Start what reads the slot, or drop the slot.",
            "Mend archiving; never delete files of pg_wal by hand.",
            "Enlarge the volume.",
        ),
    ),
    Alert(
        name="DatabaseGrowing",
        group="databases",
        expr=sum_by(
            collapsed(predict_linear(select(metrics.PG_DATABASE_SIZE), hours(6), ahead=days(4))),
            "target",
        )
        > POSTGRES_VOLUME_BYTES,
        for_=minutes(30),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="The databases of {{ $labels.target }} outgrow their volume within 4 days",
        description=(
            "At the pace of the last 6 hours the databases of {{ $labels.target }} will take "
            "{{ $value | humanize1024 }}B in 4 days, more than their volume holds."
        ),
        symptoms="The databases grow faster than their volume allows.",
        investigation=(
            (
                'Which one: `psql $DATABASE_URL -c "SELECT datname, '
                'pg_size_pretty(pg_database_size(datname)) FROM pg_database"`'
            ),
            (
                'Which tables: `psql $DATABASE_URL -c "SELECT relname, '
                "pg_size_pretty(pg_total_relation_size(relid)) FROM pg_stat_user_tables "
                'ORDER BY pg_total_relation_size(relid) DESC LIMIT 10"`'
            ),
        ),
        actions=(
            "Archive metrics older than 90 days and resolved alerts older than 30 days.",
            "`VACUUM ANALYZE` what was deleted from.",
            "Enlarge the volume, and say so in config.py.",
        ),
    ),
    Alert(
        name="LongTransaction",
        group="databases",
        # A dump is one long transaction by design.
        expr=max_by(
            collapsed(
                select(metrics.PG_STAT_ACTIVITY_MAX_TX_DURATION).where(
                    Match.NOT_EQUAL, application_name="pg_dump"
                )
            ),
            "target",
            "datname",
            "usename",
            "application_name",
        )
        > minutes(15),
        for_=minutes(1),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="A transaction in {{ $labels.datname }} is {{ $value | humanizeDuration }} old",
        description=(
            "{{ $labels.application_name }} has, as {{ $labels.usename }}, kept a transaction open "
            "in {{ $labels.datname }} of {{ $labels.target }} for {{ $value | humanizeDuration }}; "
            "the limit is 15 minutes. Its locks stay, and vacuum cannot clean up."
        ),
        symptoms="A transaction stays open; others wait for its locks, tables bloat.",
        investigation=(
            (
                'Which one: `psql $DATABASE_URL -c "SELECT pid, state, now() - xact_start AS open, '
                'query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start"`'
            ),
            "Idle in transaction: its program has forgotten to commit.",
        ),
        actions=("End it: `SELECT pg_terminate_backend(<pid>)`",),
    ),
    Alert(
        name="ConnectionsSaturated",
        group="databases",
        expr=Ratio(
            sum_by(observed(metrics.PG_STAT_ACTIVITY_COUNT), "target"),
            observed(metrics.PG_SETTINGS_MAX_CONNECTIONS),
            at_least=1,
        )
        > "0.8",
        for_=minutes(2),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="{{ $value | humanizePercentage }} of the connections of {{ $labels.target }}",
        description=(
            "{{ $value | humanizePercentage }} of the connections that {{ $labels.target }} allows "
            "are taken, for 2 minutes; the limit is 80 %. Without one left, services are refused."
        ),
        symptoms="Nearly all connections to Postgres are taken.",
        investigation=(
            (
                'Whose are they: `psql $DATABASE_URL -c "SELECT count(*), application_name, state '
                'FROM pg_stat_activity GROUP BY 2, 3 ORDER BY 1 DESC"`'
            ),
            "Has a service more replicas than usual, or a pool that is too large?",
        ),
        actions=(
            (
                "End idle ones: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = '<name>' AND state = 'idle' AND "
                "state_change < now() - interval '5 minutes'`"
            ),
            "Lower the pools (DATABASE_POOL_MAX), or raise max_connections.",
        ),
    ),
    Alert(
        name="CacheHitRatioLow",
        group="databases",
        expr=Ratio(BLOCKS_HIT, BLOCKS_HIT + BLOCKS_READ, at_least=100_000) < "0.9",
        for_=minutes(15),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="Postgres finds {{ $value | humanizePercentage }} of blocks in its cache",
        description=(
            "In the last 10 minutes {{ $labels.datname }} of {{ $labels.target }} has found "
            "{{ $value | humanizePercentage }} of the blocks it needed in its cache; 90 % and more "
            "is usual. Counted from 100,000 blocks on."
        ),
        symptoms="Queries read from disk what should be in memory.",
        investigation=(
            (
                "Which tables are read whole? `pg_stat_user_tables_seq_tup_read`, and "
                'pg_stat_statements: `psql $DATABASE_URL -c "SELECT query, shared_blks_read FROM '
                'pg_stat_statements ORDER BY 2 DESC LIMIT 10"`'
            ),
            "Was Postgres restarted, or a report run? Then it passes.",
        ),
        actions=("Add the missing index.", "Raise shared_buffers, if the machine has memory left."),
    ),
    Alert(
        name="Deadlocks",
        group="databases",
        # Growth is extrapolated to the whole range: two deadlocks look like 2.1, three like 3.1.
        expr=sum_by(
            increase(select(metrics.PG_STAT_DATABASE_DEADLOCKS), minutes(10)), "target", "datname"
        )
        > "2.4",
        for_=minutes(1),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="Transactions in {{ $labels.datname }} of {{ $labels.target }} deadlock",
        description=(
            "Three or more deadlocks within 10 minutes in {{ $labels.datname }} of "
            "{{ $labels.target }}: of each, Postgres has aborted one transaction."
        ),
        symptoms="Transactions wait for each other until Postgres aborts one.",
        investigation=(
            "Postgres' log names both statements: search it for `deadlock detected`.",
            "Which service was deployed last?",
        ),
        actions=("Make both programs lock rows in one order; retry what was aborted.",),
    ),
    # --- Business ---------------------------------------------------------------------------------
    Alert(
        name="HighRefundRate",
        group="business",
        expr=Ratio(
            observed(REFUNDS.metric("tickettoken_refunds"), by=()),
            sum_by(observed(PAYMENTS.metric("tickettoken_payments"))),
            at_least=20,
        )
        > "0.1",
        for_=minutes(5),
        severity="warning",
        channels=("email", "slack"),
        repeat_interval=minutes(60),
        service="payment-service",
        summary="{{ $value | humanizePercentage }} of the last hour's payments were refunded",
        description=(
            "{{ $value | humanizePercentage }} of the payments of the last hour have been "
            "refunded; the limit is 10 %, counted from 20 payments an hour."
        ),
        symptoms="More than 10 % of the last hour's payments were refunded.",
        investigation=(
            "Which events are refunded? One that was cancelled explains it.",
            "Look for fraud: many refunds of one buyer, card or venue.",
            (
                'The latest ones: `psql $DATABASE_URL -c "SELECT * FROM payments WHERE '
                "status = 'refunded' ORDER BY created_at DESC LIMIT 20\"`"
            ),
            "The payment provider's status: `curl https://status.stripe.com/api/v2/status.json`",
            "Are refunds made twice? Look at payment-service's log and its last deployment.",
        ),
        actions=(
            "Hold the refunds that look like fraud, and tell the fraud team.",
            "Stop the sale of the event that is refunded.",
            "Is the refund policy what was meant? Tell the payment team.",
        ),
    ),
    Alert(
        name="PaymentFailureSpike",
        group="business",
        expr=Ratio(
            observed(PAYMENTS.metric("tickettoken_payments"), by=(), status="failed"),
            sum_by(observed(PAYMENTS.metric("tickettoken_payments"))),
            at_least=20,
        )
        > "0.2",
        for_=minutes(5),
        severity="error",
        channels=("email", "slack", "pagerduty"),
        repeat_interval=minutes(30),
        service="payment-service",
        summary="{{ $value | humanizePercentage }} of the last hour's payments failed",
        description=(
            "{{ $value | humanizePercentage }} of the payments of the last hour have failed; the "
            "limit is 20 %, counted from 20 payments an hour."
        ),
        symptoms="More than 20 % of the last hour's payments failed.",
        investigation=(
            (
                "Does the payment provider tell of trouble? ProviderDegraded, and "
                "`curl https://status.stripe.com/api/v2/status.json`"
            ),
            "Is payment-service well? `curl http://payment-service:3004/health`",
            "Which error codes are in its log: refused cards, timeouts, the provider's rate limit?",
            "Can it reach its database? DatabaseDown, DatabaseSlow, ConnectionsSaturated.",
            (
                'How many of which: `psql $DATABASE_URL -c "SELECT status, count(*) FROM payments '
                "WHERE created_at > now() - interval '1 hour' GROUP BY status\"`"
            ),
        ),
        actions=(
            "Roll back: `kubectl rollout undo deployment/payment-service`",
            "Where the provider is at fault, tell it, and tell support what to answer.",
        ),
    ),
    Alert(
        name="RevenueDrop",
        group="business",
        # Half of the revenue of the same hour a week ago is a change of -50 %.
        expr=Ratio(
            observed(REVENUE.metric("tickettoken_revenue_hour"), by=()),
            observed(REVENUE.metric("tickettoken_revenue_hour_last_week"), by=()),
            at_least=1000,
        )
        < "0.5",
        for_=minutes(10),
        severity="info",
        repeat_interval=minutes(120),
        service="payment-service",
        summary="Revenue is {{ $value | humanizePercentage }} of last week's",
        description=(
            "The last hour's revenue is {{ $value | humanizePercentage }} of that of the same "
            "hour a week ago; told from a revenue of 1000 on."
        ),
        symptoms="The last hour's revenue has fallen by more than half within a week.",
        investigation=(
            "Was a large sale going on last week at this hour?",
            "Do payments fail, or does nobody reach the shop? PaymentFailureSpike, ServiceDown.",
        ),
        actions=("Tell the product owner.",),
    ),
    *(
        Alert(
            name="QueueDepthHigh",
            group="business",
            labels={"metric": metric.name},
            expr=observed(metric) > 1000,
            for_=minutes(5),
            severity="warning",
            channels=("slack",),
            repeat_interval=minutes(30),
            inhibited_by_dependencies=True,
            service=owner,
            summary=f"{queue} holds {{{{ $value | humanize }}}} jobs",
            description=(
                f"{queue} has held more than 1000 jobs for 5 minutes: "
                "{{ $value | humanize }}. They arrive faster than they are done."
            ),
            symptoms="More than 1000 jobs wait.",
            investigation=(
                "Do its workers run, and what do their logs say?",
                "Is something that they need slow or down? ServiceDown, DatabaseSlow, RedisDown.",
                "Do jobs fail and come back? Look for one that never succeeds.",
                "Is it a sale that has just begun? TrafficSpike. Then it passes.",
            ),
            actions=(
                "Scale the workers: `kubectl scale deployment <service> --replicas=3`",
                "Move the job that blocks the others out of the way.",
            ),
        )
        for metric, owner, queue in QUEUES
    ),
    # --- Redis ------------------------------------------------------------------------------------
    Alert(
        name="RedisDown",
        group="databases",
        expr=observed(metrics.REDIS_UP) < "0.5",
        for_=CONFIRMED,
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        inhibits_dependents=True,
        summary="Redis {{ $labels.target }} is down",
        description=("A new connection to {{ $labels.target }} cannot be made and used, for 10 s."),
        symptoms="New connections to Redis fail or never answer.",
        investigation=("`redis-cli ping`", "Is it loading its data, or out of memory?"),
        actions=("Restart Redis.",),
    ),
    Alert(
        name="DataLossRisk",
        group="data-loss",
        labels={"cause": "redis_persistence"},
        expr=Or(
            observed(metrics.REDIS_RDB_LAST_STATUS) < "0.5",
            observed(metrics.REDIS_AOF_WRITE_STATUS) < "0.5",
        ),
        for_=minutes(5),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        summary="Redis {{ $labels.target }} cannot write its data to disk",
        description=(
            "For 5 minutes the last snapshot of {{ $labels.target }}, or its last write to the "
            "append-only file, has been a failed one: a restart loses what came after."
        ),
        symptoms="What is to survive a fault lags behind, or is no longer written at all.",
        investigation=(
            (
                "redis_persistence: `redis-cli INFO persistence`, and Redis' log. Is its disk "
                "full, or is there no memory left to fork?"
            ),
        ),
        actions=("redis_persistence: make room, then `redis-cli BGSAVE`.",),
    ),
    Alert(
        name="RedisMemoryHigh",
        group="redis",
        # A cache that evicts any key is full for good; RedisEvicting tells when it is too small.
        expr=And(
            Ratio(
                observed(metrics.REDIS_MEMORY_USED), observed(metrics.REDIS_MEMORY_MAX), at_least=1
            )
            > "0.9",
            collapsed(
                select(metrics.REDIS_INSTANCE_INFO).where(
                    Match.NOT_REGEX, maxmemory_policy="allkeys-.*"
                ),
                by=("target",),
            )
            > "0.5",
            on=("target",),
        ),
        for_=minutes(5),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="Redis {{ $labels.target }} uses {{ $value | humanizePercentage }} of its memory",
        description=(
            "{{ $labels.target }} has used {{ $value | humanizePercentage }} of maxmemory for "
            "5 minutes; the limit is 90 %. When it is full, writes fail."
        ),
        symptoms="Redis is nearly full.",
        investigation=(
            "`redis-cli INFO memory`",
            "What is large: `redis-cli --bigkeys`. Is a queue not being worked off?",
            "Do keys lack a time to live? `redis_db_keys` against `redis_db_keys_expiring`.",
        ),
        actions=(
            "Raise it: `redis-cli CONFIG SET maxmemory 2gb`",
            "If all of it is a cache: `redis-cli CONFIG SET maxmemory-policy allkeys-lru`",
        ),
    ),
    Alert(
        name="RedisEvicting",
        group="redis",
        expr=collapsed(increase(select(metrics.REDIS_EVICTED_KEYS), minutes(10))) > 100,
        for_=minutes(5),
        severity="warning",
        inhibited_by_dependencies=True,
        summary="Redis {{ $labels.target }} throws keys away",
        description=(
            "{{ $labels.target }} has evicted {{ $value | humanize }} keys within 10 minutes, for "
            "lack of memory; the limit is 100. What was cached is fetched anew, what was stored "
            "is lost."
        ),
        symptoms="Redis removes keys that nobody deleted.",
        investigation=(
            '`redis-cli INFO stats | grep -E "evicted_keys|keyspace"`',
            "Does it hold more than a cache: queues, sessions?",
        ),
        actions=(
            "Raise maxmemory: `redis-cli CONFIG SET maxmemory 2gb`",
            "Keep queues in a Redis of their own that evicts nothing.",
        ),
    ),
    Alert(
        name="RedisConnectionsRejected",
        group="redis",
        expr=collapsed(increase(select(metrics.REDIS_REJECTED_CONNECTIONS), minutes(5))) > "0.5",
        for_=minutes(1),
        severity="error",
        inhibited_by_dependencies=True,
        summary="Redis {{ $labels.target }} refuses connections",
        description=(
            "{{ $labels.target }} has refused {{ $value | humanize }} connections within "
            "5 minutes, since as many clients as maxclients allows were connected."
        ),
        symptoms="Services cannot connect to Redis, or only now and then.",
        investigation=(
            "`redis-cli CLIENT LIST`: whose are they, and how long have they been idle?",
            "`redis-cli CONFIG GET maxclients`",
        ),
        actions=(
            "Restart the service that leaks connections.",
            "`redis-cli CONFIG SET timeout 300` closes idle ones.",
            "Raise maxclients.",
        ),
    ),
    # Nobody of ours can mend it, so it wakes nobody; whoever looks into failing payments sees it.
    Alert(
        name="ProviderDegraded",
        group="external",
        expr=observed(metrics.JSON_STATE, state="up") < "0.5",
        for_=minutes(5),
        severity="warning",
        summary="{{ $labels.target }} does not say that all is well",
        description=(
            "For 5 minutes {{ $labels.target }} has told of trouble on its provider's side, or "
            "could not be read: calls to that provider may fail."
        ),
        symptoms="The provider's public status is not that all is well.",
        investigation=(
            "`monitoring_json_state` tells degraded from down from unknown; `/health` says why.",
            "Read the provider's own page: `curl https://status.stripe.com/api/v2/status.json`",
            "Do payments fail? Look at payment-service's errors.",
        ),
        actions=("Tell support and the payment team; wait for the provider.",),
    ),
    Alert(
        name="ServiceMetricsMissing",
        group="services",
        expr=missing_metrics(SERVICES),
        for_=minutes(2),
        severity="warning",
        service="{{ $labels.service }}",
        summary="{{ $labels.service }} does not expose {{ $labels.metric }}",
        description=(
            "For 2 minutes Prometheus has had no {{ $labels.metric }} of {{ $labels.service }}: "
            "alerts and dashboards about it see nothing, which is not that all is well."
        ),
        symptoms="A metric that a service should expose has no series.",
        investigation=(
            'Can it be scraped? `up{job="services"}` in Prometheus, and its page of targets.',
            "curl http://<service>:<port>/metrics",
            "Did its last deployment rename or drop the metric?",
        ),
        actions=("Mend the service's /metrics, or say in config.py what it exposes now.",),
    ),
    Alert(
        name="CertificateExpiring",
        group="certificates",
        expr=TimeUntil(observed(metrics.PROBE_SSL_EARLIEST_CERT_EXPIRY)) < days(14),
        for_=minutes(5),
        severity="warning",
        summary="A certificate of {{ $labels.target }} expires soon",
        description=(
            "The first certificate in {{ $labels.target }}'s chain expires in "
            "{{ $value | humanizeDuration }}; renew it before clients refuse it."
        ),
        symptoms="A certificate expires in less than 14 days.",
        investigation=("Which certificate? `openssl s_client -showcerts -connect <host>:443`",),
        actions=("`sudo certbot renew`", "`sudo nginx -s reload`"),
    ),
    Alert(
        name="ExporterDown",
        group="monitoring",
        no_data="fires",
        expr=OrZero(observed(metrics.UP, by=(), job="monitoring-service")) < 1,
        for_=seconds(30),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        service="monitoring-service",
        summary="No exporter can be scraped",
        description=(
            "Prometheus has reached no replica of the monitoring service for 30 s: the state of "
            "every service is unknown."
        ),
        symptoms="Prometheus cannot scrape the monitoring service.",
        investigation=(
            "`curl http://monitoring-service:3017/-/healthy`",
            "`docker logs monitoring-service --tail=50`",
            "Is Prometheus' address in PROMETHEUS_ALLOWED_IPS?",
        ),
        actions=("Restart the monitoring service.",),
    ),
    Alert(
        name="ExporterIsolated",
        group="monitoring",
        expr=observed(metrics.CONNECTIVITY_UP) < "0.5",
        for_=CONFIRMED,
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        service="monitoring-service",
        summary="An exporter is cut off from its network",
        description=(
            "Nothing answers an exporter any more, neither targets nor gateway and name server: "
            "what it watches is unknown, and may be down."
        ),
        symptoms="Every target of an exporter has fallen silent, and all points of reference too.",
        investigation=(
            "Which exporter: `monitoring_connectivity_up == 0`; with others left, they decide.",
            "Who does not answer it: `monitoring_connectivity_reference_up`.",
            "On its machine: ip route; ip -s link; is the name server in /etc/resolv.conf there?",
        ),
        actions=(
            "Mend its network, or run the exporter elsewhere.",
            "Until then look at the platform itself: nobody watches it.",
        ),
    ),
    Alert(
        name="ConfigDrift",
        group="monitoring",
        expr=Count(select(metrics.CONFIG_INFO).where(Match.NOT_EQUAL, sha256=CONFIG_SHA256)) > 0,
        for_=minutes(10),
        severity="warning",
        service="monitoring-service",
        summary="{{ $value }} exporter(s) run with another config than these rules",
        description=(
            "{{ $value }} exporter(s) have loaded another config than the one these rules were "
            "compiled from, for 10 minutes: alerts and probes may disagree."
        ),
        symptoms="The hash in `monitoring_config_info` is not the one in the rules.",
        investigation=(
            "Did the last reload fail? `monitoring_config_last_reload_successful`",
            "Was `make rules` run and deployed after the last change?",
        ),
        actions=("Deploy config and rules from one revision, then reload both.",),
    ),
    Alert(
        name="Watchdog",
        group="monitoring",
        expr=Always(),
        for_=seconds(0),
        no_data="fires",
        severity=None,
        service="monitoring-service",
        summary="Alerting works",
        description=(
            "This alert always fires. When the dead man's switch stops hearing of it, "
            "Prometheus or Alertmanager has died."
        ),
        symptoms="The dead man's switch has not been called.",
        investigation=("Are Prometheus and Alertmanager running, and can they reach each other?",),
        actions=("Restart what has died.",),
    ),
)

# Only with a target that it could fire for: an alert that cannot fire cannot be tested either.
TCP_SERVICE_DOWN = Alert(
    name="TcpServiceDown",
    group="availability",
    expr=observed(metrics.PROBE_SUCCESS, kind="tcp") < "0.5",
    for_=CONFIRMED,
    keep_firing_for=OUTLIVE_A_GAP,
    severity="critical",
    summary="{{ $labels.target }} is down",
    description=(
        "Most connections to {{ $labels.target }} have failed for 10 s: its port is closed, "
        "it did not answer in time, or what it said was not what is expected."
    ),
    symptoms="The port does not take connections, or does not say what it should.",
    investigation=(
        "Why does the check fail? `monitoring_probe_failure_reason` and `/health` say.",
        "Does the process run, and listen? ss -ltnp on its machine.",
        "Is a firewall in between? nc -vz <host> <port>",
    ),
    actions=("Restart the service.", "Roll back the last deployment."),
)

# --- Services -----------------------------------------------------------------------------------
# Of those that expose their requests; ServiceMetricsMissing tells when one of them no longer does.

REQUESTS = Recording(
    name="service:http_requests:rate1h",
    group="traffic",
    expr=sum_by(rate(select(metrics.HTTP_REQUESTS), hours(1)), "service"),
)

SERVICE_ALERTS = (
    Alert(
        name="APIErrorRateHigh",
        group="services",
        expr=Ratio(
            sum_by(
                increase(
                    select(metrics.HTTP_REQUESTS).where(Match.REGEX, status_code="5.."), minutes(5)
                ),
                "service",
            ),
            sum_by(increase(select(metrics.HTTP_REQUESTS), minutes(5)), "service"),
            at_least=50,
        )
        > "0.05",
        for_=minutes(1),
        keep_firing_for=minutes(1),
        severity="error",
        channels=("email", "slack"),
        repeat_interval=minutes(30),
        service="{{ $labels.service }}",
        inhibited_by_dependencies=True,
        summary="{{ $value | humanizePercentage }} of {{ $labels.service }}'s requests fail",
        description=(
            "{{ $labels.service }} has answered {{ $value | humanizePercentage }} of the requests "
            "of the last 5 minutes with a status of 500 or above; the limit is 5 %, counted from "
            "50 requests in 5 minutes."
        ),
        symptoms="A service answers more than 5 % of its requests with a server error.",
        investigation=(
            (
                "Which routes: `sum by (route, status_code) "
                '(rate(http_requests_total{service="<service>",status_code=~"5.."}[5m]))`'
            ),
            "`docker logs <service> --tail=100 | grep -i error`",
            "Is what it depends on well? DatabaseDown, RedisDown, ServiceDown of another service.",
            "Was it deployed within the last hour?",
        ),
        actions=(
            "Roll back the last deployment if the errors began with it.",
            "Mend or restart what it depends on.",
            "`docker restart <service>`",
        ),
    ),
    Alert(
        name="TrafficSpike",
        group="traffic",
        expr=Ratio(recorded(REQUESTS), Usual(recorded(REQUESTS)), at_least=1) > 3,
        for_=minutes(15),
        severity="info",
        channels=("slack",),
        repeat_interval=minutes(60),
        service="{{ $labels.service }}",
        summary="{{ $labels.service }} has {{ $value | humanize }} times its usual traffic",
        description=(
            "In the last hour {{ $labels.service }} got {{ $value | humanize }} times as many "
            "requests as is usual at this time, the median of the last 7 days; told from 3 times "
            "on, and from a usual rate of 1 request a second."
        ),
        symptoms="A service gets more than three times the requests that are usual at this hour.",
        investigation=(
            "Has a sale begun? Ask the event team.",
            (
                "Which routes: `topk(5, sum by (route) "
                '(rate(http_requests_total{service="<service>"}[5m])))`'
            ),
            "Few clients, or refused logins? It may be bots: look at api-gateway's access log.",
        ),
        actions=(
            "Add instances if latency rises with it.",
            "Limit the rate of the clients that are not customers.",
        ),
    ),
    Alert(
        name="HighMemoryUsage",
        group="services",
        expr=Ratio(
            max_by(select(metrics.RESIDENT_MEMORY, job="services"), "service", "instance"),
            max_by(select(metrics.SERVICE_MEMORY_LIMIT), "service"),
            at_least=1,
            on=("service",),
        )
        > "0.8",
        for_=minutes(5),
        severity="warning",
        channels=("slack",),
        service="{{ $labels.service }}",
        labels={"process": "service"},
        summary="{{ $labels.service }} uses {{ $value | humanizePercentage }} of its memory",
        description=(
            "{{ $labels.instance }} of {{ $labels.service }} has used more than 80 % of the "
            "memory that it may have for 5 minutes, now {{ $value | humanizePercentage }}. At "
            "100 % it is killed."
        ),
        symptoms="A service uses more than 80 % of the memory limit that config.py gives for it.",
        investigation=(
            "`docker stats --no-stream <service>`",
            (
                "Does it rise steadily, which is a leak, or with the traffic? "
                'process_resident_memory_bytes{service="<service>"} over a day.'
            ),
            "Was it killed before? `docker inspect -f '{{.State.OOMKilled}}' <service>`",
        ),
        actions=(
            "Restart it if it leaks: `docker restart <service>`",
            "Raise its limit in its deployment, and memory_limit in config.py.",
        ),
    ),
)

# --- Objectives ---------------------------------------------------------------------------------

# What 30 days of 99.9 % leave is 43 minutes. Longer windows average the ratio of 5 minutes: over
# days, the counters of every route would cost Prometheus more than all other rules together.

AVAILABLE = Recording(
    name="service:http_available:ratio5m",
    group="objectives",
    expr=1
    - Events(
        bad=select(metrics.HTTP_REQUESTS).where(Match.REGEX, status_code="5.."),
        total=select(metrics.HTTP_REQUESTS),
        by=("service",),
        at_least=600,
    ).errors(minutes(5)),
)
FAST = Recording(
    name="service:http_fast:ratio5m",
    group="objectives",
    expr=1
    - Latency(
        histogram=metrics.HTTP_REQUEST_DURATION, le="0.5", by=("service",), at_least=600
    ).errors(minutes(5)),
)
AVAILABILITY = Slo(
    name="availability", group="objectives", objective="0.999", sli=Uptime(recorded(AVAILABLE))
)
LATENCY = Slo(name="latency", group="objectives", objective="0.99", sli=Uptime(recorded(FAST)))
# Of every service, whether or not it tells of its requests.
UPTIME = Slo(
    name="uptime",
    group="objectives",
    objective="0.999",
    sli=Uptime(select(metrics.PROBE_SUCCESS, kind="http")),
)
OBJECTIVES = (AVAILABILITY, LATENCY, UPTIME)


def budget_burns(slo: Slo, window: BurnWindow, subject: str, spent: str) -> Alert:
    """People are told how fast a budget is spent: fast is an error, slow a warning.

    Nobody is woken: what is down altogether has paged as ServiceDown.
    """
    is_fast = window.long < days(1)
    return Alert(
        name="ErrorBudgetBurn",
        group="objectives",
        expr=slo.burns(window),
        for_=minutes(1),
        severity="error" if is_fast else "warning",
        service=subject,
        labels={**slo.labels(window), "objective": slo.name},
        inhibited_by_dependencies=True,
        summary=(
            f"{subject} spends its error budget of {slo.name} at over {window.factor:f} times "
            "the allowed rate"
        ),
        description=(
            f"{{{{ $value | humanizePercentage }}}} of {subject}'s {spent} in the last "
            f"{window.name}, and too many in its last part too; the objective allows "
            f"{100 * slo.budget:f} % over 30 days."
        ),
        symptoms=(
            "A service fails more often, answers more slowly or is down longer than its objective "
            "allows."
        ),
        investigation=(
            "Since when? slo:sli_error:ratio_rate5m; and what was deployed then?",
            "What is left: slo:period_error_budget_remaining:ratio",
            (
                "Which routes fail: `topk(5, sum by (route, status_code) "
                '(rate(http_requests_total{service="<service>",status_code=~"5.."}[1h])))`'
            ),
            (
                "Which are slow: `histogram_quantile(0.99, sum by (le, route) "
                '(rate(http_request_duration_seconds_bucket{service="<service>"}[1h])))`'
            ),
        ),
        actions=(
            "Mend what fails before anything new is deployed; roll back what brought it.",
            "Where the budget is spent, put reliability before features until it is back.",
        ),
    )


OBJECTIVE_ALERTS = (
    *(
        budget_burns(AVAILABILITY, window, "{{ $labels.service }}", "requests failed")
        for window in BURN_WINDOWS
    ),
    *(
        budget_burns(LATENCY, window, "{{ $labels.service }}", "requests took over 0.5 s")
        for window in BURN_WINDOWS[1::2]
    ),
    # Not the fast ones, which would double ServiceDown.
    *(
        budget_burns(UPTIME, window, "{{ $labels.target }}", "probes failed")
        for window in BURN_WINDOWS[3:]
    ),
)

# --- Monitoring itself --------------------------------------------------------------------------
# Whoever evaluates these may be the one that is ill: what stops it altogether is told by the dead
# man's switch, which no longer hears of Watchdog.

# More than no failure: a counter's increase is no whole number.
FAILED = "0.5"

MONITORING_ALERTS = (
    Alert(
        name="HighMemoryUsage",
        group="monitoring",
        expr=Ratio(
            max_by(select(metrics.RESIDENT_MEMORY, job="monitoring-service"), "instance"),
            max_by(select(metrics.MEMORY_LIMIT), "instance"),
            at_least=1,
        )
        > "0.8",
        for_=minutes(5),
        severity="warning",
        channels=("slack",),
        service="monitoring-service",
        labels={"process": "exporter"},
        summary="The exporter uses {{ $value | humanizePercentage }} of its memory",
        description=(
            "The exporter {{ $labels.instance }} has used more than 80 % of the memory that its "
            "cgroup allows for 5 minutes, now {{ $value | humanizePercentage }}. At 100 % it is "
            "killed, and nobody watches."
        ),
        symptoms="The exporter uses more than 80 % of the memory that its container may have.",
        investigation=(
            "`curl http://localhost:3017/metrics | grep -E 'process_resident_memory|memory_limit'`",
            (
                "Does it rise steadily? process_resident_memory_bytes over a day; then also "
                "`monitoring_tasks`, which must not rise."
            ),
            "`docker stats --no-stream monitoring-service`",
        ),
        actions=(
            (
                "Raise the limit: `kubectl -n tickettoken-monitoring set resources "
                "deployment/monitoring-service --limits=memory=512Mi`"
            ),
            "`docker restart monitoring-service`",
        ),
    ),
    Alert(
        name="ExporterReplicaDown",
        group="monitoring",
        expr=observed(metrics.UP, by=("instance",), job="monitoring-service") < "0.5",
        for_=minutes(2),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="warning",
        service="monitoring-service",
        summary="The exporter {{ $labels.instance }} is down",
        description=(
            "Prometheus has not reached the exporter {{ $labels.instance }} for 2 minutes. While "
            "another one lives, it watches; the next fault leaves nobody (ExporterDown)."
        ),
        symptoms="One of the exporters cannot be scraped.",
        investigation=(
            "`curl http://<instance>/-/healthy`",
            "`docker logs monitoring-service --tail=50`",
            "`kubectl -n tickettoken-monitoring get pods -o wide`",
        ),
        actions=("Restart it, or take it from watched_by.exporters in config.py.",),
    ),
    Alert(
        name="DatabasePoolExhausted",
        group="monitoring",
        expr=And(
            max_by(select(metrics.DB_POOL_WAITING), "instance") > 0,
            min_by(select(metrics.DB_POOL_AVAILABLE), "instance") < 1,
        ),
        for_=seconds(30),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="critical",
        service="monitoring-service",
        summary="{{ $value }} requests wait for a database connection",
        description=(
            "All connections of the pool of {{ $labels.instance }} have been in use for 30 s, and "
            "{{ $value }} requests wait for one: alerts are acknowledged late or not at all."
        ),
        symptoms="No connection of the ledger's pool is free while requests wait.",
        investigation=(
            "`curl http://localhost:3017/metrics | grep db_pool`",
            (
                '`psql $DATABASE_URL -c "SELECT pid, state, now() - query_start AS since, '
                "left(query, 60) FROM pg_stat_activity "
                "WHERE application_name = 'monitoring-service' ORDER BY since DESC NULLS LAST\"`"
            ),
            "Is Postgres slow? DatabaseSlow.",
        ),
        actions=(
            "End what hangs: SELECT pg_terminate_backend(<pid>)",
            "Raise DATABASE_POOL_MAX, and restart the monitoring service.",
        ),
    ),
    Alert(
        name="PrometheusDown",
        group="monitoring",
        expr=observed(metrics.UP, by=("instance",), job="prometheus") < "0.5",
        for_=minutes(1),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="error",
        service="monitoring-service",
        summary="Prometheus {{ $labels.instance }} is down",
        description=(
            "The Prometheus {{ $labels.instance }} could not be scraped for a minute. One that is "
            "alone cannot tell this: then the dead man's switch does."
        ),
        symptoms="A Prometheus cannot be scraped by another.",
        investigation=(
            "`curl http://<instance>/-/healthy`",
            "`docker logs prometheus --tail=50`",
            "Is its disk full? df -h; was it killed for its memory?",
        ),
        actions=("`docker restart prometheus`",),
    ),
    Alert(
        name="PrometheusConfigReloadFailed",
        group="monitoring",
        expr=min_by(select(metrics.PROMETHEUS_CONFIG_LAST_RELOAD_SUCCESSFUL), "instance") < "0.5",
        for_=minutes(5),
        severity="warning",
        service="monitoring-service",
        summary="Prometheus {{ $labels.instance }} runs with an old config",
        description=(
            "The last reload of {{ $labels.instance }} has failed: it goes on with the rules and "
            "targets that it had, and will not start again with what is there now."
        ),
        symptoms="Prometheus could not load the config or the rules that it was given.",
        investigation=(
            "`docker logs prometheus --tail=50 | grep -i 'loading config'`",
            "`promtool check config /etc/prometheus/prometheus.yml`",
        ),
        actions=("Deploy what `make rules` has written, then: `curl -X POST <instance>/-/reload`",),
    ),
    Alert(
        name="RuleEvaluationFailing",
        group="monitoring",
        expr=sum_by(
            increase(select(metrics.PROMETHEUS_RULE_EVALUATION_FAILURES), minutes(5)),
            "instance",
            "rule_group",
        )
        > FAILED,
        for_=seconds(0),
        severity="error",
        service="monitoring-service",
        summary="Rules of {{ $labels.rule_group }} cannot be evaluated",
        description=(
            "{{ $labels.instance }} failed to evaluate rules of {{ $labels.rule_group }} in the "
            "last 5 minutes: alerts of that group may be silent."
        ),
        symptoms="Prometheus fails to evaluate rules.",
        investigation=(
            (
                "`curl -s <instance>/api/v1/rules | jq '.data.groups[].rules[] | "
                'select(.health == "err") | {name, lastError}\'`'
            ),
            "`docker logs prometheus --tail=100 | grep -i 'evaluating rule'`",
        ),
        actions=(
            "Mend the rule: often two series match where one is expected.",
            "Roll back the last change of the rules.",
        ),
    ),
    Alert(
        name="RuleEvaluationSlow",
        group="monitoring",
        expr=sum_by(
            increase(select(metrics.PROMETHEUS_RULE_GROUP_ITERATIONS_MISSED), minutes(5)),
            "instance",
            "rule_group",
        )
        > FAILED,
        for_=minutes(5),
        severity="warning",
        service="monitoring-service",
        summary="Rules of {{ $labels.rule_group }} take longer than their interval",
        description=(
            "{{ $labels.instance }} has skipped evaluations of {{ $labels.rule_group }} for 5 "
            "minutes, since the one before was not done: its alerts come late."
        ),
        symptoms="Prometheus skips evaluations of rules.",
        investigation=(
            "Which group is slow: `topk(5, prometheus_rule_group_last_duration_seconds)`",
            "Is the machine busy, or its disk? top; iostat -x 1 3",
            "Has a metric grown many series? `topk(10, count by (__name__) ({__name__=~'.+'}))`",
        ),
        actions=("Give Prometheus more CPU, or the group's rules recording rules to read.",),
    ),
    Alert(
        name="NoAlertmanager",
        group="monitoring",
        expr=min_by(select(metrics.PROMETHEUS_ALERTMANAGERS_DISCOVERED), "instance") < 1,
        for_=minutes(1),
        severity="error",
        service="monitoring-service",
        summary="Prometheus {{ $labels.instance }} knows no Alertmanager",
        description=(
            "{{ $labels.instance }} has had no Alertmanager to send alerts to for a minute. If it "
            "is the only Prometheus, the dead man's switch tells instead of this alert."
        ),
        symptoms="A Prometheus has nobody to send its alerts to.",
        investigation=(
            "`curl -s <instance>/api/v1/alertmanagers`",
            "Does its config have `alerting`? `curl -s <instance>/api/v1/status/config`",
        ),
        actions=("Deploy the generated prometheus.yml, then: `curl -X POST <instance>/-/reload`",),
    ),
    Alert(
        name="AlertsNotDelivered",
        group="monitoring",
        expr=sum_by(
            increase(select(metrics.PROMETHEUS_NOTIFICATIONS_ERRORS), minutes(5)),
            "instance",
            "alertmanager",
        )
        > FAILED,
        for_=minutes(5),
        severity="error",
        service="monitoring-service",
        summary="{{ $labels.alertmanager }} does not take alerts",
        description=(
            "{{ $labels.instance }} could not send alerts to {{ $labels.alertmanager }} for 5 "
            "minutes. Another Alertmanager has them, or nobody."
        ),
        symptoms="Prometheus cannot send alerts to an Alertmanager.",
        investigation=(
            "`curl http://<alertmanager>/-/healthy`",
            "`docker logs prometheus --tail=50 | grep -i 'sending alert'`",
        ),
        actions=("`docker restart alertmanager`", "Mend the network between the two."),
    ),
    Alert(
        name="AlertsDropped",
        group="monitoring",
        expr=sum_by(
            increase(select(metrics.PROMETHEUS_NOTIFICATIONS_DROPPED), minutes(5)), "instance"
        )
        > FAILED,
        for_=seconds(0),
        severity="error",
        service="monitoring-service",
        summary="Prometheus {{ $labels.instance }} throws alerts away",
        description=(
            "{{ $labels.instance }} has thrown away alerts in the last 5 minutes, since no "
            "Alertmanager took them: somebody may not have been told."
        ),
        symptoms="Alerts were lost on their way to Alertmanager.",
        investigation=(
            "What fires now? `curl -s <instance>/api/v1/alerts | jq '.data.alerts[].labels'`",
            "Is every Alertmanager up? AlertmanagerDown, AlertsNotDelivered.",
        ),
        actions=(
            "Look through what fires yourself.",
            "`docker restart alertmanager`",
        ),
    ),
    Alert(
        name="AlertmanagerDown",
        group="monitoring",
        expr=observed(metrics.UP, by=("instance",), job="alertmanager") < "0.5",
        for_=minutes(1),
        keep_firing_for=OUTLIVE_A_GAP,
        severity="error",
        service="monitoring-service",
        summary="Alertmanager {{ $labels.instance }} is down",
        description=(
            "Prometheus has not reached {{ $labels.instance }} for a minute. Another one of its "
            "cluster tells this; where there is none, the dead man's switch does."
        ),
        symptoms="An Alertmanager cannot be scraped.",
        investigation=(
            "`curl http://<instance>/-/healthy`",
            "`docker logs alertmanager --tail=50`",
        ),
        actions=("`docker restart alertmanager`",),
    ),
    Alert(
        name="AlertmanagerConfigReloadFailed",
        group="monitoring",
        expr=min_by(select(metrics.ALERTMANAGER_CONFIG_LAST_RELOAD_SUCCESSFUL), "instance") < "0.5",
        for_=minutes(5),
        severity="warning",
        service="monitoring-service",
        summary="Alertmanager {{ $labels.instance }} runs with an old config",
        description=(
            "The last reload of {{ $labels.instance }} has failed: it goes on telling the people "
            "that it knew, and will not start again with what is there now."
        ),
        symptoms="Alertmanager could not load the config that it was given.",
        investigation=(
            "`docker logs alertmanager --tail=50 | grep -i 'loading configuration'`",
            "`amtool check-config /etc/alertmanager/alertmanager.yml`",
            "Are all files of secrets there? `ls -l /etc/alertmanager/secrets`",
        ),
        actions=("Deploy what `make rules` has written, then: `curl -X POST <instance>/-/reload`",),
    ),
    Alert(
        name="NotificationsFailing",
        group="monitoring",
        expr=sum_by(
            increase(select(metrics.ALERTMANAGER_NOTIFICATIONS_FAILED), minutes(5)),
            "instance",
            "integration",
        )
        > FAILED,
        for_=seconds(0),
        keep_firing_for=minutes(5),
        severity="error",
        service="monitoring-service",
        summary="Messages by {{ $labels.integration }} are not delivered",
        description=(
            "{{ $labels.instance }} could not deliver messages by {{ $labels.integration }} in "
            "the last 5 minutes: people may not have been told."
        ),
        symptoms="Alertmanager cannot send messages by one of the channels.",
        investigation=(
            "`docker logs alertmanager --tail=100 | grep -i 'notify for alerts failed'`",
            "Was a token or a password changed? `ls -l /etc/alertmanager/secrets`",
            "Is the provider well? https://status.slack.com, https://status.pagerduty.com",
        ),
        actions=(
            "Tell the people of what fires by another channel.",
            "Put the new secret into its file; Alertmanager reads it at the next message.",
        ),
    ),
)

CONFIG = Platform(
    name="tickettoken",
    services=SERVICES,
    tcp=TCP,
    postgres=POSTGRES,
    redis=REDIS,
    sql=SQL,
    external=EXTERNAL,
    maintenance=MAINTENANCE,
    severities=SEVERITIES,
    channels=CHANNELS,
    contacts=CONTACTS,
    business_hours=BusinessHours(time_zone="UTC", start=9, end=18),
    alerts=(
        *ALERTS,
        *((TCP_SERVICE_DOWN,) if TCP else ()),
        *SERVICE_ALERTS,
        *OBJECTIVE_ALERTS,
        *MONITORING_ALERTS,
    ),
    recordings=tuple(slo.budget_left() for slo in OBJECTIVES),
    watched_by=Prometheus(
        exporters=("monitoring-service:3017",),
        alertmanagers=("alertmanager:9093",),
    ),
    own_service="monitoring-service",
    base_url="https://monitoring.tickettoken.com",
    grafana_url="https://grafana.tickettoken.com",
    dead_mans_switch="http://monitoring-service:3017/api/alertmanager/watchdog",
    # Keeps each alert's life and takes acknowledgements; None for an exporter that only probes.
    ledger=Webhook(
        url="http://monitoring-service:3017/api/alertmanager/webhook",
        credentials_file=f"{SECRETS}/ingest_token",
    ),
    # How often the ledger's workers run; they need a reload, and no new rules.
    workers=Workers(alert_evaluation=seconds(60), metric_aggregation=minutes(5), cleanup="03:00"),
)
