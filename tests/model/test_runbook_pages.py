"""Runbook pages: what stands on them, and that nothing of a config gets out of its place."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from model import (
    Alert,
    Always,
    BusinessHours,
    Contact,
    Email,
    EscalationStep,
    Fires,
    PagerDuty,
    Platform,
    Quiet,
    Raw,
    Service,
    Severity,
    Slack,
    hours,
    metrics,
    minutes,
    observed,
    seconds,
)
from model.load import load
from model.runbook import UnknownAlertError, html, index, markdown, page_names, runbook

ROOT = Path(__file__).resolve().parents[2]
SECRETS = "/run/secrets"


def alert(**settings: Any) -> Alert:
    given: dict[str, Any] = {
        "name": "ServiceDown",
        "group": "services",
        "expr": observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
        "for_": seconds(10),
        "severity": "critical",
        "summary": "{{ $labels.target }} is down",
        "description": "{{ $labels.target }} has failed: {{ $value | humanize }}.",
        "symptoms": "It does not answer.",
        "investigation": ("Ask it: `curl http://web/health`", "Read its log."),
        "actions": ("Restart it.",),
    }
    return Alert(**{**given, **settings})


def platform(*alerts: Alert, **settings: Any) -> Platform:
    given: dict[str, Any] = {
        "name": "shop",
        "services": (Service(name="web", port=80),),
        "severities": (
            Severity(
                name="critical",
                response_time=minutes(5),
                channels=("email", "pagerduty"),
                escalation=(EscalationStep(after=minutes(10), to="lead"),),
            ),
            Severity(
                name="info", response_time=None, channels=("slack",), business_hours_only=True
            ),
        ),
        "channels": (
            Email(to=("ops@example.org",), sender="m@example.org", smarthost="mail:25"),
            Slack(webhook_url_file=f"{SECRETS}/slack", channel="#ops"),
            PagerDuty(routing_key_file=f"{SECRETS}/pagerduty"),
        ),
        "contacts": (
            Contact(
                role="lead",
                title="Lead",
                email="lead@example.org",
                when="business",
                after_hours="night",
            ),
            Contact(
                role="night",
                title="Night shift",
                phone="+1-555-0100",
                pagerduty_routing_key_file=f"{SECRETS}/night",
                when="after-hours",
            ),
        ),
        "business_hours": BusinessHours(time_zone="Europe/Berlin"),
        "alerts": alerts or (alert(),),
        "base_url": "https://monitoring.example.org",
        "grafana_url": "https://grafana.example.org",
        "dead_mans_switch": "https://switch.example.org/private-id",
    }
    return Platform(**{**given, **settings})


def text_of(*alerts: Alert, **settings: Any) -> str:
    return markdown(runbook("ServiceDown", platform(*alerts, **settings)))


# --- what a config must not be able to do -------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "`<b>`</code><script>",
    '" onclick="alert(1)',
    "&lt;script&gt;",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "a\n\n# Heading",
    "| a | b |",
    "*bold* _it_ ~~no~~",
)


class Elements(HTMLParser):
    """The elements and attributes of a document, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def elements(document: str) -> Elements:
    found = Elements()
    found.feed(document)
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_config_becomes_html(text: str) -> None:
    hostile = alert(
        summary=text, description=text, symptoms=text, investigation=(text,), actions=(text,)
    )
    plain = elements(html(runbook("ServiceDown", platform())))
    found = elements(html(runbook("ServiceDown", platform(hostile))))
    assert found.tags <= plain.tags
    assert found.attributes <= plain.attributes
    assert text.replace("`", "") in found.text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_config_becomes_markdown(text: str) -> None:
    hostile = alert(summary=text, description=text, symptoms=text, investigation=(text,))
    said = text_of(hostile)
    outside_of_code = re.sub(r"(?s)```.*?```|`[^`]*`", "", said)
    assert not re.search(r"(?<!\\)<(?!https://)", outside_of_code)
    assert not re.search(r"(?<!\\)!?\[click\]|(?<!\\)\[x\]", outside_of_code)
    assert [line for line in said.splitlines() if line.startswith("# ")] == ["# ServiceDown"]
    assert not re.search(r"(?m)^\| a \|", said)


@pytest.mark.parametrize("start", ["# x", "- x", "+ x", "1. x", "12) x", "= x"])
def test_a_text_does_not_begin_a_heading_or_a_list(start: str) -> None:
    (line,) = [line for line in text_of(alert(symptoms=start)).splitlines() if line.endswith(" x")]
    assert line == re.sub(r"([#+=.)-])", r"\\\1", start, count=1)


def test_code_that_holds_backticks_stays_code() -> None:
    told = Raw(
        "probe_success < 1 # ```",
        cases=(
            Fires(series={"probe_success": "0x9"}),
            Quiet(series={"probe_success": "1x9"}, at=minutes(1)),
        ),
    )
    said = text_of(alert(expr=told, service="web", summary="s", description="d"))
    assert "````\nprobe_success < 1 # ```\n````" in said


def test_no_file_of_a_secret_and_no_private_address_is_on_a_page() -> None:
    watchdog = alert(
        name="Watchdog",
        expr=Always(),
        severity=None,
        service="web",
        summary="s",
        description="d",
    )
    shown = platform(alert(), watchdog)
    for name in page_names(shown):
        for text in (markdown(runbook(name, shown)), html(runbook(name, shown))):
            assert SECRETS not in text
            assert "private-id" not in text


