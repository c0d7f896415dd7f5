"""Promtool's notation of a series' values: `_x3`, `1x3`, `0+5x3`, `stale`.

Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

from datetime import timedelta


def ended(values: str, last: timedelta, step: timedelta) -> str:
    """The values, and an end to them if they reach beyond the last time that matters.

    An alert that goes on firing beside longer cases costs promtool most of its time: at every step
    it expands all texts of every alert that is active.
    """
    reaches = sum(map(_samples, values.split())) * step > last
    return f"{values} stale" if reaches else values


def _samples(word: str) -> int:
    """How many steps a word stands for."""
    first, times, count = word.partition("x")
    return 1 if not times else int(count) + (first != "_")
