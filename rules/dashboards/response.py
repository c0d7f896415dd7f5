"""How people respond to alerts, as the ledger knows it: who has which, who waits, how soon."""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.escalation import UNACKED_AGE
from model.metric import Metric
from model.platform import Platform
from model.promql import Match, observed, select
from rules.dashboards import queries
from rules.dashboards.board import Variable
from rules.dashboards.page import Section, evenly, one_of
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    Colors,
    Panel,
    Text,
    asked,
    bar_panel,
    color_by_name,
    line_panel,
    stat_panel,
)
from rules.dashboards.units import COUNT, SECONDS

# The label by which a firing alert tells who has it, and what it says where nobody has.
WHO = "who"
NOBODY, SILENCED, UNKNOWN = "nobody yet", "silenced", "unknown"

_HEIGHT = 8
_MOST = 10
_ALERT = queries.ALERT
WINDOW = "$window"


def choose_window() -> Variable:
    """The variable of how far back the figures by name look."""
    about = "How far back the figures by name look; an alert counts where it began."
    return one_of(WINDOW.removeprefix("$"), Text("Window", about), tuple(names.RESPONSE_WINDOWS))


def alerts_and_who() -> str:
    """Since when each alert fires, in milliseconds of unix time, and who has it, as a label.

    An alert that several people have acknowledged for several of its series has a row for each.
    """
    since = f"({queries.alerts_since()})"
    on = f"on ({', '.join(_ALERT)})"
    by = f"by ({', '.join(_ALERT)})"
    unacked, acknowledged = (
        _under_its_name(metric)
        for metric in (names.ALERT_LEDGER_UNACKED_SINCE, names.ALERT_LEDGER_ACKNOWLEDGED_SINCE)
    )
    person = f'label_replace({acknowledged}, "{WHO}", "$1", "acknowledged_by", "(.+)")'
    taken = f"max by ({', '.join((*_ALERT, WHO))}) ({person})"
    waiting, known = f"max {by} ({unacked} > 0)", f"max {by} ({unacked})"
    silenced = f"({since} and {on} {known}) unless {on} ({waiting} or {on} {taken})"
    return "\n  or ".join(
        (
            f"{taken} * 0 + {on} group_left () {since}",
            _named(f"{since} and {on} {waiting}", NOBODY),
            _named(silenced, SILENCED),
            _named(f"{since} unless {on} {known}", UNKNOWN),
        )
    )


def _under_its_name(metric: Metric) -> str:
    """The ledger's series under the name that the alert has in Prometheus."""
    collapsed = observed(metric)
    return f'label_replace({collapsed}, "alertname", "$1", "source_alertname", "(.+)")'


def _named(expr: str, who: str) -> str:
    return f'label_replace({expr}, "{WHO}", "{who}", "", "")'


def waiting_or_not() -> Panel:
    """How many open alerts somebody has, and how many nobody has."""
    text = Text(
        "Acknowledged or not",
        "Of the open alerts, those that wait for somebody, those that wait for longer than their "
        "severity's response time, and those that somebody has. If one waits: take it, or it goes "
        "up the ladder. Unknown means that no ledger tells.",
    )
    # A ledger that tells nothing is not one in which nothing waits.
    none = f"max({names.ALERT_LEDGER_STORE_UP.name}) * 0"
    waiting = f"count({observed(names.ALERT_LEDGER_UNACKED_SINCE)} > 0)"
    has = f"count({observed(names.ALERT_LEDGER_ACKNOWLEDGED_SINCE)})"
    counts = {"waiting": waiting, "overdue": _overdue(), "taken": has}
    asks = [asked(f"{count} or {none}", word) for word, count in counts.items()]
    panel = stat_panel(text, asks, {0: GREEN, 1: ORANGE})
    color_by_name(panel, "overdue", {0: GREEN, 1: VERMILLION})
    color_by_name(panel, "taken", {0: SKY_BLUE})
    return panel


def _overdue() -> str:
    return f"sum({observed(names.ALERT_LEDGER_OVERDUE_ALERTS)})"


