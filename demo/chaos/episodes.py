"""What Prometheus' ALERTS shows, and how the ledger differs from it.

An episode is a run of samples of ALERTS{alertstate="firing"} of one alert. Whether a gap ends it
is told by ALERTS_FOR_STATE, which has since when the alert is active: the same time means that an
evaluation was late, another one that the alert had ended. So this is not what the ledger itself
goes by, which knows the times of samples alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from demo.api import Api
from demo.chaos.scene import EVALUATION_SECONDS, Row

# A start and an end may be so far from what ALERTS shows: two evaluations.
TOLERANCE = 2.0 * EVALUATION_SECONDS
# What is closer together than two evaluations may be one for the ledger, as for its reader of
# ALERTS (exporter/ledger/prometheus_history.py).
_TOO_CLOSE = 2.5 * EVALUATION_SECONDS
_OWN = ("__name__", "alertstate")

Key = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Span:
    """A run: from its first sample to one evaluation after its last, in unix time."""

    active_at: float
    starts_at: float
    ends_at: float


async def shown(api: Api, length: str) -> dict[Key, list[Span]]:
    """The runs of each alert within so much time until now."""
    firing = await api.instant(f'ALERTS{{alertstate="firing"}}[{length}]')
    # Asked later, so that no evaluation comes between of which it lacks what fires.
    active = {
        _key(one): {at: float(since) for at, since in one["values"]}
        for one in await api.instant(f"ALERTS_FOR_STATE[{length}]")
    }
    return {
        key: _runs([at for at, _ in one["values"]], active.get(key, {}))
        for one in firing
        for key in (_key(one),)
    }


def _key(series: Mapping[str, Mapping[str, str]]) -> Key:
    return frozenset(pair for pair in series["metric"].items() if pair[0] not in _OWN)


def _runs(samples: Iterable[float], active: Mapping[float, float]) -> list[Span]:
    runs: list[Span] = []
    for at in samples:
        since = active[at]
        end = at + EVALUATION_SECONDS
        if runs and runs[-1].active_at == since:
            runs[-1] = replace(runs[-1], ends_at=end)
        else:
            runs.append(Span(since, at, end))
    return runs


def differences(seen: Mapping[Key, Sequence[Span]], rows: Iterable[Row]) -> list[str]:
    """What the ledger lacks, has too much of, or has at another time; empty if nothing."""
    kept: dict[Key, list[Row]] = {}
    for row in rows:
        kept.setdefault(frozenset(row.labels.items()), []).append(row)
    return [
        f"{_name(key)}: {difference}"
        for key in sorted(seen.keys() | kept.keys(), key=_name)
        for difference in _of_alert(
            seen.get(key, ()), sorted(kept.get(key, ()), key=lambda row: row.starts_at)
        )
    ]


def _name(key: Key) -> str:
    labels = dict(key)
    return f"{labels.get('alertname')} {labels.get('service')}"


def _of_alert(runs: Sequence[Span], rows: Sequence[Row]) -> Iterator[str]:
    left = list(rows)
    place = 0
    while place < len(runs):
        run = runs[place]
        row = next((row for row in left if _close(row.starts_at, run.starts_at)), None)
        if row is None:
            yield f"lacks {_text(run.starts_at, run.ends_at)}"
            place += 1
            continue
        left.remove(row)
        last = _last(runs, place, row)
        if last is None:
            yield (
                f"has {_text(row.starts_at, row.ends_at)}, not {_text(run.starts_at, run.ends_at)}"
            )
        place = (place if last is None else last) + 1
    for row in left:
        yield f"has {_text(row.starts_at, row.ends_at)}, which never was"


def _last(runs: Sequence[Span], place: int, row: Row) -> int | None:
    """The run with which a row ends that starts with another; None if it ends with none."""
    for number in range(place, len(runs)):
        if row.ends_at is not None and _close(row.ends_at, runs[number].ends_at):
            return number
        following = runs[number + 1 : number + 2]
        if not following or following[0].starts_at - runs[number].ends_at > _TOO_CLOSE:
            return None
    return None


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE


def _text(starts_at: float, ends_at: float | None) -> str:
    return f"{starts_at:.3f} to {'now' if ends_at is None else f'{ends_at:.3f}'}"
