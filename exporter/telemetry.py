"""What the exporter says about itself."""

from __future__ import annotations

import asyncio
import platform
from collections import deque

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from exporter.version import VERSION
from model import names
from model.names import Metric

_LAG_PROBE_INTERVAL = 0.5
_LAG_WINDOW = 15.0


class Telemetry:
    """The exporter's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # it ships without types
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.probes_in_flight = self._gauge(names.PROBES_IN_FLIGHT)
        self.probe_start_delay = Histogram(
            names.PROBE_START_DELAY.name,
            names.PROBE_START_DELAY.help,
            registry=self.registry,
            buckets=names.PROBE_START_DELAY.buckets,
        )
        self.errors = Counter(
            names.ERRORS.name, names.ERRORS.help, names.ERRORS.labels, registry=self.registry
        )
        for component in ("prober", "web", "connectivity"):
            # A series that were born at 1 would hide its first error from a rate.
            self.errors.labels(component)
        self.config_info = self._gauge(names.CONFIG_INFO)
        self.reload_successful = self._gauge(names.CONFIG_LAST_RELOAD_SUCCESSFUL)
        self.reload_success_time = self._gauge(names.CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP)
        self.watchdog_received = self._gauge(names.WATCHDOG_LAST_RECEIVED)
        self.connectivity_up = self._gauge(names.CONNECTIVITY_UP)
        self.connectivity_reference_up = self._gauge(names.CONNECTIVITY_REFERENCE_UP)
        self.event_loop_lag = self._gauge(names.EVENT_LOOP_LAG)
        self._gauge(names.TASKS).set_function(lambda: len(asyncio.all_tasks()))
        self._gauge(names.BUILD_INFO).labels(VERSION, platform.python_version()).set(1)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def text(self) -> bytes:
        """The exposition of these metrics."""
        return generate_latest(self.registry)

    async def watch_event_loop(self) -> None:
        """Measure, until cancelled, how late the event loop runs what is due."""
        loop = asyncio.get_running_loop()
        lags: deque[float] = deque(maxlen=int(_LAG_WINDOW / _LAG_PROBE_INTERVAL))
        while True:
            due = loop.time() + _LAG_PROBE_INTERVAL
            await asyncio.sleep(_LAG_PROBE_INTERVAL)
            lags.append(max(0.0, loop.time() - due))
            self.event_loop_lag.set(max(lags))
