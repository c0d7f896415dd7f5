"""Is the service well that runs here, and does it watch all that it should?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from exporter.operations.looks.desk import Desk, ServiceSilentError
from exporter.operations.looks.outcome import Outcome, fine, unknown, wrong
from model.targets import Service, TcpService

_MOST_NAMED = 10
# A worker's states that need nobody.
_WELL = frozenset({"idle", "running", "waiting"})


async def health(desk: Desk) -> Sequence[Outcome]:
    """By /health: the verdict, and everything that is not healthy and in no maintenance."""
    try:
        said = await desk.ask_service("/health")
        verdict = str(said["status"])
        shown = {one["service"]: one for one in said["services"]} | said["dependencies"]
    except ServiceSilentError as error:
        return [wrong(str(error), "Start the service, or run this where it runs; then `doctor`.")]
    except (KeyError, TypeError):
        return [unknown("what answers at the service's address is not the service")]
    bad = [
        f"{name} is {one['status']}"
        for name, one in shown.items()
        if one["status"] != "healthy" and "maintenance" not in one
    ]
    if verdict == "healthy":
        return [fine(f"all {len(shown)} that are watched are healthy")]
    return [wrong(f"{verdict}: {_some(bad)}", "Each has an alert: the console's page Now.")]


async def services(desk: Desk) -> Sequence[Outcome]:
    """By /health: each service of this exporter's share of the config has a recent result."""
    try:
        said = await desk.ask_service("/health")
        states = {str(one["service"]): str(one["status"]) for one in said["services"]}
    except ServiceSilentError as error:
        return [unknown(str(error))]
    except (KeyError, TypeError):
        return [unknown("what answers at the service's address is not the service")]
    wanted = [one.name for one in desk.loaded.targets if isinstance(one, (Service, TcpService))]
    missing = [name for name in wanted if name not in states]
    silent = [name for name in wanted if states.get(name) == "unknown"]
    share = f" of shard {desk.settings.shard}" if desk.settings.shard.count > 1 else ""
    found = []
    if missing:
        found.append(
            wrong(
                f"not monitored: {_some(missing)}",
                "The service runs with another config than this: reload it (`kill -HUP`).",
            )
        )
    if silent:
        found.append(
            wrong(
                f"without a recent result: {_some(silent)}",
                "Is the exporter cut off from its network? `GET /probe?target=<name>&debug=true`",
            )
        )
    return found or [fine(f"all {len(wanted)} services{share} are monitored")]


async def workers(desk: Desk) -> Sequence[Outcome]:
    """By the API: each has run when it should have, and has not failed."""
    try:
        # Whoever asks from this machine needs no token for it.
        said = await desk.ask_service("/api/v1/monitoring/workers")
        found = [_worker(one, desk.now) for one in said["workers"]]
    except ServiceSilentError as error:
        return [unknown(str(error))]
    except (KeyError, TypeError, ValueError):
        return [unknown("what answers at the service's address is not the service")]
    return found or [unknown("the service keeps no ledger, and so has no workers")]


def _worker(said: dict[str, Any], now: datetime) -> Outcome:
    name, status = said["name"], said["status"]
    if status == "resting":
        return wrong(f"{name} rests", "READ_ONLY is set: unset it when writing is safe again.")
    if status not in _WELL:
        why = said["lastError"] or "the replica that ran it is gone"
        return wrong(f"{name} is {status}: {why}", "`/api/v1/monitoring/workers`, and the log.")
    late = (now - datetime.fromisoformat(said["nextRun"])).total_seconds() * 1000
    if status != "running" and late > said["interval"]:
        return wrong(
            f"{name} should have run at {said['nextRun']}", "Is the store slow? `doctor`, the log."
        )
    return fine(f"{name} is {status}, last run {said['lastRun'] or 'never yet'}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
