"""What Prometheus remembers: where a condition held, and since when, and where it knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from model import names
from model.durations import minutes, prometheus
from rules.backtest.clock import Grid
from rules.backtest.prometheus import Labels, Prometheus
from rules.backtest.replay import Span, spans, ticks

# What every Prometheus that scrapes anything has.
_SCRAPED = "up"
# A minute without a sample of anything is one in which Prometheus was not running.
_SILENCE = minutes(1)
# For so long Prometheus takes a sample for the present, so that nothing is missed between.
_LOOKBACK = minutes(5)


@dataclass
class History:
    """The history of a window. `first` remembers since when each series has samples."""

    prometheus: Prometheus
    grid: Grid
    window: Span
    first: dict[str, int | None] = field(default_factory=dict)

    async def active(
        self, text: str, tests: Sequence[Callable[[float], bool]]
    ) -> list[dict[Labels, list[Span]]]:
        """For each test, at which ticks a condition has which results that pass it.

        Raises PrometheusError.
        """
        found: list[dict[Labels, list[Span]]] = [{} for _ in tests]
        async for _, series in self.prometheus.range(text, self.grid, self.window):
            for one in series:
                for passed, held in zip(tests, found, strict=True):
                    ticks_of = sorted(tick for tick, value in one.values.items() if passed(value))
                    if ticks_of:
                        _append(held.setdefault(one.labels, []), spans(ticks_of))
        return found

    async def since(self, selector: str) -> int | None:
        """The first tick at which a selector has series, to 5 minutes. Raises PrometheusError."""
        if selector not in self.first:
            self.first[selector] = await self._since(selector)
        return self.first[selector]

    async def running(self, reads: Iterable[str]) -> list[Span]:
        """When Prometheus was running and scraped anything.

        What it had before it scraped anything, as history that was moved to it, is known by the
        series that are read. Raises PrometheusError.
        """
        scraped = await self.sampled(_SCRAPED, self.window)
        earlier = Span(self.window.first, scraped[0].first if scraped else self.window.end)
        moved: list[Span] = []
        for selector in dict.fromkeys(reads):
            moved += await self.sampled(selector, earlier)
        return united([*moved, *scraped])

    async def sampled(self, selector: str, window: Span) -> list[Span]:
        """When a selector has samples, of a window; what is silent for less than a minute has.

        Raises PrometheusError.
        """
        stride = ticks(_SILENCE, self.grid.interval)
        # Each value tells of the ticks up to its own.
        at = Span(window.first + stride - 1, window.end + stride - 1) if window else window
        minutes = [
            Span(tick - stride + 1, tick + 1)
            for tick in await self._counted(selector, stride, at, stride)
        ]
        return [await self._exact(selector, stride, one, window) for one in united(minutes)]

    async def _exact(self, selector: str, stride: int, minutes: Span, window: Span) -> Span:
        """From the first to the last sample of minutes that have some."""
        first, end = minutes.first, minutes.end
        begins = await self._counted(selector, stride, Span(first, first + stride))
        if minutes.end < window.end:
            # The last sample is seen for a minute.
            ends = await self._counted(selector, stride, Span(end - 1, end + stride))
            end = max(ends, default=end) - stride + 2
            # The last scrape may be yet to come.
            end = window.end if window.end - end < stride else end
        return Span(min(begins, default=first), max(end, first + 1))

    async def _counted(
        self, selector: str, length: int, window: Span, stride: int = 1
    ) -> list[int]:
        """The ticks of a window at which a selector has had a sample within a length."""
        # Prometheus before 3.0 counts both ends of a range.
        within = prometheus(self.grid.length(length) - timedelta(milliseconds=1))
        query = f"count(count_over_time({selector}[{within}]))"
        pieces = self.prometheus.range(query, self.grid, window, stride)
        return [tick async for _, series in pieces for one in series for tick in sorted(one.values)]

    async def of_config(self, sha256: str) -> list[Span]:
        """When an exporter ran with the config of a hash. Raises PrometheusError."""
        selector = f'{names.CONFIG_INFO.name}{{sha256="{sha256}"}}'
        return await self.sampled(selector, self.window)

    async def _since(self, selector: str) -> int | None:
        stride = ticks(_LOOKBACK, self.grid.interval)
        query = f"count({selector})"
        async for _, series in self.prometheus.range(query, self.grid, self.window, stride):
            if series:
                # Its first sample is one of the five minutes before.
                return max(self.window.first, min(series[0].values) - stride + 1)
        return None


def _append(known: list[Span], more: Iterable[Span]) -> None:
    """Add later spans; one that goes on where the last one ends is the same."""
    for span in more:
        if known and known[-1].end == span.first:
            known[-1] = Span(known[-1].first, span.end)
        else:
            known.append(span)


def united(found: Iterable[Span]) -> list[Span]:
    """Spans in order, with those that touch or overlap as one."""
    whole: list[Span] = []
    for one in sorted(found, key=lambda span: span.first):
        if whole and one.first <= whole[-1].end:
            whole[-1] = Span(whole[-1].first, max(whole[-1].end, one.end))
        else:
            whole.append(one)
    return whole


def common(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What two lists of spans both have."""
    rest = list(others)
    return [both for one in some for other in rest if (both := one.cut(other))]
