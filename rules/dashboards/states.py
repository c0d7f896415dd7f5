"""What the numbers of states mean, and in which colours they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rules.dashboards import queries
from rules.dashboards.panels import GREEN, GREY, ORANGE, VERMILLION, State

STATES: Mapping[int, State] = MappingProxyType(
    {
        queries.DOWN: State("down", VERMILLION),
        queries.DEGRADED: State("degraded", ORANGE),
        queries.UP: State("up", GREEN),
        queries.UNKNOWN: State("unknown", GREY),
    }
)
ANSWERS: Mapping[int, State] = MappingProxyType(
    {0: State("down", VERMILLION), 1: State("up", GREEN)}
)
FAILING: Mapping[int, State] = MappingProxyType({1: State("failing", VERMILLION)})
