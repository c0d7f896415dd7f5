"""What is open, how alerts were responded to, and which of them should be looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select

from exporter.ledger import lists
from exporter.ledger.archives import everywhere
from exporter.ledger.listing import Filters
from exporter.ledger.statistics import Figures, by_name, total
from exporter.ledger.store import Store
from exporter.ledger.tables import RESOLVED, alert_notes, alerts
from exporter.operations.beside import DEADLINE
from exporter.operations.looks.desk import Desk, in_ledger
from exporter.operations.looks.outcome import Outcome, by_hand, fine, unknown, wrong
from exporter.operations.words import lasting

_WEEK, _QUARTER = timedelta(days=7), timedelta(days=90)
# More than one a day, and then some: nobody looks at each any more.
_NOISY = 10
# From this share on, people learn to ignore an alert. One alone may be chance.
_FALSE_SHARE, _LEAST_FALSE = 0.25, 2
_LEAST_IGNORED = 3
_MOST_NAMED = 20


@in_ledger
async def active(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Open alerts, by name; what nobody has is wrong."""
    async with store.read() as connection:
        groups = await lists.open_groups(connection, Filters())
    found = []
    for group in groups[:_MOST_NAMED]:
        age = lasting(desk.now - group.oldest)
        state = f"{group.count} {group.severity} {group.name}, the oldest for {age}"
        found.append(
            wrong(f"{state}: {group.waiting} that nobody has", "Acknowledge, and see its runbook.")
            if group.waiting
            else fine(f"{state}: somebody has each")
        )
    if len(groups) > _MOST_NAMED:
        found.append(wrong(f"and {len(groups) - _MOST_NAMED} other alerts", "See the console."))
    return found or [fine("no alert is open")]


@in_ledger
async def noted(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Open alerts on which nobody has written what is known."""
    del desk
    written = select(alert_notes.c.alert_id)
    query = (
        select(alerts.c.name, alerts.c.service, alerts.c.id)
        .where(alerts.c.status != RESOLVED, alerts.c.id.not_in(written))
        .order_by(alerts.c.starts_at)
    )
    async with store.read() as connection:
        rows = (await connection.execute(query.limit(_MOST_NAMED))).all()
        number: int = (
            await connection.execute(
                select(func.count()).select_from(alerts).where(alerts.c.status != RESOLVED)
            )
        ).scalar_one()
    if not rows:
        return [fine(f"each of the {number} open alerts has a note" if number else "none is open")]
    return [
        wrong(f"no note on {row.name} of {row.service}", f"/alerts/{row.id} in the console.")
        for row in rows
    ]


@in_ledger
async def history(desk: Desk, store: Store) -> Sequence[Outcome]:
    """What fired in a week, and what fires so often that its threshold is probably wrong."""
    figures = await _figures(desk, store, _WEEK)
    whole = total(figures)
    noisy = [one for one in figures if one.count >= _NOISY]
    return [
        fine(f"{whole.count} alerts of {len(figures)} names in 7 days, {whole.breaches} late"),
        *(
            wrong(f"{one.name} fired {one.count} times in 7 days", _backtest(one.name))
            for one in noisy
        ),
    ]


@in_ledger
async def false_positives(desk: Desk, store: Store) -> Sequence[Outcome]:
    """The rate of a week, of each alert and of all."""
    figures = await _figures(desk, store, _WEEK)
    whole = total(figures)
    if not whole.count:
        return [fine("no alert fired in 7 days")]
    often = [
        one
        for one in figures
        if one.false_positives >= _LEAST_FALSE and (one.false_positive_share or 0) >= _FALSE_SHARE
    ]
    return [
        fine(f"{whole.false_positives} of {whole.count} alerts were false in 7 days"),
        *(
            wrong(f"{one.name}: {one.false_positives} of {one.count} false", _backtest(one.name))
            for one in often
        ),
    ]


@in_ledger
async def rules(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Of 90 days: which rules never fired, and which fire while nobody acts."""
    figures = await _figures(desk, store, _QUARTER)
    if not figures:
        return [unknown("no alert fired in 90 days: nothing is known of any rule")]
    fired = {one.name for one in figures}
    known = dict.fromkeys(alert.name for alert in desk.platform.alerts if alert.severity)
    never = [name for name in known if name not in fired]
    ignored = [one for one in figures if one.count >= _LEAST_IGNORED and not one.acknowledged]
    answered = {alert.name for alert in desk.platform.alerts if _needs_people(desk, alert.severity)}
    found = [
        wrong(
            f"{one.name} fired {one.count} times in 90 days, and nobody acknowledged it once",
            "Is it needed? Give it another severity in config.py, or take it out.",
        )
        for one in ignored
        if one.name in answered
    ]
    if never:
        shown = ", ".join(never[:_MOST_NAMED]) + (" …" if len(never) > _MOST_NAMED else "")
        found.append(
            by_hand(
                f"{len(never)} of {len(known)} alerts never fired in 90 days: {shown}",
                "Would they? `make demo SCENARIO=<alert>` shows it.",
            )
        )
    found.append(
        by_hand(
            "what has changed for the people on call in the last month",
            "In the repository: `python -m rules diff $(git rev-list -1 --before=30.days HEAD)`",
        )
    )
    return found


def _needs_people(desk: Desk, severity: str | None) -> bool:
    return any(
        one.name == severity and one.response_time is not None for one in desk.platform.severities
    )


async def _figures(desk: Desk, store: Store, length: timedelta) -> list[Figures]:
    async with store.read(DEADLINE) as connection:
        rows = await everywhere(connection, alerts)
        return await by_name(connection, rows, desk.now - length, desk.now)


def _backtest(name: str) -> str:
    return f"Try other thresholds: `python -m rules backtest {name} --since 30d` (docs/tuning.md)."
