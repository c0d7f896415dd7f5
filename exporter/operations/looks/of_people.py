"""Whom to reach, and whether the channels that reach them were tested."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from exporter.contacts import hours_of, is_business, reached
from exporter.ledger.store import Store
from exporter.operations import notification_log
from exporter.operations.looks.desk import Desk, in_ledger
from exporter.operations.looks.outcome import Outcome, by_hand, fine, unknown, wrong
from exporter.operations.notification_log import Tested
from exporter.operations.words import lasting

_WEEK = timedelta(days=7)
_PHONE = "pagerduty"


async def contacts(desk: Desk) -> Sequence[Outcome]:
    """By the hours of the config; somebody has to be reached now."""
    at_work = is_business(desk.platform.business_hours, desk.now)
    hours = hours_of(desk.platform, at_work=at_work)
    found = [
        fine(f"{one.name}{' (now)' if one.now else ''}: {'; '.join(map(reached, one.contacts))}")
        for one in hours
    ]
    if not any(one.now for one in hours):
        found.append(wrong("nobody can be reached at this hour", "Contact(when=…) in config.py."))
    return found


@in_ledger
async def notifications(desk: Desk, store: Store) -> Sequence[Outcome]:
    """The last test of each channel that the config has."""
    tested = await _tested(desk, store)
    kinds = dict.fromkeys(channel.kind for channel in desk.platform.channels)
    return [_judged(kind, tested.get(kind), desk) for kind in kinds]


@in_ledger
async def phone(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Whether PagerDuty was tested; that it has rung, only its owner knows."""
    if _PHONE not in {channel.kind for channel in desk.platform.channels}:
        return [unknown("the config has no PagerDuty: nothing calls a phone"), _RANG]
    tested = await _tested(desk, store)
    return [_judged(_PHONE, tested.get(_PHONE), desk), _RANG]


_RANG = by_hand("your own phone has rung", "`make test-pagerduty`, and wait for the call.")


async def _tested(desk: Desk, store: Store) -> dict[str, Tested]:
    async with store.read() as connection:
        return await notification_log.last(connection, desk.now)


def _judged(kind: str, test: Tested | None, desk: Desk) -> Outcome:
    do = f"`python -m exporter test-notifications --channel {kind}`, and look whether it arrives."
    if test is None:
        return wrong(f"{kind} was not tested in the last 90 days", do)
    ago = lasting(desk.now - test.at)
    if not test.works:
        return wrong(f"{kind} was broken when it was tested {ago} ago", do)
    if desk.now - test.at > _WEEK:
        return wrong(f"{kind} was last tested {ago} ago", do)
    half = "" if test.direct is not None else " through Alertmanager, not directly"
    return fine(f"{kind} worked {ago} ago{half}")
