"""Has the running service a connection to its database left?"""

from __future__ import annotations

from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from model import names


async def check(patient: Patient) -> list[Finding]:
    """By what the service says of its pool."""
    metrics = patient.metrics
    if metrics is None:
        return [unknown("the pool: no service is running here")]
    available = metrics.get(names.DB_POOL_AVAILABLE.name)
    largest = metrics.get(names.DB_POOL_MAX.name)
    if available is None or largest is None:
        return [unknown("the pool: the service keeps no ledger")]
    waiting = metrics.get(names.DB_POOL_WAITING.name, 0.0)
    state = f"{available:g} of {largest:g} connections are free, {waiting:g} requests wait"
    if available == 0:
        return [
            broken(
                Fault.POOL_EXHAUSTED,
                state,
                "Raise DATABASE_POOL_MAX and start the service again, or end what holds them: "
                "pg_stat_activity, application_name monitoring-service.",
            )
        ]
    return [fine(state)]
