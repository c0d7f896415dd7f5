"""What was revoked before its time, and claims on deliveries that run out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.add_column("deliveries", sa.Column("claimed_until", _TIME, nullable=True))


def downgrade() -> None:
    """A version back works on this schema; what is in it stays."""
