"""Payments that go wrong, and queues that nobody works off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.scenarios.scenario import Scenario
from demo.stack import Stack
from model import names
from model.metric import Metric

_REFUNDED = 150
_JOBS = 1500
_QUEUES = (
    ("queue-service", names.QUEUE_SIZE),
    ("order-service", names.QUEUE_DEPTH),
    ("notification-service", names.NOTIFICATION_QUEUE_DEPTH),
)


@asynccontextmanager
async def _refunded(stack: Stack) -> AsyncIterator[None]:
    added = await _ids(
        stack,
        "INSERT INTO payments (status, amount) "  # noqa: S608 - constants of ours
        f"SELECT 'refunded', 49.99 FROM generate_series(1, {_REFUNDED}) RETURNING id",
    )
    try:
        yield
    finally:
        await _ids(stack, f"DELETE FROM payments WHERE id IN ({added})")  # noqa: S608 - ids


@asynccontextmanager
async def _failed(stack: Stack) -> AsyncIterator[None]:
    failed = await _ids(
        stack,
        "UPDATE payments SET status = 'failed' WHERE status = 'completed' AND id % 3 > 0 "
        "AND created_at > now() - interval '2 hours' RETURNING id",
    )
    try:
        yield
    finally:
        await _ids(
            stack,
            f"UPDATE payments SET status = 'completed' WHERE id IN ({failed})",  # noqa: S608 - ids
        )


async def _ids(stack: Stack, statement: str) -> str:
    """The ids that a statement returns, as a list for the next one."""
    return ",".join((await asyncio.to_thread(stack.postgres.execute, statement)).split())


def _piled_up(service: str, metric: Metric) -> Scenario:
    @asynccontextmanager
    async def means(stack: Stack) -> AsyncIterator[None]:
        simulated = stack.simulated.services[service]
        simulated.pile_up(metric, _JOBS)
        try:
            yield
        finally:
            simulated.pile_up(metric, 0)

    return Scenario(
        fires={"QueueDepthHigh": {"metric": metric.name, "service": service}},
        done=f"{_JOBS} jobs pile up in {service}",
        undone="they have been worked off",
        means=means,
    )


SCENARIOS = (
    Scenario(
        fires={"HighRefundRate": {}},
        done=f"{_REFUNDED} refunds are booked",
        undone="they are taken back",
        means=_refunded,
    ),
    Scenario(
        fires={"PaymentFailureSpike": {}, "RevenueDrop": {}},
        done="two of three payments fail",
        undone="they succeed after all",
        means=_failed,
    ),
    *(_piled_up(service, metric) for service, metric in _QUEUES),
)
