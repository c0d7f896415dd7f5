"""The dashboard of alerting: what fires, who responds and how soon, and whether messages arrive."""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.platform import Platform
from model.promql import max_by, select, sum_by
from rules.dashboards import queries
from rules.dashboards.board import Board, firing, written
from rules.dashboards.page import Section, evenly
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    Panel,
    Text,
    asked,
    color_lines,
    line_panel,
    stat_panel,
)
from rules.dashboards.ranges import mean, per_second
from rules.dashboards.response import choose_window, response_sections
from rules.dashboards.severities import severity_colors
from rules.dashboards.topics import Topic, conditions
from rules.dashboards.units import COUNT, PER_SECOND, SECONDS

UID = "monitoring-alerting"

_STATS_HEIGHT, _HEIGHT = 4, 8
_SLOWEST = 5


def build(platform: Platform) -> str:
    """The dashboard's file."""
    return written(
        Board(
            uid=UID,
            title="Alerting",
            about="What fires, who responds and how soon, and whether messages arrive.",
            sections=_sections(platform),
            variables=() if platform.ledger is None else (choose_window(),),
        ),
        platform,
    )


def _sections(platform: Platform) -> Iterator[Section]:
    stats = [_firing_now(platform), _circle(), _failed_now(), _queue_now(), _alertmanager()]
    yield Section(evenly(stats, len(stats)), _STATS_HEIGHT)
    yield Section(evenly([_by_severity(platform), _by_name()], 2), _HEIGHT, "What fires")
    yield from response_sections(platform)
    told = [_sent(), _failed(), _latency(), _evaluation(), _delivered()]
    yield Section(evenly(told), _HEIGHT, "On the way to the people: what each step takes")
    yield from conditions(Topic.ALERTING, platform)


# --- now ----------------------------------------------------------------------------------------


def _firing_now(platform: Platform) -> Panel:
    text = Text(
        "Firing",
        "Alerts that are firing, by severity; none is good. The overview names them.",
    )
    found = asked(f"count by (severity) ({firing('.+')})", "{{severity}}")
    panel = stat_panel(text, [found], {1: VERMILLION}).no_value("none")
    return color_lines(panel, severity_colors(platform))


def _circle() -> Panel:
    text = Text(
        "Since Watchdog came full circle",
        "How long ago Alertmanager last delivered the alert that always fires. Minutes: Prometheus "
        "or Alertmanager tells nobody of anything. Look at both, and at the platform yourself.",
    )
    last = max_by(select(names.WATCHDOG_LAST_RECEIVED))
    age = asked(f"time() - ({last} > 0)", "Watchdog")
    return stat_panel(text, [age], {0: GREEN, 120: ORANGE, 300: VERMILLION}, SECONDS)


def _failed_now() -> Panel:
    text = Text(
        "Messages failing per second",
        "Messages that Alertmanager cannot send now. If it is not 0: its log names the channel "
        "and why; tell people by another one.",
    )
    failed = sum_by(per_second(select(names.ALERTMANAGER_NOTIFICATIONS_FAILED)))
    return stat_panel(text, [asked(failed, "failing")], {0: GREEN, 1e-9: VERMILLION}, PER_SECOND)


def _queue_now() -> Panel:
    text = Text(
        "Alerts waiting in Prometheus",
        "Alerts that Prometheus has yet to send. If they pile up: is Alertmanager up, and can it "
        "be reached?",
    )
    waiting = max_by(select(names.PROMETHEUS_NOTIFICATIONS_QUEUE_LENGTH))
    return stat_panel(text, [asked(waiting, "waiting")], {0: GREEN, 100: ORANGE, 1000: VERMILLION})


def _alertmanager() -> Panel:
    text = Text(
        "Alerts in Alertmanager",
        "What Alertmanager has, active and suppressed (silenced, or inhibited by another alert). "
        "Suppressed ones tell nobody: amtool silence query says by whom.",
    )
    alerts = max_by(select(names.ALERTMANAGER_ALERTS), "state")
    return stat_panel(text, [asked(alerts, "{{state}}")], {0: SKY_BLUE})


# --- what fires ---------------------------------------------------------------------------------


def _by_severity(platform: Platform) -> Panel:
    text = Text(
        "Firing alerts, by severity",
        "How many fire at a time; none is good. Many at once have one cause as a rule: begin with "
        "the one that came first.",
    )
    found = asked(f"count by (severity) ({firing('.+')})", "{{severity}}")
    panel = line_panel(text, [found], COUNT).no_value("none")
    return color_lines(panel, severity_colors(platform))


def _by_name() -> Panel:
    text = Text(
        "Firing alerts, by name",
        "Which fire, and for how many services; none is good. One that comes and goes all day: "
        "mend its cause, or its threshold.",
    )
    found = asked(f"count by (alertname) ({firing('.+')})", "{{alertname}}")
    return line_panel(text, [found], COUNT).no_value("none")


# --- on the way to the people -------------------------------------------------------------------


def _sent() -> Panel:
    text = Text(
        "Messages per second, by channel",
        "What Alertmanager sends. A channel that sends nothing while alerts fire has no route: "
        "python -m rules explain <alert> says who is told.",
    )
    sent = sum_by(per_second(select(names.ALERTMANAGER_NOTIFICATIONS)), "integration")
    return line_panel(text, [asked(sent, "{{integration}}")], PER_SECOND)


def _failed() -> Panel:
    text = Text(
        "Messages that fail, by channel",
        "Messages that could not be sent, a second. If one rises: was a token or password "
        "changed, or is the provider down? Its status page says so.",
    )
    failed = sum_by(per_second(select(names.ALERTMANAGER_NOTIFICATIONS_FAILED)), "integration")
    return line_panel(text, [asked(failed, "{{integration}}")], PER_SECOND)


def _latency() -> Panel:
    text = Text(
        "Time to send a message, by channel",
        "The mean time that Alertmanager's last step takes. Many seconds: the provider is slow, "
        "and whoever is told last hears of it late.",
    )
    took = mean(names.ALERTMANAGER_NOTIFICATION_LATENCY, "integration")
    panel = line_panel(text, [asked(took, "{{integration}}")], SECONDS)
    return panel.no_value("none")


def _evaluation() -> Panel:
    text = Text(
        f"Time to evaluate rules, the {_SLOWEST} slowest groups",
        "What an alert waits for before it can fire. Near the interval of a group its alerts come "
        "late: RuleEvaluationSlow.",
    )
    slowest = max_by(select(names.PROMETHEUS_RULE_GROUP_LAST_DURATION), "rule_group")
    asks = [asked(queries.top(_SLOWEST, slowest), "{{rule_group}}")]
    return line_panel(text, asks, SECONDS)


def _delivered() -> Panel:
    text = Text(
        "Alerts that Prometheus sends, and loses",
        "Sent to an Alertmanager, refused by one, and thrown away since none took them, a second. "
        "What is thrown away is told to nobody.",
    )
    kinds = {
        "sent": names.PROMETHEUS_NOTIFICATIONS_SENT,
        "refused": names.PROMETHEUS_NOTIFICATIONS_ERRORS,
        "thrown away": names.PROMETHEUS_NOTIFICATIONS_DROPPED,
    }
    asks = [asked(sum_by(per_second(select(metric))), word) for word, metric in kinds.items()]
    return line_panel(text, asks, PER_SECOND)
