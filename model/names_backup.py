"""The catalogue of metrics: backups of our own database."""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

# As with the ledger, every replica reads it in one store; before the first backup there is none.
LAST_BACKUP = Metric(
    "monitoring_last_backup_timestamp_seconds",
    MetricType.GAUGE,
    "When the monitoring database was last backed up successfully, in unix time.",
    scope=Scope.LEDGER,
    collapse=Collapse.MAX,
)
