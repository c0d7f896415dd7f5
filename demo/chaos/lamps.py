"""Lamps that go on and off at random: the metric that the rules are about."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from aiohttp import web

from programs.process import HOST

# How long a lamp stays as it is. The shortest is longer than what Prometheus can fail to see, and
# shorter than the time for which Alertmanager gathers what it sends the ledger.
_ON_SECONDS = (3.0, 14.0)
_OFF_SECONDS = (3.0, 14.0)
_OFF, _ON, _BRIGHT = 0, 1, 2

# A bright lamp fires both, the second one later than the first.
_RULES = (
    ("LampOn", "lamp >= 1", "critical", "0s"),
    ("LampBright", "lamp >= 2", "warning", "2s"),
)


class Lamps:
    """So many lamps, all off."""

    def __init__(self, number: int, seed: int) -> None:
        self._levels = {f"lamp-{place:03}": _OFF for place in range(number)}
        self._choice = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.switched = 0

    def switch(self, lamp: str, level: int) -> None:
        """Set a lamp by hand: 0 is off. Raises KeyError if there is none of the name."""
        if lamp not in self._levels:
            raise KeyError(lamp)
        self._levels[lamp] = level

    async def play(self, transitions: int, over: asyncio.Event) -> None:
        """Switch lamps so often at least, and until it is over; in the end all are off."""
        async with asyncio.TaskGroup() as group:
            for lamp in self._levels:
                group.create_task(self._blink(lamp, transitions, over))

    async def _blink(self, lamp: str, transitions: int, over: asyncio.Event) -> None:
        await asyncio.sleep(self._choice.uniform(0, _OFF_SECONDS[1]))
        while self.switched < transitions or not over.is_set():
            self.switched += 2
            self._levels[lamp] = self._choice.choice((_ON, _BRIGHT))
            await asyncio.sleep(self._choice.uniform(*_ON_SECONDS))
            self._levels[lamp] = _OFF
            await asyncio.sleep(self._choice.uniform(*_OFF_SECONDS))

    async def metrics(self, _request: web.Request) -> web.Response:
        """Their exposition."""
        lines = (f'lamp{{service="{name}"}} {level}\n' for name, level in self._levels.items())
        return web.Response(text="".join(lines))


def rules(interval: str) -> Mapping[str, object]:
    """The rule file, evaluated so often."""
    alerts = [
        {
            "alert": name,
            "expr": expression,
            "for": wait,
            "labels": {"severity": severity},
            "annotations": {"summary": "{{ $labels.service }} is at {{ $value }}"},
        }
        for name, expression, severity, wait in _RULES
    ]
    return MappingProxyType({"groups": [{"name": "lamps", "interval": interval, "rules": alerts}]})


@asynccontextmanager
async def shining(lamps: Lamps) -> AsyncIterator[str]:
    """Serve their metrics; the host and port."""
    application = web.Application()
    application.router.add_get("/metrics", lamps.metrics)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
