"""Times and figures as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

# What stands behind a number that Prometheus' humanize or humanize1024 has shortened.
_PREFIXES: Final = {
    "": 1.0,
    "%": 1.0,
    **{letter: 1000.0**power for power, letter in enumerate("kMGTPEZY", start=1)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("kMGTPEZY", start=1)},
    **{letter: 1000.0**-power for power, letter in enumerate("mun", start=1)},
}
_FIGURE: Final = re.compile(
    r"(?P<compared>>=|<=|==|!=|>|<)?\s*(?P<number>[+-]?\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?)"
    r"\s*(?P<unit>%|[kMGTPEZY]i?|[mun]|)",
    re.ASCII,
)


def lasting(length: timedelta) -> str:
    """How long something lasts, in its two largest units: `4 min`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes == 0:
        return f"{seconds} s"
    if hours == 0:
        return f"{minutes} min"
    if days == 0:
        return _two(hours, "h", minutes % 60, "min")
    return _two(days, "d", hours % 24, "h")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def clock(at: datetime, now: datetime) -> str:
    """A time of today by its hour, any other by its day too; in UTC."""
    at = at.astimezone(UTC)
    if at.date() == now.astimezone(UTC).date():
        return f"{at:%H:%M:%S}"
    return f"{at.day} {at:%b} {at:%H:%M}" if at.year == now.year else f"{at:%Y-%m-%d %H:%M}"


def milliseconds(seconds: float) -> str:
    """A latency: `0.4 ms`, `12 ms`, `1.3 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def share(part: float) -> str:
    """A share in percent that says 100 only where nothing is missing."""
    percent = part * 100
    if percent == 100:
        return "100 %"
    return f"{min(percent, 99.99):.2f} %" if percent > 99 else f"{percent:.1f} %"


def number_in(text: str) -> tuple[float, str] | None:
    """The number of a figure such as `> 12.5%` or `3.2k`, and its unit (% or none).

    None where it is no such figure.
    """
    found = _FIGURE.fullmatch(text.strip())
    if found is None:
        return None
    unit = found["unit"]
    return float(found["number"]) * _PREFIXES[unit], "%" if unit == "%" else ""
