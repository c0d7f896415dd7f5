"""Every mistake in a config is one message: where it is, what is wrong, what was probably meant."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from model.declared import ConfigError
from model.load import DEFAULT, config_path, load

ROOT = Path(__file__).resolve().parents[2]

# A whole config in which each name can be replaced by something that is wrong.
PARTS = {
    "services": '(Service(name="web", port=80),)',
    "postgres": "()",
    "redis": "()",
    "severities": '(Severity(name="error", response_time=None, channels=("slack",)),)',
    "channels": '(Slack(webhook_url_file="/run/slack", channel="#ops"),)',
    "contacts": '(Contact(role="lead", title="Lead", email="lead@example.org"),)',
    "alerts": "()",
    "business_hours": "BusinessHours()",
    "watched_by": "Prometheus()",
    "base_url": '"https://monitoring.example.org"',
    "dead_mans_switch": '"https://switch.example.org"',
}


def config(**parts: str) -> str:
    settings = "\n".join(f"    {name}={text}," for name, text in {**PARTS, **parts}.items())
    return f'from model import *\n\nCONFIG = Platform(\n    name="shop",\n{settings}\n)\n'


def problems(tmp_path: Path, text: str) -> list[str]:
    """What loading says, each problem with the file's directory left out."""
    file = tmp_path / "shop.py"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in raised.value.problems]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


# --- ten at once --------------------------------------------------------------------------------

TEN = """\
from model import *

SERVICES = (
    Service(name="auth", port=3000, intervall=seconds(5)),
    Service(name="Venue Service", port=3001),
    Service(name="event", port=3002, timeout=3),
    Service(name="ticket", url="http://admin:hunter2@ticket:3003"),
    Service(name="payment", port=3004, timeout=seconds(9)),
)
ALERTS = (
    Alert(
        name="PaymentDown",
        group="availability",
        expr=observed(metrics.PROBE_SUCCESS, kidn="http") < "0.5",
        severity="critcal", for_=seconds(10),
        summary="{{ $labels.taget }} is down",
        description="It is down.",
    ),
)
CONFIG = Platform(
    name="shop",
    services=SERVICES,
    severities=(
        Severity(name="critical", response_time=minutes(5), channels=("slak", "email")),
    ),
    channels=(
        Slack(webhook_url_file="/run/slack", channel="#ops"),
        Email(to=("ops",), sender="m@example.org", smarthost="smtp:25"),
    ),
    contacts=(),
    alerts=ALERTS,
    base_url="https://monitoring.example.org",
    dead_mans_switch="https://switch.example.org",
)
"""

TEN_MESSAGES = [
    'shop.py:4: Service "auth": there is no setting "intervall"; did you mean "interval"?',
    (
        "shop.py:5: Service \"Venue Service\": name: use lower-case letters, digits, '-', '_' "
        "and '.', at most 63, starting and ending with a letter or digit"
    ),
    'shop.py:6: Service "event": timeout: 3 has no unit; write seconds(3), minutes(3), …',
    (
        'shop.py:7: Service "ticket": url: a password does not belong in the config, which is '
        "compiled into files that people read; give the whole URL in the environment or "
        "in NAME_FILE"
    ),
    (
        'shop.py:8: Service "payment": timeout: 9s must be shorter than the interval, 5s, or '
        "probes of one target would overlap"
    ),
    'shop.py:14: probe_success has no label "kidn"; did you mean "kind"?',
    'shop.py:11: Alert "PaymentDown": there is no severity "critcal"; did you mean "critical"?',
    (
        "shop.py:11: Alert \"PaymentDown\": summary: the expression has no label 'taget'; "
        'did you mean "target"?'
    ),
    'shop.py:24: Severity "critical": there is no channel "slak"; did you mean "slack"?',
    'shop.py:28: Email: to: "ops" is not an email address',
]


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    file = tmp_path / "shop.py"
    file.write_text(TEN)
    return file