def response_sections(platform: Platform) -> Iterator[Section]:
    """What the ledger tells; nothing where there is none."""
    if platform.ledger is None:
        return
    yield Section(evenly([_waiting(), _overdue_alerts()], 2), _HEIGHT, "Who is waited for")
    figures = [_fired(), _acknowledge(), _resolve(), _false_positives(), _late(), _delivery()]
    yield Section(evenly(figures), _HEIGHT, "Responses by name, over the window chosen above")


def _waiting() -> Panel:
    text = Text(
        "Waiting to be acknowledged",
        "For how long each alert has been waiting for somebody; none is good. Acknowledge what you "
        "have taken on: otherwise it goes up the ladder.",
    )
    labels = ", ".join(("source_alertname", "service", "severity"))
    age = f"max by ({labels}) ({UNACKED_AGE})"
    panel = line_panel(text, [asked(age, "{{source_alertname}} {{service}}")], SECONDS)
    return panel.no_value("none")


def _overdue_alerts() -> Panel:
    text = Text(
        "Overdue, by severity",
        "Open alerts that nobody has acknowledged within their severity's response time. If it is "
        "not 0: somebody was to respond and has not; the on-call page says who.",
    )
    overdue = observed(names.ALERT_LEDGER_OVERDUE_ALERTS)
    return line_panel(text, [asked(overdue, "{{severity}}")], COUNT)


# --- by name ------------------------------------------------------------------------------------


def _fired() -> Panel:
    return _bars(
        "Fired",
        "How often each alert has fired; none is good. The one that fires most costs people most: "
        "mend its cause, or its threshold.",
        names.ALERT_LEDGER_FIRED,
        {0: SKY_BLUE},
        COUNT,
    )


def _acknowledge() -> Panel:
    return _bars(
        "Mean time to acknowledge",
        "How long alerts waited until somebody took them; none where none was taken. Longer than "
        "their response time: is the right person told, by a channel that wakes them?",
        names.ALERT_LEDGER_MEAN_ACKNOWLEDGE,
        {0: GREEN, 300: ORANGE, 900: VERMILLION},
        SECONDS,
    )


def _resolve() -> Panel:
    return _bars(
        "Mean time to resolve",
        "How long alerts lasted; none where none has ended. Where it is long: does the runbook "
        "page say what helped last time?",
        names.ALERT_LEDGER_MEAN_RESOLVE,
        {0: SKY_BLUE},
        SECONDS,
    )


def _false_positives() -> Panel:
    return _bars(
        "False positives",
        "Alerts that people marked as false; none is good. One that is false again and again is "
        "soon ignored: change its threshold or its duration.",
        names.ALERT_LEDGER_FALSE_POSITIVES,
        {0: GREEN, 1: ORANGE},
        COUNT,
        positive=True,
    )


def _late() -> Panel:
    return _bars(
        "Responses that came too late",
        "Alerts that nobody had acknowledged within their severity's response time; none is good. "
        "Look at their timelines: who was told, and when?",
        names.ALERT_LEDGER_LATE_RESPONSES,
        {0: GREEN, 1: VERMILLION},
        COUNT,
        positive=True,
    )


def _delivery() -> Panel:
    return _bars(
        "Time to page, from firing to delivery",
        "How long after it fired Alertmanager delivered an alert; none where it delivered none. "
        "Before that an alert waits for its own duration. Many seconds: is Alertmanager busy?",
        names.ALERT_LEDGER_MEAN_DELIVERY,
        {0: GREEN, 10: ORANGE, 60: VERMILLION},
        SECONDS,
    )


def _bars(
    title: str, about: str, metric: Metric, colors: Colors, unit: str, *, positive: bool = False
) -> Panel:
    windowed = select(metric).where(Match.EQUAL, window=WINDOW)
    figure = f"{metric.collapse.value} by (source_alertname) ({windowed})"
    shown = f"topk({_MOST}, {figure}{' > 0' if positive else ''})"
    ask = asked(shown, "{{source_alertname}}")
    return bar_panel(Text(title, about), [ask], colors, unit).no_value("none")
