"""The labels under which a Prometheus sends its alerts, which are not always those of ALERTS.

It adds its external labels, and `alert_relabel_configs` may take some away again: by both,
Alertmanager's fingerprint differs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.ledger.json_slices import UnreadableBodyError


@dataclass(frozen=True, slots=True)
class SentLabels:
    """What is added to an alert's labels, and which of them are dropped or kept then."""

    external: Mapping[str, str]
    steps: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def of(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels that Alertmanager is sent."""
        sent = {**self.external, **labels}
        for action, pattern in self.steps:
            keep = action == "labelkeep"
            sent = {
                name: value
                for name, value in sent.items()
                if (pattern.fullmatch(name) is not None) == keep
            }
        return sent


async def sent_labels(body: bytes) -> SentLabels:
    """What GET /api/v1/status/config says of it. Raises UnreadableBodyError.

    Relabelling that changes values is not followed: whoever uses it has no history here.
    """
    return await asyncio.to_thread(_read, body)


def _read(body: bytes) -> SentLabels:
    import yaml

    try:
        config = yaml.safe_load(json.loads(body)["data"]["yaml"]) or {}
        external = (config.get("global") or {}).get("external_labels") or {}
        alerting = config.get("alerting") or {}
        relabels = list(alerting.get("alert_relabel_configs") or ())
        if any(one.get("alert_relabel_configs") for one in alerting.get("alertmanagers") or ()):
            raise UnreadableBodyError("each Alertmanager is sent other labels")
        steps = tuple(_step(one) for one in relabels)
        return SentLabels({str(name): str(value) for name, value in external.items()}, steps)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        raise UnreadableBodyError("its config cannot be read") from None


def _step(relabel: Mapping[str, Any]) -> tuple[str, re.Pattern[str]]:
    action = str(relabel.get("action", "replace")).lower()
    if action not in ("labeldrop", "labelkeep"):
        raise UnreadableBodyError(f"alert_relabel_configs of action {action[:20]} are not followed")
    try:
        return action, re.compile(str(relabel["regex"]))
    except re.error:
        raise UnreadableBodyError("a regex of alert_relabel_configs cannot be read") from None
