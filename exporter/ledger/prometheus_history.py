"""When alerts fired, as Prometheus remembers it: the raw samples of ALERTS.

A rule's alert has a sample at every evaluation, from the one at which it began to fire to the last
one at which it did. So the first sample's time is the alert's start as Alertmanager is told it, and
its end is one evaluation after the last. Whether an alert had ended in a gap, or evaluations were
late, is what ALERTS_FOR_STATE tells: since when the alert is active.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import aiohttp
import structlog

from exporter.ledger.fingerprint import fingerprint
from exporter.ledger.http_body import NoAnswerError, get
from exporter.ledger.incoming import Incoming, observed
from exporter.ledger.json_slices import UnreadableBodyError, elements
from exporter.ledger.sent_labels import sent_labels

_FIRING = 'ALERTS{alertstate="firing",severity!="",escalation=""}'
_ACTIVE = 'ALERTS_FOR_STATE{severity!="",escalation=""}'
# What one query reads; a thousand alerts that fire all the time are 20 MB.
_WINDOW = timedelta(hours=1)
# An evaluation may be missed; two in a row are a gap.
_GAP = 2.5
# A time that Prometheus tells has milliseconds.
_MILLISECONDS = 3
# So many series are looked at before the event loop does what else is due.
_SLICE = 20

_Key = tuple[tuple[str, str], ...]

log = structlog.get_logger("exporter.ledger")


@dataclass(frozen=True, slots=True)
class Run:
    """An alert that fired from `starts_at` to `ends_at`, which is None if it still does.

    `anew` says that it is known to have ended between this run and the one before.
    """

    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    anew: bool = False

    def incoming(self, following: Run | None) -> Incoming:
        """As a message about the alert; `following` is its next run."""
        again = following.starts_at if following is not None and following.anew else None
        return observed(self.labels, self.starts_at, self.ends_at, again)


@dataclass(frozen=True, slots=True)
class History:
    """The runs of each alert by its fingerprint, the earliest first.

    `known` says whether any Prometheus has told them; without, nothing follows from their absence.
    `silent` names those that have not, each with the reason.
    """

    runs: Mapping[str, Sequence[Run]]
    known: bool
    silent: Sequence[str] = ()


async def remembered(
    session: aiohttp.ClientSession,
    addresses: Sequence[str],
    since: datetime,
    now: datetime,
    interval: timedelta,
) -> History:
    """What every Prometheus that answers knows; `interval` is that of its evaluations."""
    answers = await asyncio.gather(
        *(_one(session, address, since, now, interval.total_seconds()) for address in addresses)
    )
    told = [answer for answer in answers if not isinstance(answer, str)]
    silent = tuple(answer for answer in answers if isinstance(answer, str))
    runs: dict[str, list[Run]] = {}
    for number, run in enumerate((run for answer in told for run in answer), start=1):
        runs.setdefault(fingerprint(run.labels), []).append(run)
        if not number % _SLICE:
            await asyncio.sleep(0)
    return History({key: _united(found) for key, found in runs.items()}, bool(told), silent)


def _united(runs: Iterable[Run]) -> list[Run]:
    """The same alert in several Prometheus: what overlaps is one run."""
    united: list[Run] = []
    for run in sorted(runs, key=lambda run: run.starts_at):
        last = united[-1] if united else None
        if last is None or (last.ends_at is not None and last.ends_at < run.starts_at):
            united.append(run)
        elif last.ends_at is not None:
            end = None if run.ends_at is None else max(last.ends_at, run.ends_at)
            united[-1] = replace(last, ends_at=end)
    return united


async def _one(
    session: aiohttp.ClientSession, address: str, since: datetime, now: datetime, interval: float
) -> list[Run] | str:
    """What one has told, or why it has not."""
    api = f"http://{address}/api/v1"
    known: dict[_Key, _Series] = {}
    try:
        started = _started(await get(session, f"{api}/status/runtimeinfo"))
        sent = await sent_labels(await get(session, f"{api}/status/config"))
        async for key, labels, samples in _read(session, api, _FIRING, since, now):
            known.setdefault(key, _Series(sent.of(labels), interval)).add(at for at, _ in samples)
        if any(len(one.found) > 1 for one in known.values()):
            async for key, _, samples in _read(session, api, _ACTIVE, since, now):
                if key in known:
                    known[key].date(samples)
    except (NoAnswerError, UnreadableBodyError) as error:
        log.warning("a Prometheus does not tell what fired", address=address, why=str(error))
        return f"Prometheus {address} does not tell what fired: {error}"
    return [run for one in known.values() for run in one.runs(started, now.timestamp())]


async def _read(
    session: aiohttp.ClientSession, api: str, selector: str, since: datetime, now: datetime
) -> AsyncIterator[tuple[_Key, Mapping[str, str], Sequence[tuple[float, float]]]]:
    """The raw samples of series, window by window. Raises as http_body.get and elements do."""
    for begin, end in _windows(since, now):
        asked = {
            "query": f"{selector}[{math.ceil((end - begin).total_seconds())}s]",
            "time": str(end.timestamp()),
        }
        series, _ = await elements(await get(session, f"{api}/query", asked), ("data", "result"))
        for number, one in enumerate(series, start=1):
            labels, samples = _samples(one)
            yield tuple(sorted(labels.items())), labels, samples
            if not number % _SLICE:
                await asyncio.sleep(0)


def _windows(since: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < now:
        end = min(now, since + _WINDOW)
        yield since, end
        since = end


def _started(info: bytes) -> float:
    try:
        return datetime.fromisoformat(json.loads(info)["data"]["startTime"]).timestamp()
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise UnreadableBodyError("it does not say since when it is up") from None


def _samples(series: Any) -> tuple[dict[str, str], list[tuple[float, float]]]:
    try:
        own = ("__name__", "alertstate")
        labels = {name: value for name, value in series["metric"].items() if name not in own}
        return labels, [(float(at), float(value)) for at, value in series["values"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableBodyError("a series is not what is expected") from None


@dataclass(slots=True)
class _Series:
    """The runs of one series, put together window by window: from when to when, in unix time."""

    labels: Mapping[str, str]
    interval: float
    found: list[tuple[float, float]] = field(default_factory=list)
    # Since when the alert was active, at the first and the last sample of each run.
    active: dict[float, float] = field(default_factory=dict)

    def add(self, times: Iterable[float]) -> None:
        """Take in the samples of a window that follows those before it."""
        seen = self.found[-1][1] if self.found else -math.inf
        self.found = _joined(
            (*self.found, *((at, at) for at in times if at > seen)), _GAP * self.interval
        )

    def date(self, samples: Iterable[tuple[float, float]]) -> None:
        """Take in since when the alert was active, of a window."""
        wanted = {at for run in self.found for at in run}
        self.active.update((at, since) for at, since in samples if at in wanted)

    def runs(self, started: float, now: float) -> list[Run]:
        """Its runs. What a start of Prometheus interrupted is one: its end was never seen."""
        step = self._step()
        runs: list[tuple[float, float]] = []
        for start, end in _joined(self.found, _GAP * step):
            if runs and (runs[-1][1] < started <= start or self._same(runs[-1][1], start)):
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((start, end))
        befores = (None, *(end for _, end in runs))
        return [
            Run(
                self.labels,
                _time(start),
                None if now - end <= _GAP * step else _time(end + step),
                anew=before is not None and self._anew(before, start),
            )
            for before, (start, end) in zip(befores, runs, strict=False)
        ]

    def _same(self, before: float, after: float) -> bool:
        """Whether it is known to have been active all the time between two samples."""
        since = self.active.get(before)
        return since is not None and since == self.active.get(after)

    def _anew(self, before: float, after: float) -> bool:
        """Whether it is known to have ended between two samples: its present life began later."""
        return self.active.get(after, -math.inf) > before

    def _step(self) -> float:
        """How far evaluations are apart; samples that are all alone are a slower group's."""
        alone = all(start == end for start, end in self.found)
        if not alone or len(self.found) < 3:
            return self.interval
        return min(later - earlier for (_, earlier), (later, _) in pairwise(self.found))


def _joined(spans: Iterable[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(round(unix, _MILLISECONDS), UTC)
