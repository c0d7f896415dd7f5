"""What is told of a target's state, by /health and by the API alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.maintenance import Open
from exporter.watch import TargetSnapshot
from exporter.web.errors import iso

UNKNOWN = "unknown"
_CUT_OFF = "this exporter is cut off from its own network"


def isolation(since: float | None) -> dict[str, Any]:
    """That the exporter is cut off from its own network; nothing where it is not."""
    if since is None:
        return {}
    return {"isolated": {"since": iso(since), "message": _CUT_OFF}}


def awake(shots: Iterable[TargetSnapshot], resting: Mapping[str, Open]) -> list[TargetSnapshot]:
    """Those that are not in maintenance: what is broken on purpose makes nobody ill."""
    return [shot for shot in shots if shot.target.name not in resting]


def state(shot: TargetSnapshot, resting: Mapping[str, Open]) -> dict[str, Any]:
    """Its status, its latency in milliseconds, and its maintenance if it is in one."""
    told: dict[str, Any] = {"status": UNKNOWN, "latency": None}
    if shot.result is not None:
        told["status"] = shot.result.health.value
        told["latency"] = round(shot.result.duration * 1000, 3)
    if window := resting.get(shot.target.name):
        told["maintenance"] = {"until": iso(window.until), "reason": window.reason}
    return told


def details(shot: TargetSnapshot) -> dict[str, Any]:
    """When it was probed, since when it is as it is, and what is wrong."""
    if shot.result is None or shot.since is None:
        return {"message": _CUT_OFF if shot.withheld else "no result that is recent enough"}
    told = {"lastChecked": iso(shot.result.ended_at), "since": iso(shot.since)}
    if shot.result.reason is not None:
        told["reason"] = shot.result.reason.value
    if shot.result.detail:
        told["message"] = shot.result.detail
    return told
