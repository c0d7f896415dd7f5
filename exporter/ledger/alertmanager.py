"""Asks every Alertmanager which alerts it has, and since when it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import aiohttp
import structlog

from exporter.ledger.http_body import NoAnswerError, get
from exporter.ledger.incoming import Incoming, read_listing
from exporter.ledger.json_slices import UnreadableBodyError

# After a start it knows nothing until Prometheus has sent everything again.
_KNOWS_AFTER = timedelta(minutes=5)
_EVERYTHING = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}

log = structlog.get_logger("exporter.ledger")


@dataclass(frozen=True, slots=True)
class Listing:
    """What the Alertmanagers have, merged by alert.

    `answered` says whether all of them did, `complete` whether all have also been running for long
    enough to know: only then does it mean something by itself that an alert is missing. `silent`
    names those that did not answer, each with the reason.
    """

    alerts: Mapping[str, Incoming]
    answered: bool
    complete: bool
    silent: Sequence[str] = ()


async def listed(
    session: aiohttp.ClientSession, addresses: Sequence[str], now: datetime
) -> Listing:
    """Ask all of them at once; one that does not answer makes the listing incomplete."""
    answers = await asyncio.gather(*(_one(session, address, now) for address in addresses))
    alerts: dict[str, Incoming] = {}
    for answer in answers:
        for alert in answer.alerts.values():
            known = alerts.get(alert.fingerprint)
            alerts[alert.fingerprint] = alert if known is None else _merged(known, alert)
    answered = bool(answers) and all(answer.answered for answer in answers)
    return Listing(
        alerts,
        answered,
        answered and all(answer.complete for answer in answers),
        tuple(why for answer in answers for why in answer.silent),
    )


def _merged(one: Incoming, other: Incoming) -> Incoming:
    """The same alert in two Alertmanagers: suppressed only where neither would tell of it."""
    return replace(
        one,
        starts_at=min(one.starts_at, other.starts_at),
        suppressed=one.suppressed and other.suppressed,
    )


async def _one(session: aiohttp.ClientSession, address: str, now: datetime) -> Listing:
    api = f"http://{address}/api/v2"
    try:
        started = _started(await get(session, f"{api}/status"))
        received = await read_listing(await get(session, f"{api}/alerts", _EVERYTHING), now)
    except (NoAnswerError, UnreadableBodyError) as error:
        log.warning("an Alertmanager does not tell its alerts", address=address, why=str(error))
        why = f"Alertmanager {address} does not tell its alerts: {error}"
        return Listing({}, answered=False, complete=False, silent=(why,))
    old = now - started > _KNOWS_AFTER
    return Listing(_ours(received.incoming), answered=True, complete=old)


def _ours(alerts: Iterable[Incoming]) -> dict[str, Incoming]:
    return {alert.fingerprint: alert for alert in alerts if alert.ours}


def _started(status: bytes) -> datetime:
    """What Alertmanager calls its uptime is when it was started."""
    try:
        return datetime.fromisoformat(json.loads(status)["uptime"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise UnreadableBodyError("its status does not say since when it is up") from None
