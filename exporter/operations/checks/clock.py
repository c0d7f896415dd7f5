"""Is our clock right, as Prometheus and the database see it?"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

import aiohttp
import psycopg

from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.operations.console import OperationError
from exporter.operations.postgres_tools import connect

# A second is what the Date of an answer is rounded to; an answer may come late.
_MOST = 5.0
_SECONDS = aiohttp.ClientTimeout(total=10)


async def check(patient: Patient) -> list[Finding]:
    """By the time that each of them says, against the middle of asking and hearing."""
    offsets = {**await _of_prometheus(patient), **await _of_database(patient)}
    if not offsets:
        return [unknown("the clock: nobody could be asked for the time")]
    return [
        fine(f"the clock is that of {name}, to {abs(offset):.1f} s")
        if abs(offset) <= _MOST
        else broken(
            Fault.CLOCK_OFF,
            f"our clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} {name}'s",
            "See that both machines keep time: `timedatectl`, `chronyc tracking`.",
        )
        for name, offset in offsets.items()
    ]


async def _of_prometheus(patient: Patient) -> dict[str, float]:
    """Seconds that we are ahead."""
    found = {}
    addresses = patient.loaded.platform.watched_by.prometheus if patient.loaded else ()
    for address in addresses:
        before = patient.clock()
        try:
            async with patient.session.get(
                f"http://{address}/-/healthy", timeout=_SECONDS
            ) as answer:
                theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
            continue  # that it does not answer is another check's
        # The half second is what was cut off, on the average.
        found[f"Prometheus at {address}"] = (before + patient.clock()) / 2 - theirs - 0.5
    return found


async def _of_database(patient: Patient) -> dict[str, float]:
    if patient.settings is None or patient.settings.database_url is None:
        return {}
    url = patient.settings.database_url.get_secret_value()

    def asked() -> float:
        with connect(url) as connection:
            before = patient.clock()
            row = connection.execute(
                "SELECT extract(epoch FROM clock_timestamp())::double precision"
            ).fetchone()
            assert row is not None
            return float((before + patient.clock()) / 2 - row[0])

    try:
        return {"the database": await asyncio.to_thread(asked)}
    except (OperationError, psycopg.Error):
        return {}  # that it does not answer is another check's
