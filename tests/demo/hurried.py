"""The default platform's services and its alerts about watching, everything five times as fast."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from model import Count, metrics, observed
from model.declared import Declared
from model.load import load
from model.overlay import Addresses, relocate
from model.platform import Platform

D = TypeVar("D", bound=Declared)

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ("ServiceDown", "TargetNotProbed", "TargetsMissing", "ExporterDown", "Watchdog")
_HURRY = 5


def services() -> list[str]:
    """The names of the services that it watches."""
    base = load(ROOT / "config.py")
    return [service.name for service in base.services if service.name != base.own_service]


def platform_of(path: Path) -> Platform:
    """The platform at the addresses in a JSON file, watched by all `exporters` that it names."""
    given = json.loads(path.read_text(encoding="utf-8"))
    exporters = tuple(given.pop("exporters"))
    addresses = Addresses.model_validate({**given, "exporter": exporters[0]})
    there = relocate(_small(load(ROOT / "config.py")), addresses)
    watched = there.watched_by.model_copy(update={"exporters": exporters})
    return there.model_copy(update={"watched_by": _hurried(watched)})


def _small(base: Platform) -> Platform:
    """Without what a test of exporters would only have to start."""
    services = tuple(one for one in base.services if one.name != base.own_service)
    counted = Count(observed(metrics.PROBE_SUCCESS, by=("target",))) < len(services)
    alerts = (
        alert.model_copy(update={"expr": counted}) if alert.name == "TargetsMissing" else alert
        for alert in base.alerts
        if alert.name in ALERTS
    )
    nothing: dict[str, Any] = {"postgres": (), "redis": (), "sql": (), "external": ()}
    return base.model_copy(
        update={
            **nothing,
            "own_service": None,
            "ledger": None,
            "services": tuple(map(_hurried, services)),
            "alerts": tuple(map(_hurried, alerts)),
            "severities": tuple(map(_hurried, base.severities)),
        }
    )


def _hurried(declared: D) -> D:
    times = {
        name: value / _HURRY
        for name, value in declared
        if isinstance(value, timedelta) and name not in ("response_time", "repeat_interval")
    }
    return declared.model_copy(update=times)