def test_an_unknown_alert_is_told_with_what_was_probably_meant() -> None:
    with pytest.raises(UnknownAlertError, match='no alert "SerivceDown"; did you mean "ServiceDow'):
        runbook("SerivceDown", platform())


# --- what a page says ---------------------------------------------------------------------------


def test_templates_are_shown_as_what_they_stand_for() -> None:
    said = text_of()
    assert "*target* is down" in said
    assert "*target* has failed: *value*." in said
    assert "{{" not in said
    assert "<var>target</var> is down" in html(runbook("ServiceDown", platform()))


def test_commands_are_code_and_steps_are_numbered() -> None:
    assert "1. Ask it: `curl http://web/health`\n2. Read its log.\n" in text_of()
    assert "<li>Ask it: <code>curl http://web/health</code></li>" in html(
        runbook("ServiceDown", platform())
    )


def test_it_says_how_soon_to_respond() -> None:
    assert "**critical**: respond within 5m." in text_of()
    assert "**info**: to be known, not acted on." in text_of(alert(severity="info"))


def test_it_says_who_is_told_and_when() -> None:
    assert "| at any hour | email | ops@example.org |" in text_of()
    assert "| at any hour | pagerduty | whoever is on call there |" in text_of()
    assert "| Mon-Fri 09:00-18:00 Europe/Berlin | slack | #ops |" in text_of(alert(severity="info"))


def test_an_alert_with_channels_and_a_time_of_its_own_says_so() -> None:
    said = text_of(alert(channels=("slack",), repeat_interval=hours(2)))
    assert "| at any hour | slack | #ops |" in said
    assert "| at any hour | email |" not in said
    assert "Sent 10s after it fires, and again every 2h" in said


def test_it_says_who_comes_next_by_day_and_by_night() -> None:
    said = text_of()
    assert (
        "| 10m | Mon-Fri 09:00-18:00 Europe/Berlin | email | **Lead** (lead@example.org) |" in said
    )
    assert "| 10m | after hours | pagerduty | **Night shift** (+1-555-0100) |" in said


def test_it_says_when_it_fires() -> None:
    said = text_of(alert(keep_firing_for=minutes(1)))
    assert '```\navg by (target) (probe_success{kind="http"}) < 0.5\n```' in said
    assert "| critical | 5m | `< 0.5` | 10s | 1m |" in said


SHARED = (
    alert(actions=("Restart it.",)),
    alert(severity="info", labels={"window": "3d"}, actions=("Wait for Monday.",)),
)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"severity": "critical"}, (True, False)),
        ({"severity": "info", "window": "3d", "target": "web"}, (False, True)),
        # Nothing of the config is like it: it has been changed since.
        ({"severity": "info", "window": "1h"}, (True, True)),
        ({}, (True, True)),
        (None, (True, True)),
    ],
)
def test_of_alerts_that_share_a_name_only_the_one_that_fires_is_told_beside_it(
    labels: dict[str, str] | None, told: tuple[bool, bool]
) -> None:
    said = markdown(runbook("ServiceDown", platform(*SHARED), labels))
    assert ("Restart it." in said, "Wait for Monday." in said) == told


def test_it_leads_to_the_dashboards_and_to_where_it_is_served() -> None:
    said = text_of()
    assert "https://grafana.example.org/d/monitoring-overview" in said
    assert "https://grafana.example.org/d/monitoring-alerts" in said
    assert "https://monitoring.example.org/runbooks/ServiceDown" in said
    assert "[index](README.md)" in said


def test_without_grafana_no_link_leads_there() -> None:
    assert "/d/monitoring" not in text_of(grafana_url=None)


def test_what_is_not_declared_has_no_empty_heading() -> None:
    said = text_of(alert(symptoms="", investigation=(), actions=()))
    for heading in ("Symptoms", "Investigation", "Actions"):
        assert heading not in said


def test_an_escalation_has_a_page_that_leads_to_the_alert() -> None:
    said = markdown(runbook("AlertUnacknowledgedLead", platform()))
    assert "Nobody has acknowledged *source_alertname*" in said
    assert "| after hours | pagerduty | **Night shift** (+1-555-0100) |" in said
    assert "> 600" in said


def test_the_index_lists_the_worst_first_and_what_is_watched() -> None:
    said = markdown(index(platform(alert(name="Quiet", severity="info"), alert())))
    assert said.index("[ServiceDown](ServiceDown.md)") < said.index("[Quiet](Quiet.md)")
    assert "| http | `web` |" in said


def test_every_link_between_pages_leads_to_one() -> None:
    shown = load(ROOT / "config.py")
    names = page_names(shown)
    pages = {name: runbook(name, shown) for name in names} | {"README": index(shown)}
    for page in pages.values():
        for name in re.findall(r"\]\(([A-Za-z]+)\.md\)", markdown(page)):
            assert name in pages
    listed = re.findall(r'href="runbooks/([A-Za-z]+)"', html(pages["README"]))
    assert set(listed) == set(names)
    assert 'href="../runbooks"' in html(pages["ServiceDown"])
