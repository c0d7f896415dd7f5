"""The table of incidents: a new one alone, so that the version before goes on working."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("alert_name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("priority", sa.String(length=2), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("post_mortem_due_at", _TIME, nullable=False),
        sa.Column("post_mortem_at", _TIME, nullable=True),
        sa.Column("post_mortem_place", sa.Text(), nullable=True),
        sa.CheckConstraint("priority IN ('P0', 'P1')", name="incidents_priority"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (cause IS NULL) AND (closed_at IS NULL) = (resolution IS NULL)",
            name="incidents_closed",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["alert_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("incidents_by_opening", "incidents", ["opened_at"])


def downgrade() -> None:
    """What people recorded is history, and stays."""
