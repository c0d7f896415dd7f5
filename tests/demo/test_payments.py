"""The config's business metrics, read from the demo's table of payments."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import payments
from exporter.probers.result import ProbeResult
from exporter.probers.sql import SqlProber
from model.load import load
from model.platform import Platform
from programs import Postgres

CONFIG = load(Path(__file__).resolve().parents[2] / "config.py")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as started:
        yield started


def read(platform: Platform, url: str) -> dict[str, ProbeResult]:
    async def all_of_them() -> dict[str, ProbeResult]:
        return {one.name: await SqlProber(one, url).probe(5) for one in platform.sql}

    return asyncio.run(all_of_them())


def test_every_query_fails_without_the_table_and_has_all_its_figures_with_it(
    postgres: Postgres,
) -> None:
    for result in read(CONFIG, postgres.dsn()).values():
        assert result.detail == 'relation "payments" does not exist'
    payments.create(postgres)
    results = read(CONFIG, postgres.dsn())
    assert {name: result.detail for name, result in results.items()} == dict.fromkeys(results, "")
    figures = {
        (sample.metric.name, *sample.labels): sample.value
        for result in results.values()
        for sample in result.samples
    }
    hour = {status: figures["tickettoken_payments", status] for status in payments.SHARES}
    assert 355 <= sum(hour.values()) <= 360
    assert hour["completed"] > 10 * hour["failed"] > 10 * hour["refunded"] > 0
    assert figures["tickettoken_refunds",] == hour["refunded"]
    assert figures["tickettoken_refunded_amount",] > 20 * hour["refunded"]
    now, then = figures["tickettoken_revenue_hour",], figures["tickettoken_revenue_hour_last_week",]
    assert 0.85 < then / now < 0.95
