"""Faults of the platform's services, of a certificate, and of a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from demo.hurry import GATEWAY
from demo.scenarios.scenario import Scenario
from demo.stack import Stack
from model import names

_DOWN, _DEGRADED, _SILENT = "payment-service", "search-service", "minting-service"
_LOST = names.MINTS_FAILED
_PROVIDER = "stripe-status"
_EXPIRED_SINCE = timedelta(days=1)


@asynccontextmanager
async def _crashed(stack: Stack) -> AsyncIterator[None]:
    service = stack.simulated.services[_DOWN]
    await service.crash()
    try:
        yield
    finally:
        await service.repair()


@asynccontextmanager
async def _degraded(stack: Stack) -> AsyncIterator[None]:
    service = stack.simulated.services[_DEGRADED]
    service.degrade()
    try:
        yield
    finally:
        await service.repair()


@asynccontextmanager
async def _without_a_metric(stack: Stack) -> AsyncIterator[None]:
    service = stack.simulated.services[_SILENT]
    service.lose(_LOST)
    try:
        yield
    finally:
        await service.repair()


@asynccontextmanager
async def _expired(stack: Stack) -> AsyncIterator[None]:
    assert stack.gateway is not None, "scenarios are for a hurried stack"
    stack.gateway.present(datetime.now(UTC) - _EXPIRED_SINCE)
    try:
        yield
    finally:
        stack.gateway.renew()


@asynccontextmanager
async def _provider_is_down(stack: Stack) -> AsyncIterator[None]:
    target = next(one for one in stack.platform.external if one.name == _PROVIDER)
    stack.external.break_down(target)
    try:
        yield
    finally:
        stack.external.repair(target)


SCENARIOS = (
    Scenario(
        fires={"ServiceDown": {"target": _DOWN}},
        done=f"{_DOWN} is gone: connections are refused",
        undone=f"{_DOWN} answers again",
        means=_crashed,
    ),
    Scenario(
        fires={"ServiceDegraded": {"target": _DEGRADED}},
        done=f"{_DEGRADED} answers that it is degraded",
        undone=f"{_DEGRADED} answers that it is healthy",
        means=_degraded,
    ),
    Scenario(
        fires={"ServiceMetricsMissing": {"service": _SILENT, "metric": _LOST.name}},
        done=f"{_SILENT} no longer has {_LOST.name} on its /metrics",
        undone=f"{_SILENT} has {_LOST.name} again",
        means=_without_a_metric,
    ),
    Scenario(
        fires={"CertificateExpiring": {"target": GATEWAY}},
        done=f"{GATEWAY} presents a certificate that expired yesterday",
        undone=f"{GATEWAY} presents one that is good for three months",
        means=_expired,
    ),
    Scenario(
        fires={"ProviderDegraded": {"target": _PROVIDER}},
        done=f"the page of {_PROVIDER} says major",
        undone=f"the page of {_PROVIDER} says none",
        means=_provider_is_down,
    ),
)
