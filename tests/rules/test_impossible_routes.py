"""What Alertmanager lets pass and people regret: refused in the config, or found in the file.

One test an item of the list in our notes on generating; what `config.py` cannot even say is put
into the generated file by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from routed import changed

from model.declared import ConfigError
from model.platform import Platform
from programs import find
from rules import messages, routing
from rules.lint_routes import nothing_is_amiss
from rules.memory import Memory
from rules.proof import Proof
from rules.prove_messages import templates_exist, templates_render
from rules.prove_routes import everybody_is_told, inhibitions_are_sound

Document = dict[str, Any]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return changed(tmp_path_factory.mktemp("routed"))


def spoilt(platform: Platform, spoil: Callable[[Document], object]) -> str:
    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    spoil(document)
    return yaml.safe_dump(document, sort_keys=False)


def said(proof: Proof) -> str:
    return "\n".join(proof.objections)


def route(document: Document, receiver: str) -> Document:
    found: Document = next(
        one for one in document["route"]["routes"] if one["receiver"] == receiver
    )
    return found


def refusals(directory: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(ConfigError) as raised:
        changed(directory, *changes)
    return str(raised.value)


def test_nothing_is_amiss_in_what_is_generated(platform: Platform) -> None:
    text = routing.build(platform)[routing.PATH]
    for proof in (
        nothing_is_amiss(platform, text),
        everybody_is_told(platform, text),
        inhibitions_are_sound(platform, text),
        templates_exist(text, messages.build(platform)),
    ):
        assert said(proof) == ""


# --- found in the file --------------------------------------------------------------------------


def _rename_receiver(document: Document) -> None:
    document["receivers"][-1]["name"] = "renamed"


def _duplicate_receiver(document: Document) -> None:
    document["receivers"].append(document["receivers"][-1])


def _empty_receiver(document: Document) -> None:
    document["receivers"][0] = {"name": document["receivers"][0]["name"]}


def _shadow(document: Document) -> None:
    routes = document["route"]["routes"]
    routes.insert(1, {"receiver": "ledger", "matchers": ['severity!=""']})


def _useless_continue(document: Document) -> None:
    document["route"]["routes"][0]["continue"] = True


def _unknown_alert(document: Document) -> None:
    document["route"]["routes"][0]["matchers"] = ['alertname=~"Watchdog|Watchcat"', 'severity=""']


def _unknown_label(document: Document) -> None:
    route(document, "dead-mans-switch")["matchers"].append('team="ops"')


def _repeat_too_soon(document: Document) -> None:
    route(document, "ledger").update(group_interval="10m", repeat_interval="5m")


def _undefined_interval(document: Document) -> None:
    document["time_intervals"] = []


def _never_active(document: Document) -> None:
    document["time_intervals"][0]["time_intervals"][0]["weekdays"] = []


def _always_silent(document: Document) -> None:
    route(document, "email")["mute_time_intervals"] = ["business-hours"]


def _unused_interval(document: Document) -> None:
    document["time_intervals"].append({"name": "lunch", "time_intervals": [{}]})


def _old_match(document: Document) -> None:
    document["route"]["routes"][-1]["match"] = {"severity": "info"}


def _old_source_match(document: Document) -> None:
    document["inhibit_rules"][0]["source_match"] = {"severity": "critical"}


@pytest.mark.parametrize(
    ("spoil", "objection"),
    [
        (_rename_receiver, 'there is no receiver "email"'),
        (_rename_receiver, 'receiver "renamed": no route uses it'),
        (_duplicate_receiver, 'receiver "email": is defined 2 times'),
        (_empty_receiver, 'receiver "unrouted": is empty'),
        (_shadow, "no alert gets here; another route takes what it would match"),
        (_useless_continue, "`continue` does nothing"),
        (_unknown_alert, 'there is no alert "Watchcat"'),
        (_unknown_label, "no alert carries the label team"),
        (_repeat_too_soon, "repeat_interval 5m is under the group_interval 10m"),
        (_undefined_interval, 'there is no time interval "business-hours"'),
        (_never_active, 'time interval "business-hours": is never active'),
        (_always_silent, "is silent at every hour of the week"),
        (_unused_interval, 'time interval "lunch": no route uses it'),
        (_old_match, "match is deprecated; write matchers"),
        (_old_source_match, "source_match is deprecated; write source_matchers"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_amtool_lets_pass_is_found(
    spoil: Callable[[Document], None], objection: str, platform: Platform
) -> None:
    assert objection in said(nothing_is_amiss(platform, spoilt(platform, spoil)))


def test_what_the_reader_does_not_know_is_refused(platform: Platform) -> None:
    text = spoilt(platform, lambda d: d["route"].update(group_by_all=True))
    for prove in (nothing_is_amiss, everybody_is_told):
        assert "group_by_all is not understood" in said(prove(platform, text))


def test_an_alert_that_falls_to_the_default_receiver_is_found(platform: Platform) -> None:
    def forget(document: Document) -> None:
        for receiver in ("ledger", "email"):
            document["route"]["routes"].remove(route(document, receiver))

    text = spoilt(platform, forget)
    assert "TrafficSpike: falls to the default receiver" in said(everybody_is_told(platform, text))


# --- inhibition ---------------------------------------------------------------------------------


def _rule(source: str, target: str, *equal: str) -> Callable[[Document], None]:
    def spoil(document: Document) -> None:
        rule = {"source_matchers": [source], "target_matchers": [target], "equal": list(equal)}
        document["inhibit_rules"] = [rule]

    return spoil


def _circle(document: Document) -> None:
    kinds = ('severity="error"', 'severity="warning"')
    document["inhibit_rules"] = [
        {"source_matchers": [one], "target_matchers": [other], "equal": ["service"]}
        for one, other in (kinds, kinds[::-1])
    ]


@pytest.mark.parametrize(
    ("spoil", "objection"),
    [
        (_rule('severity="critical"', 'severity="warning"'), "without `equal`"),
        (_circle, "which itself silences"),
        (
            _rule('severity="critical"', 'severity="warning"', "cluster"),
            "lacks the label cluster; where both lack it they count as equal",
        ),
        (_rule('severity="error"', 'severity="critical"', "service"), "which is critical"),
        (_rule('severity="critical"', 'severity="error"', "service"), "which is an escalation"),
        (
            _rule('severity="critical"', 'alertname="Watchdog"', "service"),
            "which is for the dead man's switch",
        ),
        (_rule('severity="dire"', 'severity="warning"', "service"), "no alert of the config can"),
    ],
    ids=["no equal", "circular", "missing on both", "critical", "escalation", "watchdog", "idle"],
)
def test_an_inhibition_that_silences_too_much_is_found(
    spoil: Callable[[Document], None], objection: str, platform: Platform
) -> None:
    assert objection in said(inhibitions_are_sound(platform, spoilt(platform, spoil)))


# --- messages -----------------------------------------------------------------------------------


def test_a_template_that_does_not_exist_is_found(platform: Platform) -> None:
    text = routing.build(platform)[routing.PATH].replace("monitoring.link", "monitoring.lnik", 1)
    proof = templates_exist(text, messages.build(platform))
    assert said(proof) == 'alertmanager.yml: there is no template "monitoring.lnik"'


@pytest.mark.parametrize(
    ("old", "new", "objection"),
    [
        ("{{ range .Alerts.Firing -}}", "{{ range .Alerts.Firing -}", "illegal number syntax"),
        (".Annotations.description", ".Anotations.description", "Anotations"),
        (".EndsAt.UTC.Format", ".EndedAt.UTC.Format", "EndedAt"),
        ("toUpper", "toupper", 'function "toupper" not defined'),
    ],
    ids=["broken", "unknown field", "unknown field of what has ended", "unknown function"],
)
def test_a_template_that_would_not_render_is_found(
    old: str, new: str, objection: str, platform: Platform, tmp_path: Path
) -> None:
    files = {**routing.build(platform), **messages.build(platform)}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        files[path] = text.replace(old, new) if path.endswith(".tmpl") else text
        (tmp_path / path).write_text(files[path])
    amtool, text = str(find("amtool")), files.pop(routing.PATH)
    proof = templates_render(text, files, amtool, tmp_path / routing.PATH, Memory(None))
    assert objection in said(proof)


# --- refused in the config ----------------------------------------------------------------------

OF_TRAFFIC = 'channels=("slack",),\n            summary="Much'
OF_DATABASE = (
    'metrics.PG_UP) < "0.5",\n            for_=seconds(0),\n            severity="critical"'
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            OF_TRAFFIC,
            OF_TRAFFIC.replace("slack", "slak"),
            'Alert "TrafficSpike": there is no channel "slak"; did you mean "slack"?',
        ),
        (OF_TRAFFIC, OF_TRAFFIC.replace('"slack",', ""), "channels: name at least one"),
        (
            "repeat_interval=minutes(60)",
            "repeat_interval=seconds(59)",
            "is under its severity's group_interval, 1m",
        ),
        (
            "repeat_interval=minutes(60)",
            "repeat_interval=days(6)",
            "over the 5d for which Alertmanager remembers",
        ),
        (
            "severity=None,",
            'severity=None,\n            channels=("email",),',
            "goes to the dead man's switch alone",
        ),
        (
            "end=18)",
            "end=18, weekdays=())",
            "weekdays: name at least one, or business hours never come",
        ),
        (
            'time_zone="Europe/Berlin"',
            'time_zone="Europe/Bonn"',
            'time_zone: "Europe/Bonn" is not known',
        ),
        (
            'role="night",',
            'role="nite",',
            'after hours to "night": no contact has that role; did you mean "nite"?',
        ),
        (
            '            pagerduty_routing_key_file="/run/night",\n',
            "",
            "Alertmanager dials no phone",
        ),
        ('            after_hours="night",\n', "", "nobody would be told after hours"),
        ('when="after-hours",', 'when="business",', 'after hours to "night", who is not told then'),
        (
            'email="manager@example.org")',
            'email="m@example.org", when="after-hours")',
            "not told in business hours",
        ),
        (
            OF_DATABASE,
            OF_DATABASE.replace("critical", "error"),
            "only a critical alert may silence others",
        ),
        (
            "remediation=Webhook(",
            "inhibited_by_dependencies=True,\n            remediation=Webhook(",
            "nothing may silence a critical alert",
        ),
        (
            'depends_on=("cache",)',
            'depends_on=("cash",)',
            'depends on "cash", which is no target; did you mean "cache"?',
        ),
        ('depends_on=("cache",)', 'depends_on=("mail",)', "depends on itself"),
        ('url="http://medic:80/restart"', 'url="http://me:hunter2@medic:80/restart"', "url"),
        (
            'url="http://medic:80/restart"',
            'url_file="/run/medic_url"',
            "url_file needs Alertmanager 0.26, and oldest_alertmanager is 0.25",
        ),
        ("Slack(webhook", 'Slack(name="ledger", webhook', "the name is that of a receiver of ours"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) and " " in value else "",
)
def test_a_mistake_about_who_is_told_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    refused = refusals(tmp_path, (old, new))
    assert message in refused
    assert "hunter2" not in refused


def test_namesakes_that_a_route_could_not_tell_apart_are_refused(tmp_path: Path) -> None:
    found = refusals(tmp_path, ('name="ServiceDegraded"', 'name="RefundsHigh"'))
    assert "channels differs from that of the alert of the same name and severity" in found


def test_a_newer_alertmanager_allows_what_needs_it(tmp_path: Path) -> None:
    platform = changed(
        tmp_path,
        ('url="http://medic:80/restart"', 'url_file="/run/medic_url"'),
        (
            'base_url="https',
            'watched_by=Prometheus(oldest_alertmanager="0.26"),\n    base_url="https',
        ),
    )
    assert "url_file: /run/medic_url" in routing.build(platform)[routing.PATH]


@pytest.mark.parametrize(
    ("setting", "given", "message"),
    [
        ("oldest_prometheus", "2.41", "2.41 is under 2.42, which brought keep_firing_for"),
        ("oldest_alertmanager", "0.24", "0.24 is under 0.25, which brought"),
        ("oldest_alertmanager", "new", '"new" is no version; write one like "2.42"'),
    ],
)
def test_versions_that_cannot_load_what_is_generated_are_refused(
    setting: str, given: str, message: str, tmp_path: Path
) -> None:
    watched = f'watched_by=Prometheus({setting}="{given}"),\n    base_url="https'
    assert message in refusals(tmp_path, ('base_url="https', watched))
