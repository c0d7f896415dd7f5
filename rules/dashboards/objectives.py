"""What is left of the objectives' error budgets, and how fast they are spent."""

from __future__ import annotations

from collections.abc import Iterator

from model.platform import Platform
from model.promql import Recorded, Recording, recorded
from rules.dashboards.choices import SERVICES
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    VERMILLION,
    Panel,
    Query,
    Text,
    asked,
    bar_panel,
    line_panel,
)
from rules.dashboards.units import SHARE

_LEFT, _ERRORS = "slo:period_error_budget_remaining:ratio", "slo:sli_error:ratio_rate"
_LOWEST = 10
# A quarter left with most of the period to go is a reason to be careful.
_COLORS = {-1e9: VERMILLION, 0: ORANGE, 0.25: GREEN}


def has_budgets(platform: Platform) -> bool:
    """Whether the config records what is left of any budget."""
    return any(_recordings(_LEFT, platform))


def lowest_budgets(platform: Platform) -> Panel:
    """The budgets of all services of which least is left."""
    text = Text(
        "Error budget left, the lowest",
        "What is left of the errors that each objective allows in 30 days, the emptiest first; "
        "under 0 it is overspent. Where little is left: put reliability before features; the "
        "service's own dashboard says what spends it.",
    )
    queries = [
        Query(f"bottomk({_LOWEST}, {series})", _legend(series))
        for series in map(recorded, _recordings(_LEFT, platform))
    ]
    return bar_panel(text, queries, _COLORS, SHARE)


def budgets(platform: Platform) -> Panel:
    """What is left of the chosen services' budgets, over time."""
    text = Text(
        "Error budget left",
        "What is left of the errors that each objective allows in 30 days; under 0 it is "
        "overspent. A steep fall is a fault that people notice: what happened then?",
    )
    series = [recorded(one) for one in _recordings(_LEFT, platform)]
    return line_panel(text, [asked(SERVICES.narrow(one), _legend(one)) for one in series], SHARE)


def burns(platform: Platform) -> Iterator[Panel]:
    """For each objective, the chosen services' share of errors over each of its windows."""
    for name in dict.fromkeys(one.labels["slo"] for one in _recordings(_ERRORS, platform)):
        windows = [one for one in _recordings(_ERRORS, platform) if one.labels["slo"] == name]
        text = Text(
            f"Errors against the objective: {name}",
            "The share of what was not as the objective demands, over a short and over longer "
            "windows. ErrorBudgetBurn compares a long with a short one, so that it fires soon and "
            "ends soon; its panels below have the thresholds.",
        )
        queries = [
            asked(SERVICES.narrow(series), f"{_who(series)} {one.name.removeprefix(_ERRORS)}")
            for one in windows
            for series in [recorded(one)]
        ]
        yield line_panel(text, queries, SHARE)


def _recordings(prefix: str, platform: Platform) -> list[Recording]:
    return [one for one in platform.recording_rules if one.name.startswith(prefix)]


def _legend(series: Recorded) -> str:
    return f"{_who(series)} {series.recording.labels['slo']}"


def _who(series: Recorded) -> str:
    """Whom it is about: objectives have one label each besides their name."""
    return " ".join(f"{{{{{label}}}}}" for label in sorted(series.labels - {"slo"}))
