"""Times, lengths and sizes as commands print them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNITS = ("B", "kiB", "MiB", "GiB", "TiB")


def stamp(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def lasting(length: timedelta) -> str:
    """A length of time to the second, without days that are none: `0:04:05`, `2 days, 3:00:00`."""
    return str(timedelta(seconds=max(0, round(length.total_seconds()))))


def size(bytes_: float) -> str:
    """A number of bytes in the unit that people would choose."""
    shown, unit = bytes_, _UNITS[0]
    for larger in _UNITS[1:]:
        if abs(shown) < 1024:
            break
        shown, unit = shown / 1024, larger
    return f"{shown:.0f} {unit}" if unit == "B" else f"{shown:.1f} {unit}"