def told(stderr: str, directory: Path) -> list[str]:
    lines = [line.removeprefix("exporter: ") for line in stderr.splitlines()]
    return [line.removeprefix(f"{directory}/") for line in lines]


def test_the_compiler_reports_all_mistakes_of_a_config_in_one_run(ten: Path) -> None:
    done = run("rules", "--output", str(ten.parent / "out"), MONITORING_CONFIG=str(ten))
    assert done.returncode == 2
    *messages, total = told(done.stderr, ten.parent)
    assert sorted(messages) == sorted(TEN_MESSAGES)
    assert total == "10 problems in the config"
    assert not (ten.parent / "out").exists()


def test_the_exporter_reports_all_mistakes_of_a_config_in_one_run(ten: Path) -> None:
    done = run("exporter", "serve", MONITORING_CONFIG=str(ten), PORT="0")
    assert done.returncode == 2
    assert sorted(told(done.stderr, ten.parent)) == sorted(TEN_MESSAGES)


def test_messages_stand_in_the_order_of_the_file(ten: Path) -> None:
    lines = [int(text.split(":")[1]) for text in problems(ten.parent, TEN)]
    assert lines == sorted(lines)


# --- one kind of mistake each -------------------------------------------------------------------


def alert(**settings: str) -> str:
    given = {
        "name": '"Down"',
        "group": '"g"',
        "expr": 'observed(metrics.PROBE_SUCCESS) < "0.5"',
        "for_": "minutes(1)",
        "severity": '"error"',
        "summary": '"s"',
        "description": '"d"',
        **settings,
    }
    return f"Alert({', '.join(f'{name}={text}' for name, text in given.items())})"


def severity(**settings: str) -> str:
    given = {"name": '"error"', "response_time": "None", "channels": '("slack",)', **settings}
    return f"(Severity({', '.join(f'{name}={text}' for name, text in given.items())}),)"


def service(settings: str) -> dict[str, str]:
    return {"services": f'(Service(name="web", {settings}),)'}


def email(settings: str) -> dict[str, str]:
    return {
        "channels": f"(Email({settings}),)",
        "severities": severity(channels='("email",)'),
    }


def alerts(**settings: str) -> dict[str, str]:
    return {"alerts": f"({alert(**settings)},)"}


def comparing(expr: str) -> dict[str, str]:
    return alerts(expr=expr, service='"x"')


GOOD_MAIL = 'to=("a@b.c",), sender="a@b.c", smarthost="smtp:25"'

