"""What is wrong across alerts and recording rules: ranges, `for`, and who reads what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from model.alerts import Alert
from model.declared import Problem
from model.durations import prometheus
from model.metric import Scope
from model.promql import OF_SEVERAL_SAMPLES, Expr, OverRange, Recording
from model.promql.recording import every


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often the exporter and the services are scraped, and rules evaluated."""

    scrape: timedelta
    services: timedelta
    evaluation: timedelta


def problems(
    alerts: Sequence[Alert], recordings: Sequence[Recording], intervals: Intervals
) -> Iterator[Problem]:
    """Every mistake that no declaration can see by itself."""
    rules = list(every((alert.expr for alert in alerts), recordings))
    distinct = list({rule.key: rule for rule in reversed(rules) if not rule.broken}.values())
    yield from _ranges_span_enough_samples(alerts, distinct, intervals)
    yield from _absence_is_confirmed(alerts, intervals)
    yield from _a_name_is_one_recording(rules)
    yield from _groups_have_one_interval(alerts, distinct, intervals)
    yield from _nothing_reads_what_is_slower(alerts, distinct, intervals)


def _ranges_span_enough_samples(
    alerts: Iterable[Alert], recordings: Iterable[Recording], intervals: Intervals
) -> Iterator[Problem]:
    """A rate over less than four scrapes has no result as soon as one or two of them fail."""
    for rule in _rules(alerts, recordings):
        for part in rule.expr.walk():
            if not isinstance(part, OverRange) or part.function not in OF_SEVERAL_SAMPLES:
                continue
            apart = _apart(part, intervals)
            if part.length < 4 * apart:
                yield Problem(
                    f'{_noun(rule)} "{rule.name}": {part} spans less than four scrapes, '
                    f"{prometheus(apart)} apart; write at least {prometheus(4 * apart)}",
                    rule.place,
                )


def _apart(part: OverRange, intervals: Intervals) -> timedelta:
    match part.inner.metric.scope:
        case Scope.SERVICE:
            return intervals.services
        case Scope.RECORDED:
            return intervals.evaluation
        case _:
            return intervals.scrape


def _absence_is_confirmed(alerts: Iterable[Alert], intervals: Intervals) -> Iterator[Problem]:
    """One failed scrape is an absence too."""
    least = 2 * intervals.scrape
    for alert in alerts:
        if alert.no_data == "fires" and alert.severity is not None and alert.for_ < least:
            yield Problem(
                f'Alert "{alert.name}": for_: it fires without data, and one failed scrape is no '
                f"data; write at least two scrape intervals, {prometheus(least)}",
                alert.place,
            )


def _a_name_is_one_recording(recordings: Iterable[Recording]) -> Iterator[Problem]:
    first: dict[tuple[str, ...], Recording] = {}
    for recording in recordings:
        before = first.setdefault(recording.key, recording)
        if recording.broken or before.broken or before.says_the_same(recording):
            continue
        at = f" at {before.place}" if before.place else ""
        yield Problem(
            f'Recording "{recording.name}": there is another one of this name and labels{at}: '
            f"{before.expr}",
            recording.place,
        )


def _groups_have_one_interval(
    alerts: Iterable[Alert], recordings: Iterable[Recording], intervals: Intervals
) -> Iterator[Problem]:
    found = {alert.group: intervals.evaluation for alert in alerts}
    for recording in recordings:
        own = _interval(recording, intervals)
        others = found.setdefault(recording.group, own)
        if own != others:
            yield Problem(
                f'Recording "{recording.name}": interval: {prometheus(own)}, but the others of its '
                f'group "{recording.group}" are evaluated every {prometheus(others)}; give it a '
                "group of its own",
                recording.place,
            )


def _nothing_reads_what_is_slower(
    alerts: Iterable[Alert], recordings: Iterable[Recording], intervals: Intervals
) -> Iterator[Problem]:
    """What is evaluated less often is old when it is read, and gone after five minutes."""
    for rule in _rules(alerts, recordings):
        own = _interval(rule, intervals) if isinstance(rule, Recording) else intervals.evaluation
        read = rule.reads() if isinstance(rule, Recording) else _reads(rule.expr)
        for recording in {one.key: one for one in read}.values():
            other = _interval(recording, intervals)
            if other > own:
                yield Problem(
                    f'{_noun(rule)} "{rule.name}": is evaluated every {prometheus(own)} and reads '
                    f"{recording.name}, which is recorded only every {prometheus(other)}",
                    rule.place,
                )


def _reads(expr: Expr) -> Iterator[Recording]:
    for part in expr.walk():
        recording = getattr(part, "recording", None)
        if isinstance(recording, Recording):
            yield recording


def _interval(recording: Recording, intervals: Intervals) -> timedelta:
    return recording.interval or intervals.evaluation


def _noun(rule: Alert | Recording) -> str:
    return rule.noun or type(rule).__name__


def _rules(alerts: Iterable[Alert], recordings: Iterable[Recording]) -> Iterator[Alert | Recording]:
    yield from alerts
    yield from recordings
