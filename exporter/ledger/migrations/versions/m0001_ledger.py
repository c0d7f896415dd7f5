"""The ledger's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_REFUSE_POSTGRES = """
CREATE FUNCTION alert_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'alert_audit is append-only';
END $$
"""


def upgrade() -> None:
    op.create_table(
        "alert_audit",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_for", sa.Text(), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("before", _JSON, nullable=True),
        sa.Column("after", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alert_audit_by_time", "alert_audit", ["at"])
    op.create_index("alert_audit_of_alert", "alert_audit", ["alert_id", "at"])
    op.create_table(
        "alert_groups",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("receiver", sa.String(length=200), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.String(length=64), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "receiver"),
    )
    op.create_index("alert_groups_by_dedup_key", "alert_groups", ["dedup_key"])
    op.create_table(
        "alert_notes",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("author_for", sa.Text(), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alert_notes_of_alert", "alert_notes", ["alert_id", "created_at"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("labels", _JSON, nullable=False),
        sa.Column("annotations", _JSON, nullable=False),
        sa.Column("generator_url", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("starts", _JSON, nullable=True),
        sa.Column("waiting_since", _TIME, nullable=True),
        sa.Column("ends_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("response_due_at", _TIME, nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("resolution", sa.String(length=16), nullable=True),
        sa.Column("firing", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("suppressed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("acknowledged_at", _TIME, nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_for", sa.Text(), nullable=True),
        sa.Column("acknowledged_via", sa.String(length=16), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("false_positive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("(status = 'resolved') = (ends_at IS NOT NULL)", name="alerts_ended"),
        sa.CheckConstraint(
            "status IN ('active', 'acknowledged', 'resolved')", name="alerts_status"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alerts_by_creation", "alerts", ["created_at"])
    op.create_index("alerts_by_end", "alerts", ["ends_at"])
    op.create_index(
        "alerts_firing",
        "alerts",
        ["fingerprint"],
        sqlite_where=sa.text("firing"),
        postgresql_where=sa.text("firing"),
    )
    op.create_index("alerts_by_name", "alerts", ["name", "starts_at"])
    op.create_index("alerts_by_start", "alerts", ["starts_at"])
    op.create_index("alerts_by_status", "alerts", ["status", "starts_at"])
    op.create_index("alerts_of_fingerprint", "alerts", ["fingerprint", "starts_at"])
    op.create_index(
        "alerts_one_open",
        "alerts",
        ["fingerprint"],
        unique=True,
        sqlite_where=sa.text("status <> 'resolved'"),
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.create_table(
        "deliveries",
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "metrics",
        sa.Column("timestamp", _TIME, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("degraded", sa.Integer(), nullable=False),
        sa.Column("duration_sum", sa.Double(), nullable=False),
        sa.Column("buckets", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("timestamp", "target", "replica"),
    )
    op.create_index("metrics_of_target", "metrics", ["target", "timestamp"])
    op.create_table(
        "pagerduty_incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("dedup_key", sa.String(length=64), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "replicas",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("failed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    _make_audit_append_only()


def _make_audit_append_only() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(_REFUSE_POSTGRES)
        op.execute(
            "CREATE TRIGGER alert_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON alert_audit FOR EACH STATEMENT EXECUTE FUNCTION alert_audit_is_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER alert_audit_no_{change.lower()} BEFORE {change} ON alert_audit "
            "BEGIN SELECT RAISE(ABORT, 'alert_audit is append-only'); END"
        )


def downgrade() -> None:
    """There is nothing before it; the tables are history, and stay."""
