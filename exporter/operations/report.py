"""`python -m exporter report`: how alerts were answered, and how available services were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import click
from sqlalchemy import func, select

from exporter.ledger.archives import everywhere
from exporter.ledger.http_body import NoAnswerError
from exporter.ledger.options import store_options
from exporter.ledger.statistics import Figures, by_name, total
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts, metrics
from exporter.operations.checks.answers import ask
from exporter.operations.console import MISUSED, OperationError, finish, refuse, settings
from exporter.operations.documents import write
from exporter.operations.tables import Section, markdown
from exporter.settings import Settings
from model.declared import ConfigError
from model.durations import parse
from model.load import config_path, load
from model.platform import Platform

_BUDGET = "slo:period_error_budget_remaining:ratio"
# A report over years reads every archive.
_DEADLINE = 120.0
_ALERTS = ("alert", "alerts", "MTTA", "MTTR", "false positives", "breaches", "in time")
_DASH = "–"


@click.command("report")
@click.option("--since", default="7d", show_default=True, help="How far back: 24h, 7d, 30d.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to write; .html makes it HTML. By default Markdown is printed.",
)
def command(since: str, output: Path | None) -> None:
    """Report alerts by name with their figures, availability, and what is left of error budgets."""
    found = settings()
    try:
        length = parse(since)
        begin = datetime.now(UTC) - length
    except (ValueError, OverflowError):
        refuse([f"--since: {since} is no length of time: write 24h or 30d"], MISUSED)
    try:
        platform = load(config_path(os.environ))
    except ConfigError as error:
        refuse(str(error).splitlines(), MISUSED)
    finish(report(found, platform, begin, datetime.now(UTC), output))


async def report(
    found: Settings, platform: Platform, since: datetime, now: datetime, output: Path | None
) -> str:
    """Write a report, or answer it. Raises OperationError or StoreUnavailableError."""
    store = Store(store_options(found))
    try:
        if (await store.open_beside()).current is None:
            raise OperationError("the store has no ledger: run `python -m exporter migrate`")
        async with store.read(_DEADLINE) as connection:
            figures = await by_name(connection, await everywhere(connection, alerts), since, now)
            rows = await everywhere(connection, metrics)
            counted = (
                await connection.execute(
                    select(
                        rows.c.target,
                        func.sum(rows.c.probes).label("probes"),
                        func.sum(rows.c.successes).label("successes"),
                    )
                    .where(rows.c.timestamp >= since)
                    .group_by(rows.c.target)
                    .order_by(rows.c.target)
                )
            ).all()
    finally:
        await store.close()
    probes = [(row.target, int(row.probes), int(row.successes)) for row in counted]
    title = f"{platform.name}: {since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"
    sections = (_of_alerts(figures), _of_services(probes), await _budgets(platform))
    if output is None:
        return markdown(title, sections).rstrip()
    write(output, title, sections)
    return f"done: {output}"


def _of_alerts(figures: list[Figures]) -> Section:
    whole = total(figures)
    if not whole.count:
        return Section("Alerts", "None began in this time.")
    text = (
        f"{whole.count} began; {whole.breaches} breached their response time, "
        f"{whole.false_positives} were false."
    )
    rows = [_alert(one.name, one) for one in figures]
    return Section("Alerts", text, _ALERTS, (*rows, _alert("all", whole)))


def _alert(name: str, of: Figures) -> tuple[str, ...]:
    return (
        name,
        str(of.count),
        _length(of.mtta),
        _length(of.mttr),
        str(of.false_positives),
        str(of.breaches),
        _share(of.in_time_share),
    )


def _of_services(probes: Sequence[tuple[str, int, int]]) -> Section:
    if not probes:
        return Section("Availability", "Nothing was probed in this time.")
    rows = tuple(
        (target, _share(good / count if count else None), str(count), str(count - good))
        for target, count, good in probes
    )
    return Section(
        "Availability",
        "The share of probes that succeeded, of all replicas together.",
        ("target", "availability", "probes", "failed"),
        rows,
    )


async def _budgets(platform: Platform) -> Section:
    """From the first Prometheus that answers."""
    title = "Error budgets"
    async with aiohttp.ClientSession(trust_env=False) as session:
        for address in platform.watched_by.prometheus:
            try:
                said = await ask(session, f"http://{address}/api/v1/query", {"query": _BUDGET})
                rows = tuple(sorted(map(_budget, said["data"]["result"])))
            except (NoAnswerError, KeyError, TypeError, ValueError):
                continue
            if not rows:
                return Section(title, "Prometheus has none recorded.")
            text = "What is left of each, as Prometheus has recorded it."
            return Section(title, text, ("objective", "left"), rows)
    return Section(title, "No Prometheus answers, so that they are not known.")


def _budget(series: dict[str, Any]) -> tuple[str, str]:
    labels = {name: text for name, text in series["metric"].items() if name != "__name__"}
    return " ".join(labels[name] for name in sorted(labels)), _share(float(series["value"][1]))


def _share(share: float | None) -> str:
    return _DASH if share is None else f"{share:.3%}"


def _length(seconds: float | None) -> str:
    return _DASH if seconds is None else str(timedelta(seconds=round(seconds)))
