"""The colours of severities."""

from __future__ import annotations

from model.platform import Platform
from rules.dashboards.panels import ORANGE, SKY_BLUE, VERMILLION, YELLOW

# From the worst severity to the mildest, which is how a config lists them.
_BY_SEVERITY = (VERMILLION, ORANGE, YELLOW, SKY_BLUE)


def severity_colors(platform: Platform) -> dict[str, str]:
    """Each severity's colour, by its name."""
    last = len(_BY_SEVERITY) - 1
    return {
        severity.name: _BY_SEVERITY[min(rank, last)]
        for rank, severity in enumerate(platform.severities)
    }
