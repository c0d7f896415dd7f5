"""What a hurried demo's Prometheus remembers: days that passed before it was started.

Objectives and TrafficSpike compare now with days gone by. Those days are written as blocks of the
TSDB, as whoever moves to Prometheus brings his history along: once it has started, it cannot tell
them from what it scraped itself.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from demo.platform import API_PATH, REQUESTS_PER_SECOND
from model import BURN_WINDOWS, BurnWindow, days, hours, minutes, names, seconds
from model.jobs import JOB, SERVICES_JOB
from programs import ServerError, find

# Prometheus has to keep what it is given.
RETENTION = "10d"
USUAL_REQUESTS_PER_SECOND = 1.5
RUSHED = "api-gateway"

_LONGEST = max(window.long for window in BURN_WINDOWS)
# Of the long window's budget at its burn rate: enough to be told of, too little for a longer one.
_SPENT = Decimal("1.7")
# Of the short window's: people would be told of little more.
_SMOULDERING = Decimal("0.7")
_STEP, _STEP_OF_WEEKS = seconds(15), minutes(2)
# For so long Prometheus takes a sample for the present.
_LOOKBACK = minutes(5)
# One block instead of one for every two hours.
_BLOCK = "--max-block-duration=486h"


@dataclass(frozen=True)
class Outage:
    """An objective of a service, and the window in which nearly all was spent that it allows."""

    service: str
    objective: str
    budget: Decimal
    window: BurnWindow

    @property
    def length(self) -> timedelta:
        """How long the service was out."""
        return self.window.long * float(_SPENT * self._rate)

    @property
    def ago(self) -> timedelta:
        """When the outage had its middle: where only the long window sees it."""
        return self.window.long * 0.75

    def ratio(self, ago: float) -> float:
        """The share of what went well, so many seconds ago."""
        if abs(ago - self.ago.total_seconds()) <= self.length.total_seconds() / 2:
            return 0.0
        if ago < self.window.short.total_seconds():
            return float(1 - _SMOULDERING * self._rate)
        return 1.0

    @property
    def _rate(self) -> Decimal:
        """The share of errors above which people are told."""
        return self.budget * self.window.factor


_PERCENT = Decimal("0.01")
OUTAGES = (
    *(
        Outage(service, "availability", _PERCENT / 10, window)
        for service, window in zip(
            ("auth-service", "ticket-service", "marketplace-service", "analytics-service"),
            BURN_WINDOWS,
            strict=True,
        )
    ),
    Outage("integration-service", "latency", _PERCENT, BURN_WINDOWS[1]),
    Outage("compliance-service", "latency", _PERCENT, BURN_WINDOWS[3]),
    Outage("transfer-service", "uptime", _PERCENT / 10, BURN_WINDOWS[3]),
)
RECORDED = {
    "availability": "service:http_available:ratio5m",
    "latency": "service:http_fast:ratio5m",
}
REQUESTS = "service:http_requests:rate1h"


@dataclass(frozen=True)
class _Series:
    """A series from `length` ago until `end` ago; `value` is given how many seconds ago."""

    metric: str
    labels: Mapping[str, str]
    length: timedelta
    step: timedelta
    value: Callable[[float], float]
    end: timedelta = timedelta(0)

    def lines(self, now: float) -> Iterator[str]:
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        step = self.step.total_seconds()
        for number in range(self.length // self.step, self.end // self.step, -1):
            ago = number * step
            yield f"{self.metric}{{{labels}}} {self.value(ago):g} {now - ago:.3f}\n"


def write(data: Path, exporter: str, addresses: Mapping[str, str]) -> None:
    """Write the days before now into a TSDB's directory, which no Prometheus may have open.

    `exporter` and the services' `addresses` are the host:port that will be scraped. Raises
    MissingProgramError, or ServerError with promtool's complaint.
    """
    now = time.time()
    write_samples(
        data, (line for series in _series(exporter, addresses) for line in series.lines(now))
    )


def write_samples(data: Path, lines: Iterable[str]) -> None:
    """Write samples, each a line of OpenMetrics with its time, into a TSDB's directory.

    Raises MissingProgramError, or ServerError with promtool's complaint.
    """
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".om", encoding="utf-8") as file:
        file.writelines(lines)
        file.write("# EOF\n")
        file.flush()
        create = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", _BLOCK)
        result = subprocess.run(
            [find("promtool"), *create, file.name, data],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        raise ServerError(f"no blocks of history: {result.stdout.strip()}")


def _series(exporter: str, addresses: Mapping[str, str]) -> Iterator[_Series]:
    yield from (_kept(outage, exporter) for outage in OUTAGES)
    yield _Series(
        metric=REQUESTS,
        labels={"service": RUSHED},
        length=days(7) + hours(1),
        step=_STEP_OF_WEEKS,
        value=lambda _: USUAL_REQUESTS_PER_SECOND,
    )
    method, status_code = "GET", "200"
    # Without it the last hour would hold next to nothing yet, whatever comes.
    yield _Series(
        metric=names.HTTP_REQUESTS.name,
        labels={
            "job": SERVICES_JOB,
            "instance": addresses[RUSHED],
            "service": RUSHED,
            "method": method,
            "route": API_PATH,
            "status_code": status_code,
        },
        length=hours(1),
        step=_STEP,
        value=lambda ago: (hours(1).total_seconds() - ago) * REQUESTS_PER_SECOND,
    )


def _kept(outage: Outage, exporter: str) -> _Series:
    """What was kept of an outage: a recording rule's series, or probes that failed."""
    if outage.objective in RECORDED:
        metric, labels = RECORDED[outage.objective], {"service": outage.service}
        return _Series(metric, labels, _LONGEST, _STEP, outage.ratio)
    return _Series(
        metric=names.PROBE_SUCCESS.name,
        labels={"job": JOB, "instance": exporter, "target": outage.service, "kind": "http"},
        length=_LONGEST,
        step=_STEP,
        # A probe succeeds or fails.
        value=lambda ago: float(outage.ratio(ago) > 0),
        # Whoever counts the targets of now must not count one that was.
        end=_LOOKBACK,
    )
