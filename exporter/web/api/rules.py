"""The config's alerts as the API shows them, and which of them an alert comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.web.api.alert_models import Rule
from model.alerts import Alert
from model.platform import Platform
from model.promql import CONFIG_SHA256, Threshold
from model.telling import channels_of, repeat_of

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_OF_A_SLUG: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 100


def slug(text: str) -> str:
    """A name as it stands in an id: HighRefundRate is high-refund-rate."""
    words = _WORDS.sub("-", text[:_LONGEST]).lower()
    return _NOT_OF_A_SLUG.sub("-", words).strip("-") or "-"


@dataclass(frozen=True, slots=True)
class _Known:
    """An alert of the config, as it is looked up for each alert that is listed."""

    severity: str | None
    labels: Mapping[str, str]
    id: str
    channels: list[str]


class Rules:
    """The alerts of one config. Several of one name have their constant labels in their ids."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._ids = _ids(platform)
        self._named: dict[str, list[_Known]] = {}
        for alert in platform.alerts:
            severity = platform.severity(alert.severity) if alert.severity else None
            channels = list(channels_of(alert, severity)) if severity else []
            known = _Known(alert.severity, alert.labels, self._ids[alert.key], channels)
            self._named.setdefault(alert.name, []).append(known)
        self._channels = {str(one.name): list(one.channels) for one in platform.severities}
        self.listed = [self._listed(alert) for alert in platform.alerts]

    def id_and_channels(
        self, name: str, severity: str, labels: Mapping[str, str]
    ) -> tuple[str, list[str]]:
        """The id of the rule that an alert comes from, and the channels that it is sent to.

        An alert that the config does not know has an id of its name, and its severity's channels.
        """
        for known in self._named.get(name, ()):
            if known.severity == severity and known.labels.items() <= labels.items():
                return known.id, known.channels
        return slug(name), self._channels.get(severity, [])

    def _listed(self, alert: Alert) -> Rule:
        severity = self.platform.severity(alert.severity) if alert.severity else None
        compared = next((part for part in alert.expr.walk() if isinstance(part, Threshold)), None)
        return Rule(
            id=self._ids[alert.key],
            name=alert.name,
            description=alert.description,
            condition=str(alert.expr).replace(CONFIG_SHA256, self.platform.sha256),
            threshold=float(compared.threshold) if compared else None,
            severity=alert.severity,
            # Whatever the config has is evaluated; what is to rest is left out of it.
            enabled=True,
            channels=list(channels_of(alert, severity)) if severity else [],
            cooldown=(
                round(repeat_of(alert, severity).total_seconds() * 1000) if severity else None
            ),
        )


class RulesInUse:
    """Makes them anew when there is another config."""

    def __init__(self) -> None:
        self._known: Rules | None = None

    def of(self, platform: Platform) -> Rules:
        """Those of this config."""
        if self._known is None or self._known.platform is not platform:
            self._known = Rules(platform)
        return self._known


def _ids(platform: Platform) -> dict[tuple[str, ...], str]:
    """The id of each alert, by its key."""
    plain = {
        alert.key: "-".join(slug(part) for part in (alert.name, *alert.labels.values()))
        for alert in platform.alerts
    }
    shared = {name for name, count in Counter(plain.values()).items() if count > 1}
    return {
        alert.key: f"{plain[alert.key]}-{alert.severity}"
        if plain[alert.key] in shared
        else plain[alert.key]
        for alert in platform.alerts
    }
