"""Where an axis has its marks and what stands at them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from rules.dashboards.units import BYTES, LEFT, PER_SECOND, SECONDS, SHARE

_MARKS = 6
_TIMES = 10
_STEPS = tuple(
    timedelta(minutes=count)
    for count in (
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        180,
        360,
        720,
        1440,
        2880,
        4320,
        10080,
        20160,
        43200,
        86400,
    )
)
_DAY = timedelta(days=1)
_LENGTHS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))
# From the largest: in what a number of a unit is shown.
_SCALES: Mapping[str, tuple[tuple[float, str], ...]] = MappingProxyType(
    {
        SECONDS: _LENGTHS,
        LEFT: _LENGTHS,
        BYTES: tuple(
            (1024.0**n, name)
            for n, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB"), (0, "B"))
        ),
        SHARE: ((0.01, "%"),),
        PER_SECOND: ((1.0, "/s"),),
    }
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of an axis."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The values from the bottom to the top of a picture, with marks at round numbers."""

    low: float
    high: float
    marks: tuple[Mark, ...]


def axis(least: float, most: float, unit: str) -> Axis:
    """An axis on which all from the least to the most has its place, with some air."""
    if least == most:
        least, most = least - (abs(least) or 1.0) / 2, most + (abs(most) or 1.0) / 2
    # What has a zero nearby is read from zero on.
    bottom = 0.0 if 0 <= least < most / 2 else least - (most - least) * 0.05
    top = most + (most - bottom) * 0.08
    scale, name = _scale(max(abs(bottom), abs(top)), unit)
    step = _round((top - bottom) / scale / _MARKS) * scale
    first = math.ceil(bottom / step - 1e-9)
    count = math.floor(top / step + 1e-9) - first + 1
    marks = (
        Mark(number * step, shown(number * step, scale, name))
        for number in range(first, first + count)
    )
    return Axis(bottom, top, tuple(marks))


def figure(value: float, unit: str) -> str:
    """A single number in its unit."""
    return shown(value, *_scale(abs(value), unit))


def shown(value: float, scale: float, name: str) -> str:
    """A number in a scale, with as few digits as it takes."""
    text = f"{value / scale:.4g}"
    if "e" in text:
        text = f"{value / scale:,.0f}" if abs(value / scale) >= 1 else text
    return f"{text}{'' if name in ('', '%', '/s') else ' '}{name}"


def times(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Moments for the axis of time, and what stands at them; days begin at midnight, UTC."""
    step = next((one for one in _STEPS if (end - begin) / one <= _TIMES), _STEPS[-1])
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    moment = origin + -(-(begin - origin) // step) * step
    while moment <= end:
        midnight = moment.hour == moment.minute == 0
        yield moment, f"{moment:%d %b}" if midnight or step >= _DAY else f"{moment:%H:%M}"
        moment += step


def _scale(largest: float, unit: str) -> tuple[float, str]:
    scales = _SCALES.get(unit, ((1.0, ""),))
    return next((one for one in scales if largest >= one[0]), scales[-1])


def _round(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return float(next(one for one in (1, 2, 5, 10) if one * power >= step * (1 - 1e-9)) * power)
