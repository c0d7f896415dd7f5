"""What the exporter says about itself."""

from __future__ import annotations

import asyncio
import platform
from collections import deque

from exporter import process
from exporter.instruments import Registry
from exporter.version import VERSION
from model import names

_LAG_PROBE_INTERVAL = 0.5
_LAG_WINDOW = 15.0


class Telemetry:
    """The exporter's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = Registry()
        process.observe(self.registry)
        self.probes_in_flight = self.registry.value(names.PROBES_IN_FLIGHT)
        self.probe_start_delay = self.registry.histogram(names.PROBE_START_DELAY)
        self.errors = self.registry.family(names.ERRORS)
        for component in ("prober", "web", "connectivity"):
            # A series that were born at 1 would hide its first error from a rate.
            self.errors.labels(component)
        self.config_info = self.registry.family(names.CONFIG_INFO)
        self.reload_successful = self.registry.value(names.CONFIG_LAST_RELOAD_SUCCESSFUL)
        self.reload_success_time = self.registry.value(names.CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP)
        self.service_memory_limit = self.registry.family(names.SERVICE_MEMORY_LIMIT)
        self.ingest_refused = self.registry.value(names.INGEST_REFUSED)
        self.watchdog_received = self.registry.value(names.WATCHDOG_LAST_RECEIVED)
        self.connectivity_up = self.registry.value(names.CONNECTIVITY_UP)
        self.connectivity_reference_up = self.registry.family(names.CONNECTIVITY_REFERENCE_UP)
        self.event_loop_lag = self.registry.value(names.EVENT_LOOP_LAG)
        self.registry.value(names.TASKS).set_function(lambda: len(asyncio.all_tasks()))
        build = self.registry.family(names.BUILD_INFO)
        build.labels(VERSION, platform.python_version()).set(1)

    def text(self) -> bytes:
        """The exposition of these metrics."""
        return self.registry.text()

    async def watch_event_loop(self) -> None:
        """Measure, until cancelled, how late the event loop runs what is due."""
        loop = asyncio.get_running_loop()
        lags: deque[float] = deque(maxlen=int(_LAG_WINDOW / _LAG_PROBE_INTERVAL))
        while True:
            due = loop.time() + _LAG_PROBE_INTERVAL
            await asyncio.sleep(_LAG_PROBE_INTERVAL)
            lags.append(max(0.0, loop.time() - due))
            self.event_loop_lag.set(max(lags))
