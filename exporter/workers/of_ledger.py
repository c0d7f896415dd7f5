"""The workers that there are, as the config says."""

from __future__ import annotations

from datetime import datetime

from exporter.instruments import Registry
from exporter.ledger.ledger import Ledger
from exporter.ledger.reconcile import reconcile
from exporter.ledger.store import Session
from exporter.workers.aggregation import Aggregation
from exporter.workers.cleanup import clean_up
from exporter.workers.schedule import Aligned, Daily, Every
from exporter.workers.worker import NotDoneError, Worker, Workers


def make_workers(
    ledger: Ledger, aggregation: Aggregation, registry: Registry, *, read_only: bool
) -> Workers:
    """The workers of a replica. While it is read-only they rest: all of them write."""

    def cleanup_times() -> Daily:
        platform = ledger.platform()
        return Daily(platform.workers.cleanup_time, platform.business_hours.time_zone)

    async def evaluate(_session: Session, now: datetime) -> None:
        silent = await reconcile(ledger, now)
        if silent:
            raise NotDoneError("; ".join(silent))

    async def cleanup(session: Session, now: datetime) -> None:
        await clean_up(session, ledger.platform().workers, now)

    workers = (
        Worker(
            "alert-evaluation",
            lambda: Every(ledger.platform().workers.alert_evaluation),
            evaluate,
        ),
        Worker(
            "metric-aggregation",
            lambda: Aligned(ledger.platform().workers.metric_aggregation),
            aggregation.write,
            shared=False,
            before=aggregation.end_interval,
        ),
        Worker("cleanup", cleanup_times, cleanup),
    )
    return Workers(ledger.store, ledger.replica, registry, workers, resting=read_only)