MISTAKES: list[tuple[str, dict[str, str], list[str]]] = [
    (
        "a setting that is missing",
        {"contacts": '(Contact(role="lead", email="a@b.c"),)'},
        ['Contact: the setting "title" is missing'],
    ),
    (
        "a setting of another kind",
        {"services": '(Service(name="web", port="http"),)'},
        ['Service "web": port: Input should be a valid integer, unable to parse string as an'],
    ),
    (
        "a declaration of another kind",
        {"contacts": '("lead",)'},
        ['Platform "shop": contacts.0: write Contact(…)'],
    ),
    (
        "a channel that is none",
        {"channels": '("slack",)'},
        ['Platform "shop": channels.0: write Email(…), Slack(…) or PagerDuty(…)'],
    ),
    ("a service without an address", {"services": '(Service(name="web"),)'}, ["give its port, or"]),
    (
        "an interval just under the least",
        service('port=1, interval="999ms", timeout="500ms"'),
        ["interval: 999ms"],
    ),
    (
        "a timeout as long as the interval",
        service("port=1, timeout=seconds(5)"),
        ["timeout: 5s must be shorter than the interval, 5s"],
    ),
    ("no timeout at all", service("port=1, timeout=seconds(0)"), ["timeout: must be longer"]),
    (
        "a text that is no duration",
        service('port=1, interval="soon"'),
        ["interval: 'soon' is not a duration; write seconds(5), minutes(1) or '1h30m'"],
    ),
    ("a port beyond the last", service("port=65536"), ["port: 65536 is not between 1 and 65535"]),
    ("a path without its slash", service('port=1, path="health"'), ["path: must start with /"]),
    ("a URL of another scheme", service('url="ftp://web"'), ["url: must start with http:// or"]),
    ("a URL without a host", service('url="http://"'), ["url: has no host"]),
    ("a URL whose port is none", service('url="http://web:x"'), ["url: is not a URL"]),
    (
        "a probe that one scrape could see failing twice",
        service("port=1, timeout=seconds(4)"),
        ["retry_interval + timeout is 6s, longer than the scrape interval, 5s"],
    ),
    (
        "two targets of one name",
        {"redis": '(Redis(name="web"),)'},
        ['Target "web" is declared twice; the first one is at '],
    ),
    (
        "two targets of one variable",
        {"redis": '(Redis(variable="WEB_URL"),)'},
        ['Variable "WEB_URL" is declared twice'],
    ),
    (
        "two alerts of one name",
        {"alerts": f"({alert()}, {alert()})"},
        ['Alert "Down" is declared twice'],
    ),
    (
        "two contacts of one role",
        {"contacts": '(Contact(role="a", title="A", phone="1"),) * 2'},
        ['Contact "a" is declared twice'],
    ),
    ("an alert named like a sentence", alerts(name='"it is down"'), ['such as "ServiceDown"']),
    ("a group in capitals", alerts(group='"Web"'), ['group: "Web" is not lower-case letters']),
    (
        "an alert that would reach nobody",
        alerts(severity="None"),
        ["severity: only an alert whose expr is Always() may have none"],
    ),
    ("a negative for", alerts(for_="seconds(-1)"), ["for_: must not be negative"]),
    ("an empty summary", alerts(summary='" "'), ["summary: is empty"]),
    ("an open template", alerts(summary='"{{ $value"'), ["summary: a {{ has no }}"]),
    (
        "a label that the aggregation has lost",
        alerts(description='"{{ $labels.instance }}"'),
        ["description: the expression has no label 'instance'"],
    ),
    (
        "a value in a label",
        alerts(service='"{{ $value }}"'),
        ["service: $value in a label makes a new alert at every evaluation"],
    ),
    (
        "a severity that there is not",
        {"severities": severity(name='"eror"')},
        ["name: Input should be 'critical', 'error', 'warning' or 'info'; did you mean \"error\"?"],
    ),
    (
        "an alert of an unknown severity",
        alerts(severity='"warning"'),
        ['Alert "Down": there is no severity "warning"'],
    ),
    (
        "a channel that nobody uses",
        {
            "channels": '(Slack(webhook_url_file="/f", channel="#a"),'
            ' PagerDuty(routing_key_file="/f"))'
        },
        ['Channel "pagerduty" is used by no severity'],
    ),
    (
        "an escalation to nobody",
        {"severities": severity(escalation='(EscalationStep(after=minutes(5), to="laed"),)')},
        ['escalates to "laed", but no contact has that role; did you mean "lead"?'],
    ),
    (
        "escalation steps at the same time",
        {"severities": severity(escalation='(EscalationStep(after=minutes(5), to="lead"),) * 2')},
        [
            "escalation: each step must come later than the one before it",
            "escalation: tell each contact once; a repeated page says nothing new",
            "there is no Email channel whose smarthost could be used",
        ],
    ),
    (
        "a repetition under the group interval",
        {"severities": severity(repeat_interval="seconds(59)")},
        ["repeat_interval: 59s is under the group_interval, 1m"],
    ),
    (
        "a severity without channels",
        {"severities": severity(channels="()"), "channels": "()"},
        ["channels: name at least one, or nobody is told"],
    ),
    (
        "an address that is none",
        email(GOOD_MAIL.replace('sender="a@b.c"', 'sender="a@"')),
        ["is not an email"],
    ),
    ("a smarthost without a port", email(GOOD_MAIL.replace(":25", "")), ['"smtp" must be host:']),
    ("half of a login", email(GOOD_MAIL + ', username="me"'), ["username and password_file go"]),
    (
        "a Slack channel without its sign",
        {"channels": '(Slack(webhook_url_file="/f", channel="the ops"),)'},
        ['Slack: channel: "the ops" is none; write "#the-ops" or "@the-ops"'],
    ),
    (
        "a PagerDuty address that is none",
        {
            "channels": '(PagerDuty(routing_key_file="/f", url="pagerduty"),)',
            "severities": severity(channels='("pagerduty",)'),
        },
        ["PagerDuty: url: must start with http:// or https://"],
    ),
    (
        "an incident that would cover several services",
        {
            "channels": '(PagerDuty(routing_key_file="/f"),)',
            "severities": severity(channels='("pagerduty",)', group_by='("alertname",)'),
        },
        ['group_by must hold "alertname" and "service"'],
    ),
    (
        "a secret address of the ledger, and a PagerDuty that it would have to answer to",
        {
            "channels": '(PagerDuty(routing_key_file="/f"),)',
            "severities": severity(channels='("pagerduty",)'),
            "watched_by": 'Prometheus(oldest_alertmanager="0.26")',
            "ledger": 'Webhook(url_file="/run/ledger")',
        },
        ["ledger: with url_file nobody can say where PagerDuty's incidents are to be told"],
    ),
    (
        "a contact that cannot be reached",
        {"contacts": '(Contact(role="lead", title="Lead"),)'},
        ["give an email address or a phone number"],
    ),
    (
        "a Slack user without its team",
        {"contacts": '(Contact(role="a", title="A", phone="1", slack_user="U0456"),)'},
        ['slack_user: "U0456" must be the IDs of team and user: "T0123/U0456"'],
    ),
    (
        "a PagerDuty user by name",
        {"contacts": '(Contact(role="a", title="A", phone="1", pagerduty_user="jane"),)'},
        ['pagerduty_user: "jane" must be the ID of a user: "PABC123"'],
    ),
    (
        "two contacts who are one Slack user",
        {
            "contacts": '(Contact(role="a", title="A", phone="1", slack_user="T01/U01"),'
            'Contact(role="b", title="B", phone="2", slack_user="T01/U01"))'
        },
        ['Slack user "T01/U01" is declared twice'],
    ),
    (
        "two contacts who are one PagerDuty user",
        {
            "contacts": '(Contact(role="a", title="A", phone="1", pagerduty_user="PAB1"),'
            'Contact(role="b", title="B", phone="2", pagerduty_user="PAB1"))'
        },
        ['PagerDuty user "PAB1" is declared twice'],
    ),
    (
        "a time zone that there is not",
        {"business_hours": 'BusinessHours(time_zone="Berlin")'},
        ['time_zone: "Berlin" is not known; write one like "Europe/Berlin"'],
    ),
    (
        "a working day that ends where it starts",
        {"business_hours": "BusinessHours(start=9, end=9)"},
        ["end: 9 is not after start, 9"],
    ),
    ("a base URL that is none", {"base_url": '"monitoring"'}, ["base_url: must start with http"]),
    ("a base URL with a slash", {"base_url": '"http://m/"'}, ["base_url: leave out the / at its"]),
    (
        "limits that let nothing be probed",
        {"probes_at_once": "0", "probes_at_once_per_host": "-1"},
        ["probes_at_once: 0 is under 1", "probes_at_once_per_host: -1 is under 1"],
    ),
    ("no service at all", {"services": "()"}, ["services: declare at least one"]),
    (
        "no exporter at all",
        {"watched_by": "Prometheus(exporters=())"},
        ["watched_by.exporters: name at least one host:port"],
    ),
    (
        "the exporter's own service misspelt",
        {"base_url": '"http://m", own_service="wbe"'},
        ['own_service: there is no service "wbe"; did you mean "web"?'],
    ),
    (
        "points of reference that are no addresses",
        {"base_url": '"http://m", connectivity=("dns:53", "10.0.0.1", "10.0.0.1:0", "2001::1:53")'},
        [
            'connectivity: "dns:53" is not ip:port',
            'connectivity: "10.0.0.1" is not ip:port',
            'connectivity: "10.0.0.1:0" is not ip:port',
            'connectivity: "2001::1:53" is not ip:port',
        ],
    ),
    # --- expressions
    (
        "a rate over less than four scrapes",
        comparing("rate(select(metrics.ERRORS), seconds(19)) > 1"),
        ["spans less than four scrapes, 5s apart; write at least 20s"],
    ),
    (
        "a rate over less than four scrapes of a service's own metrics",
        comparing("rate(select(metrics.HTTP_REQUESTS), seconds(59)) > 1"),
        ["spans less than four scrapes, 15s apart; write at least 1m"],
    ),
    (
        "a metric that no job brings",
        comparing('observed(metrics.PROBE_IP_ADDR_HASH) < "0.5"'),
        ["probe_ip_addr_hash is told by /probe only; set watched_by=Prometheus(probe_jobs=True)"],
    ),
    (
        "a label in a matcher that the metric lacks",
        comparing('observed(metrics.PG_UP, databse="x") < "0.5"'),
        ['pg_up has no label "databse"'],
    ),
    (
        "the rate of a gauge",
        comparing("collapsed(rate(select(metrics.PG_UP), minutes(5))) > 1"),
        ["rate: pg_up is a gauge, not a counter"],
    ),
    (
        "a raw counter compared",
        comparing("select(metrics.ERRORS) > 1"),
        ["monitoring_errors_total is a counter: compare its rate or increase, not its value"],
    ),
    (
        "a raw counter compared, summed",
        comparing("observed(metrics.ERRORS) > 1"),
        ["monitoring_errors_total is a counter"],
    ),
    (
        "a threshold that is a float",
        comparing("observed(metrics.PG_UP) < 0.1"),
        ["the threshold 0.1 is a float; write Decimal('0.1')"],
    ),
    (
        "a threshold that is no number",
        comparing('observed(metrics.PG_UP) < "half"'),
        ["the threshold 'half' is not a number"],
    ),
    (
        "a quantile of a gauge",
        comparing('quantile("0.9", metrics.PG_UP, minutes(5)) > 1'),
        ["quantile: pg_up is a gauge, not a histogram"],
    ),
    (
        "a quantile beyond 1",
        comparing('quantile("95", metrics.PG_ROUND_TRIP, minutes(5)) > 1'),
        ["quantile: 95 is not between 0 and 1"],
    ),
    (
        "an aggregation by a label that is not there",
        comparing('observed(metrics.PG_UP, by=("tagret",)) < 1'),
        ['avg by "tagret": pg_up has no such label; did you mean "target"?'],
    ),
    (
        "a zero for something that has labels",
        comparing("OrZero(observed(metrics.PG_UP)) < 1"),
        ["or_zero: avg by (target) (pg_up) keeps the labels target"],
    ),
    (
        "an unless on a label that is not there",
        comparing(
            'Unless(observed(metrics.PG_UP), observed(metrics.PG_UP, by=()), on=("target",)) > 0'
        ),
        ['unless on "target": avg(pg_up) has no such label'],
    ),
]


