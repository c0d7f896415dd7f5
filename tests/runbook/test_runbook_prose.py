"""What the user's runbook says in prose is served by something that exists."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import click
import pytest
from aiohttp import web
from printed import HERE, OURS, ROOT, USERS, read
from serving import serving

from exporter.__main__ import main
from model import hours, minutes
from model.load import load
from model.people import Contact
from model.platform import Platform
from rules.__main__ import main as rules

SERVED: dict[str, dict[str, list[str]]] = tomllib.loads((HERE / "served.toml").read_text())
BY = [
    (section, item, *reference.split(": ", 1))
    for section, items in SERVED.items()
    for item, references in items.items()
    for reference in references
]


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load(ROOT / "config.py")


def test_every_item_is_served_and_none_is_here_that_is_gone() -> None:
    printed: dict[str, list[str]] = {}
    for item in read(USERS).items:
        printed.setdefault(item.section, []).append(item.text)
    assert {section: list(items) for section, items in SERVED.items()} == printed


def named(kind: str) -> list[str]:
    return sorted({what for _, _, how, what in BY if how == kind})


def test_each_reference_is_of_a_kind_that_is_looked_at_here() -> None:
    kinds = {how for _, _, how, _ in BY}
    assert kinds <= {
        *("alert", "board", "command", "config", "doc", "line", "make", "page", "person"),
        *("rules", "test"),
    }
    assert set(named("config")) == {"contacts", "severities", "thresholds"}


@pytest.mark.parametrize("name", named("alert"))
def test_the_alert_exists_and_has_its_page(name: str) -> None:
    assert (ROOT / "docs" / "alerts" / f"{name}.md").is_file()


@pytest.mark.parametrize("name", named("board"))
def test_the_dashboard_exists(name: str) -> None:
    assert (ROOT / "grafana" / "dashboards" / f"{name}.json").is_file()


@pytest.mark.parametrize("words", named("command"))
def test_the_command_exists(words: str) -> None:
    command, *rest = words.split()
    found = main.get_command(click.Context(main), command)
    assert found is not None
    for word in rest:
        if isinstance(found, click.Group):
            found = found.get_command(click.Context(found), word)
            assert found is not None, word
        else:
            choices = [
                choice
                for parameter in found.params
                if isinstance(parameter.type, click.Choice)
                for choice in parameter.type.choices
            ]
            assert word in choices


@pytest.mark.parametrize("name", named("rules"))
def test_the_compilers_command_exists(name: str) -> None:
    assert isinstance(rules, click.Group)
    assert rules.get_command(click.Context(rules), name) is not None


@pytest.mark.parametrize("name", named("make"))
def test_the_target_of_make_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE)
    assert name in {target for line in targets for target in line.split()}


@pytest.mark.parametrize("name", named("doc"))
def test_the_document_exists(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", named("line"))
def test_the_line_exists(name: str) -> None:
    section, _, part = name.partition("/")
    assert read(USERS).line(section, part)


@pytest.mark.parametrize("name", named("test"))
def test_the_test_exists(name: str) -> None:
    file, _, beginning = name.partition("::")
    assert re.search(rf"^(async )?def {beginning}", (ROOT / file).read_text(), re.MULTILINE)


async def test_the_pages_are_served(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        application = served.client.app
        assert application is not None
        routes = {
            route.resource.canonical for route in application.router.routes() if route.resource
        }
    assert isinstance(application, web.Application)
    assert set(named("page")) - routes == set()


# --- what config.py says ------------------------------------------------------------------------


def test_people_respond_and_are_escalated_to_as_the_runbook_says(platform: Platform) -> None:
    ladders: dict[str, tuple[timedelta | None, tuple[tuple[timedelta, str], ...]]] = {
        "critical": (minutes(5), ((minutes(5), "team-lead"), (minutes(10), "manager"))),
        "error": (minutes(15), ((minutes(15), "team-lead"),)),
        "warning": (hours(1), ((hours(1), "on-call"),)),
        "info": (None, ()),
    }
    assert ladders == {
        one.name: (one.response_time, tuple((step.after, step.to) for step in one.escalation))
        for one in platform.severities
    }
    assert [one.name for one in platform.severities if one.business_hours_only] == ["info"]
    assert (platform.business_hours.start, platform.business_hours.end) == (9, 18)


def reached(contact: Contact) -> str:
    return contact.email or contact.phone or ""


def test_the_contacts_are_the_runbooks_at_their_hours(platform: Platform) -> None:
    hours_of = {"business": 2, "after-hours": 2, "always": 1, "emergency": 2}
    printed = [item.text.split(": ") for item in read(USERS).items if "Contacts" in item.section]
    assert {title.lower(): where for title, where in printed} == {
        contact.title.lower(): reached(contact) for contact in platform.contacts
    }
    for when, number in hours_of.items():
        assert sum(contact.when == when for contact in platform.contacts) == number


def test_our_own_runbook_has_the_same_contacts_and_times(platform: Platform) -> None:
    text = OURS.read_text()
    for contact in platform.contacts:
        assert f"| {contact.title} | {reached(contact)} |" in text
    for severity in platform.severities:
        (row,) = re.findall(rf"^\| {severity.name} \| (.+) \|$", text, re.MULTILINE)
        respond, ladder, channels = row.split(" | ")
        within = () if severity.response_time is None else (severity.response_time,)
        assert re.findall(r"\d+", respond) == list(map(said, within))
        assert re.findall(r"\d+", ladder) == [said(step.after) for step in severity.escalation]
        assert tuple(channels.lower().split(", ")) == severity.channels


def said(length: timedelta) -> str:
    """The number of minutes, or of hours where there are some."""
    return str(length // (hours(1) if length >= hours(1) else minutes(1)))


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("HighRefundRate", "> 0.1"),
        ("PaymentFailureSpike", "> 0.2"),
        ("DatabaseSlow", "> 1"),
        ("APIErrorRateHigh", "> 0.05"),
        ("HighMemoryUsage", "> 0.8"),
    ],
)
def test_the_thresholds_are_those_of_the_symptoms(
    platform: Platform, name: str, threshold: str
) -> None:
    expressions = [str(alert.expr) for alert in platform.alerts if alert.name == name]
    assert any(re.search(rf"{threshold}(?![\d.])", one) for one in expressions), expressions
