"""The ledger's tables, the same for SQLite and Postgres. `migrations/` makes them.

`created_at` and `status` of `alerts` and `timestamp` of `metrics` are what the runbook's SQL names.
Its indexes (`idx_…`) are the user's to make: ours have other names.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

ACTIVE, ACKNOWLEDGED, RESOLVED = "active", "acknowledged", "resolved"
STATUSES = (ACTIVE, ACKNOWLEDGED, RESOLVED)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone. SQLite knows none: there it is kept in UTC, and sorts as text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raises ValueError for a time that names no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone is not stored")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _json() -> JSON:
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _number() -> BigInteger:
    # SQLite counts by itself in a column of exactly this type.
    return BigInteger().with_variant(Integer, "sqlite")


metadata = MetaData()

# An episode: from when an alert began to fire until it ended. `created_at` is when it came to the
# ledger; `response_due_at` is when its severity's response time is over, NULL without one.
# `source` says how it came: webhook, alertmanager (asked) or prometheus (reconstructed).
# `resolution` says how it ended: alertmanager, absence, prometheus or person. What a person has
# ended may be `firing` all the same, until Alertmanager says otherwise. `starts` are all starts
# that were told, as ISO times, NULL for none but `starts_at`. `waiting_since` is when an alert that
# was suppressed came back, NULL for one that never was: nobody answers what is kept from people.
alerts: Table = Table(
    "alerts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("fingerprint", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("labels", _json(), nullable=False),
    Column("annotations", _json(), nullable=False),
    Column("generator_url", Text, nullable=False, server_default=""),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("starts", _json()),
    Column("waiting_since", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("response_due_at", UtcDateTime),
    Column("source", String(16), nullable=False),
    Column("resolution", String(16)),
    Column("firing", Boolean, nullable=False, server_default=text("true")),
    Column("suppressed", Boolean, nullable=False, server_default=text("false")),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", Text),
    Column("acknowledged_for", Text),
    Column("acknowledged_via", String(16)),
    Column("resolved_by", Text),
    Column("false_positive", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint(f"status IN ({', '.join(map(repr, STATUSES))})", name="alerts_status"),
    CheckConstraint("(status = 'resolved') = (ends_at IS NOT NULL)", name="alerts_ended"),
)
# At most one open episode of an alert, whatever replicas do at the same time.
Index(
    "alerts_one_open",
    alerts.c.fingerprint,
    unique=True,
    sqlite_where=text("status <> 'resolved'"),
    postgresql_where=text("status <> 'resolved'"),
)
Index("alerts_of_fingerprint", alerts.c.fingerprint, alerts.c.starts_at)
Index("alerts_by_status", alerts.c.status, alerts.c.starts_at)
Index("alerts_by_start", alerts.c.starts_at)
Index("alerts_by_name", alerts.c.name, alerts.c.starts_at)
Index("alerts_by_creation", alerts.c.created_at)
Index("alerts_by_end", alerts.c.ends_at)
Index(
    "alerts_firing",
    alerts.c.fingerprint,
    sqlite_where=text("firing"),
    postgresql_where=text("firing"),
)

# No foreign key: the runbook deletes alerts, and what people wrote must outlive that.
alert_notes: Table = Table(
    "alert_notes",
    metadata,
    Column("id", _number(), primary_key=True),
    Column("alert_id", String(36), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("author_for", Text),
    Column("channel", String(16), nullable=False),
    Column("text", Text, nullable=False),
)
Index("alert_notes_of_alert", alert_notes.c.alert_id, alert_notes.c.created_at)

# Append-only: triggers refuse to change or remove a row.
alert_audit: Table = Table(
    "alert_audit",
    metadata,
    Column("id", _number(), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    # NULL: not about one alert.
    Column("alert_id", String(36)),
    Column("action", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_for", Text),
    Column("channel", String(16), nullable=False),
    Column("address", Text),
    Column("request_id", Text),
    Column("before", _json()),
    Column("after", _json()),
)
Index("alert_audit_of_alert", alert_audit.c.alert_id, alert_audit.c.at)
Index("alert_audit_by_time", alert_audit.c.at)

# What one replica has seen of a target in one interval: sums and counts, so that rows can be added
# up. After a day one row an hour is made of those of all replicas, whose name is then `*`.
# `timestamp` is the interval's start, `seconds` its length. Durations are of probes that succeeded:
# `buckets` counts them by their upper bounds, those of exporter/workers/histogram.py;
# `duration_sum` is in seconds.
metrics: Table = Table(
    "metrics",
    metadata,
    Column("timestamp", UtcDateTime, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("replica", Text, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("probes", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
    Column("degraded", Integer, nullable=False),
    Column("duration_sum", Double, nullable=False),
    Column("buckets", _json(), nullable=False),
)
Index("metrics_of_target", metrics.c.target, metrics.c.timestamp)

# Each worker's last run, whichever replica ran it. `replica` is who ran it last, or runs it now.
workers: Table = Table(
    "workers",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("replica", Text, nullable=False),
    Column("running", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("successes", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    # Of the last run that failed; `failed` is whether that was the last one.
    Column("last_error", Text),
    Column("failed", Boolean, nullable=False, server_default=text("false")),
)

# Who writes here. The latest `seen_at` before a start tells how long nobody listened.
replicas: Table = Table(
    "replicas",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("version", Text, nullable=False),
)

# Deliveries that must not count twice: PagerDuty repeats them, and signs no time. What we deliver
# is claimed until a time first, and done when there is none any more: whoever claims it may die.
deliveries: Table = Table(
    "deliveries",
    metadata,
    Column("source", String(16), primary_key=True),
    Column("event_id", String(128), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("claimed_until", UtcDateTime),
)

# What is refused although it is signed and has not expired: one session of the console by its id
# (`kind` session), or all tokens and sessions of a person that were issued until `at` (person).
# From `until` on none of them can be valid anyway.
revocations: Table = Table(
    "revocations",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

# By which group of which receiver an alert was last notified. `dedup_key` is the group key's hash:
# PagerDuty knows the incident by it.
alert_groups: Table = Table(
    "alert_groups",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("receiver", String(200), primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("dedup_key", String(64), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
Index("alert_groups_by_dedup_key", alert_groups.c.dedup_key)

# PagerDuty's own ids of incidents: a note names an incident by nothing else.
pagerduty_incidents: Table = Table(
    "pagerduty_incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("dedup_key", String(64), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# What was worse than an alert: opened from one by a person, and never archived. What its alert was
# is copied, since alerts are. `priority` and `kind` are those of `incidents.py`. `opened_by` and
# `closed_by` are who did it, or for whom it was done; the audit trail knows both.
incidents: Table = Table(
    "incidents",
    metadata,
    Column("id", _number(), primary_key=True),
    Column("alert_id", String(36), nullable=False),
    Column("alert_name", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("priority", String(2), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", Text),
    Column("cause", Text),
    Column("resolution", Text),
    Column("post_mortem_due_at", UtcDateTime, nullable=False),
    Column("post_mortem_at", UtcDateTime),
    # Where it can be read: an address or a path.
    Column("post_mortem_place", Text),
    CheckConstraint("priority IN ('P0', 'P1')", name="incidents_priority"),
    CheckConstraint(
        "(closed_at IS NULL) = (cause IS NULL) AND (closed_at IS NULL) = (resolution IS NULL)",
        name="incidents_closed",
    ),
)
# At most one open incident of an alert, whoever opens it at the same time.
Index(
    "incidents_one_open",
    incidents.c.alert_id,
    unique=True,
    sqlite_where=text("closed_at IS NULL"),
    postgresql_where=text("closed_at IS NULL"),
)
Index("incidents_by_opening", incidents.c.opened_at)

# Small facts that all replicas share, by name: `reconciled_until` is an ISO time.
facts: Table = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", _json(), nullable=False),
)