@pytest.mark.parametrize(
    ("parts", "expected"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES]
)
def test_one_mistake_is_one_message(
    parts: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    found = problems(tmp_path, config(**parts))
    assert len(found) == len(expected), found
    for text, wanted in zip(found, expected, strict=True):
        assert text.startswith("shop.py:")
        assert wanted in text


def test_the_config_that_the_cases_spoil_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(config())
    assert load(file).name == "shop"


@pytest.mark.parametrize(
    "parts",
    [
        service('port=1, interval="1s", timeout="999ms"'),
        service("port=65535"),
        service("port=1, timeout=seconds(3), retry_interval=seconds(2)"),
        {"severities": severity(repeat_interval="minutes(1)")},
        {"business_hours": "BusinessHours(start=9, end=10)"},
        alerts(for_="seconds(0)"),
        alerts(description='"{{ $value }} of {{ $labels.target }}"'),
        comparing("rate(select(metrics.ERRORS), seconds(20)) > 1"),
        comparing("rate(select(metrics.HTTP_REQUESTS), minutes(1)) > 1"),
    ],
    ids=str,
)
def test_what_is_just_right_is_accepted(parts: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(config(**parts))
    load(file)


# --- several at once, and none that only follows ------------------------------------------------


def test_what_is_wrong_within_one_declaration_is_reported_at_once(tmp_path: Path) -> None:
    text = 'name="WEB", port=1, timeout="soon", retry_interval=seconds(-1), colour="red"'
    found = problems(tmp_path, config(services=f"(Service({text}),)"))
    assert [one.split('"WEB": ')[1].split(":")[0] for one in found] == [
        "timeout",
        'there is no setting "colour"',
        "name",
        "retry_interval",
    ]


def test_a_refused_setting_makes_nothing_else_look_wrong(tmp_path: Path) -> None:
    # 8 s is longer than the default interval, but the interval that was meant is 10 s.
    text = 'name="web", port=1, interval=10, timeout=seconds(8)'
    found = problems(tmp_path, config(services=f"(Service({text}),)"))
    assert found == [
        'shop.py:5: Service "web": interval: 10 has no unit; write seconds(10), minutes(10), …'
    ]


def test_a_broken_declaration_is_not_reported_again_for_what_it_stands_in(tmp_path: Path) -> None:
    step = 'EscalationStep(after=5, to="lead")'
    found = problems(tmp_path, config(severities=severity(escalation=f"({step},)")))
    assert found == [
        "shop.py:8: EscalationStep: after: 5 has no unit; write seconds(5), minutes(5), …"
    ]


@pytest.mark.parametrize(
    "parts",
    [
        {
            "services": '(Service(name="web", port=1, timeout=3),)',
            "base_url": '"http://m", own_service="web"',
        },
        {
            "contacts": '(Contact(role="lead", title="Lead", email="x", wen="always"),)',
            "severities": severity(escalation='(EscalationStep(after=minutes(5), to="lead"),)'),
        },
        {"severities": severity(group_wait="10")},
        {"severities": severity(channels='("slck",)')},
        {"alerts": f"({alert(for_='10')},)"},
    ],
    ids=["service", "contact", "severity", "channel", "alert"],
)
def test_who_refers_to_a_broken_declaration_is_not_blamed(
    parts: dict[str, str], tmp_path: Path
) -> None:
    assert len(problems(tmp_path, config(**parts))) == 1


def test_a_mistake_of_the_platform_hides_none_across_declarations(tmp_path: Path) -> None:
    found = problems(tmp_path, config(base_url='"x"', **alerts(severity='"critical"')))
    assert ['there is no severity "critical"' in text for text in found] == [False, True]


# --- the file itself ----------------------------------------------------------------------------


def test_a_syntax_error_is_reported_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, "A = 1\nB = (\n") == ["shop.py:2: syntax error: '(' was never closed"]


def test_a_misspelt_name_is_reported_with_what_was_meant(tmp_path: Path) -> None:
    assert problems(tmp_path, config(services='(Servise(name="web", port=1),)')) == [
        "shop.py:5: NameError: name 'Servise' is not defined; did you mean \"Service\"?"
    ]


def test_a_misspelt_metric_is_reported_with_what_was_meant(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, config(**comparing("observed(metrics.PG_PU) < 1")))
    assert found.startswith("shop.py:11: AttributeError: ")
    assert found.endswith('; did you mean "PG_UP"?')


def test_a_misspelt_import_is_reported_with_what_was_meant(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "from model import Servise\nCONFIG = Servise()")
    assert found.startswith("shop.py:1: ImportError: cannot import name 'Servise' from 'model'")
    assert found.endswith('; did you mean "Service"?')


def test_an_exception_hides_no_mistake_before_or_after_it(tmp_path: Path) -> None:
    text = (
        "from model import *\n"
        'A = Service(name="A", port=1)\n'
        "B = 1 / 0\n"
        "C = [B]\n"
        'D = Service(name="d")\n'
        "CONFIG = Platform(services=(A, C, D))\n"
    )
    found = problems(tmp_path, text)
    assert [one.split(" ")[0] for one in found] == ["shop.py:2:", "shop.py:3:", "shop.py:5:"]
    assert found[1] == "shop.py:3: ZeroDivisionError: division by zero"


def test_a_config_cannot_end_the_program(tmp_path: Path) -> None:
    found = problems(tmp_path, f"import sys\nsys.exit(0)\n{config()}")
    assert found == ["shop.py:2: SystemExit: a config must not end the program"]


@pytest.mark.parametrize("text", ["", "CONFIG = None", "CONFIG = {}", "from model import Platform"])
def test_a_file_without_a_platform_is_told_how_to_end(text: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text) == ["shop.py: must end with CONFIG = Platform(…)"]


def test_a_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "none.py")
    assert str(raised.value) == (
        f"{tmp_path}/none.py: cannot read the config: No such file or directory; "
        "set MONITORING_CONFIG to name another file"
    )


