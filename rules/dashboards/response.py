"""How people respond to alerts, as the ledger knows it: who waits, for how long, for whom."""

from __future__ import annotations

from collections.abc import Iterator

from model.escalation import UNACKED_AGE
from model.platform import Platform
from rules.dashboards.page import Section, evenly
from rules.dashboards.panels import Panel, Text, asked, line_panel
from rules.dashboards.units import SECONDS

_HEIGHT = 8
_ALERT = ("source_alertname", "service", "severity")


def response_sections(platform: Platform) -> Iterator[Section]:
    """What the ledger tells; nothing where there is none."""
    if platform.ledger is None:
        return
    yield Section(evenly([_waiting()]), _HEIGHT, "Who responds, and how soon")


def _waiting() -> Panel:
    text = Text(
        "Waiting to be acknowledged",
        "For how long each alert has been waiting for somebody; none is good. Acknowledge what you "
        "have taken on: otherwise it goes up the ladder.",
    )
    labels = ", ".join(_ALERT)
    age = f"max by ({labels}) ({UNACKED_AGE})"
    return line_panel(text, [asked(age, "{{source_alertname}} {{service}}")], SECONDS)
