"""Lengths of time: typed in the config, printed the way Prometheus reads them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000}
_UNITS |= {"s": 1_000, "ms": 1}
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)


def seconds(value: float) -> timedelta:
    """A length of time in seconds."""
    return timedelta(seconds=value)


def minutes(value: float) -> timedelta:
    """A length of time in minutes."""
    return timedelta(minutes=value)


def hours(value: float) -> timedelta:
    """A length of time in hours."""
    return timedelta(hours=value)


def days(value: float) -> timedelta:
    """A length of time in days."""
    return timedelta(days=value)


def parse(text: str) -> timedelta:
    """Read a Prometheus duration such as `1h30m`.

    Raises ValueError on anything else.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is not a duration; write seconds(5), minutes(1) or '1h30m'")
    milliseconds = sum(
        int(count) * unit
        for count, unit in zip(match.groups(), _UNITS.values(), strict=True)
        if count
    )
    return timedelta(milliseconds=milliseconds)


def prometheus(length: timedelta) -> str:
    """Print a length of time as Prometheus and Alertmanager read it: `90s` is `1m30s`."""
    left = round(length.total_seconds() * 1000)
    if left == 0:
        return "0s"
    parts = []
    for name in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[name])
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts)


def _coerce(value: Any) -> Any:
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write seconds({value}), minutes({value}), …")  # noqa: TRY004 - pydantic reports ValueError
    return value


Duration = Annotated[timedelta, BeforeValidator(_coerce)]