@pytest.mark.parametrize("command", [("rules", "--check"), ("exporter", "serve")])
def test_neither_program_prints_a_traceback(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text("import sys\n1 / 0\nsys.exit(7)\n")
    done = run(*command, MONITORING_CONFIG=str(file))
    assert done.returncode == 2
    assert f"{file}:2: ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_variable_names_another_config() -> None:
    assert config_path({"MONITORING_CONFIG": "/etc/shop.py"}) == Path("/etc/shop.py")


@pytest.mark.parametrize("environment", [{}, {"MONITORING_CONFIG": ""}], ids=["unset", "empty"])
def test_the_config_beside_the_program_is_the_default(environment: dict[str, str]) -> None:
    assert config_path(environment) == DEFAULT == Path("config.py")


def test_a_ledgers_address_may_be_secret_where_nobody_is_paged(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(
        config(
            watched_by='Prometheus(oldest_alertmanager="0.26")',
            ledger='Webhook(url_file="/run/ledger")',
        )
    )
    assert load(file).ledger is not None


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        service('url="http://admin:hunter2@web:80"'),
        service('url="http://admin:hunter2@web:port"'),
        service('url="smtp://admin:hunter2@web"'),
        {"postgres": '(Postgres(url="postgresql://admin:hunter2@db/x"),)'},
        {"redis": '(Redis(url="redis://:hunter2@redis:6379/0"),)'},
        {"dead_mans_switch": '"https://admin:hunter2@switch"'},
        {"base_url": '"https://admin:hunter2@switch"'},
    ],
    ids=["service", "bad port", "bad scheme", "postgres", "redis", "switch", "base"],
)
def test_a_password_in_a_url_is_refused_and_never_repeated(
    parts: dict[str, str], tmp_path: Path
) -> None:
    found = problems(tmp_path, textwrap.dedent(config(**parts)))
    assert found
    assert "hunter2" not in "\n".join(found)


def test_a_user_without_a_password_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(config(postgres='(Postgres(url="postgresql://monitoring@db/x"),)'))
    load(file)
