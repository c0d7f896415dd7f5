"""What promtool lets pass and a config cannot say: one clear message each, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.declared import ConfigError
from model.load import load

CONFIG = """\
from model import *

{before}
CONFIG = Platform(
    name="shop",
    services=(Service(name="web", port=80),),
    postgres=(Postgres(name="db", url="postgresql://db/shop"),),
    severities=(Severity(name="error", response_time=None, channels=("slack",)),),
    channels=(Slack(webhook_url_file="/run/slack", channel="#ops"),),
    contacts=(),
    alerts=({alerts},),
    recordings=({recordings}),
    base_url="https://monitoring.example.org",
    dead_mans_switch="https://switch.example.org",
)
"""
ALERT = {
    "name": '"Bad"',
    "group": '"bad"',
    "expr": 'observed(metrics.PG_UP) < "0.5"',
    "for_": "minutes(1)",
    "severity": '"error"',
    "service": '"shop"',
    "summary": '"It is bad."',
    "description": '"It is very bad."',
}
REQUESTS = "select(metrics.HTTP_REQUESTS)"


def alert(**changed: str | None) -> str:
    settings = {**ALERT, **changed}
    return f"Alert({', '.join(f'{k}={v}' for k, v in settings.items() if v is not None)})"


def comparing(expr: str) -> str:
    return alert(expr=expr)


def recording(name: str, expr: str, more: str = "") -> str:
    return f'Recording(name="{name}", group="g", expr={expr}{more})'


def said(tmp_path: Path, *alerts: str, before: str = "", recordings: str = "") -> list[str]:
    """What loading objects to, without the file's directory."""
    file = tmp_path / "shop.py"
    file.write_text(CONFIG.format(alerts=", ".join(alerts), before=before, recordings=recordings))
    try:
        load(file)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in error.problems]
    return []


def test_the_alert_that_is_spoilt_here_is_a_good_one(tmp_path: Path) -> None:
    assert said(tmp_path, alert()) == []


# --- one expression -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        pytest.param(
            'observed(metrics.PG_UPP) < "0.5"', 'did you mean "PG_UP"?', id="unknown metric"
        ),
        pytest.param(
            'observed(metrics.PG_UP, tagret="x") < "0.5"',
            'pg_up has no label "tagret"; did you mean "target"?',
            id="unknown label",
        ),
        pytest.param(
            f"sum_by(rate({REQUESTS}, minutes(5)), 'servce') > 1",
            'has no such label; did you mean "service"?',
            id="unknown label to aggregate by",
        ),
        pytest.param(
            "collapsed(rate(select(metrics.PG_UP), minutes(5))) > 1",
            "rate: pg_up is a gauge, not a counter",
            id="rate of a gauge",
        ),
        pytest.param(
            "collapsed(delta(select(metrics.REDIS_EVICTED_KEYS), minutes(5))) > 1",
            "delta: redis_evicted_keys_total is a counter, not a gauge",
            id="delta of a counter",
        ),
        pytest.param(
            f"sum_by(rate({REQUESTS}, seconds(59)), 'service') > 1",
            "spans less than four scrapes, 15s apart; write at least 1m",
            id="rate over under four scrapes",
        ),
        pytest.param(
            "collapsed(predict_linear(select(metrics.REDIS_MEMORY_USED), seconds(19), 60)) > 1",
            "spans less than four scrapes, 5s apart; write at least 20s",
            id="prediction from under four scrapes",
        ),
        pytest.param(
            f"{REQUESTS} > 1",
            "http_requests_total is a counter: compare its rate or increase, not its value",
            id="bare counter",
        ),
        pytest.param(
            f"sum_by({REQUESTS}, 'service') * 2 > 1",
            "http_requests_total is a counter: compare its rate or increase, not its value",
            id="bare counter, summed and scaled",
        ),
        pytest.param(
            f"Ratio(sum_by({REQUESTS}), sum_by({REQUESTS}), at_least=1) > 1",
            "http_requests_total is a counter: divide its rate or increase, not its value",
            id="ratio of bare counters",
        ),
        pytest.param(
            f"rate(sum_by({REQUESTS}, 'service'), minutes(5)) > 1",
            "rate(sum by (service) (http_requests_total)): takes the series of one metric",
            id="rate of a sum",
        ),
        pytest.param(
            "observed(metrics.PG_UP)", "expr: compare avg by (target) (pg_up)", id="no comparison"
        ),
        pytest.param(
            "Ratio(observed(metrics.PG_UP), observed(metrics.PG_UP)) > 1",
            "say at_least=…, the smallest denominator",
            id="division without a minimum",
        ),
        pytest.param(
            "Ratio(observed(metrics.PG_UP), observed(metrics.PG_UP), at_least=0) > 1",
            "at_least: 0 guards nothing",
            id="division with a minimum of 0",
        ),
        pytest.param(
            "observed(metrics.PG_UP) / observed(metrics.REDIS_UP) > 1",
            "without a guard: write Ratio(…, …, at_least=…)",
            id="division by an operator",
        ),
        pytest.param(
            "Ratio(observed(metrics.PG_UP), observed(metrics.PROBE_SUCCESS), at_least=1) > 1",
            "(pg_up) has the labels target, avg by (target, kind) (probe_success) has kind, target",
            id="division of unequal labels",
        ),
        pytest.param(
            "Ratio(observed(metrics.PG_UP), observed(metrics.PROBE_SUCCESS), at_least=1,"
            " on=('target',)) > 1",
            "has further labels, kind, so that several could match one numerator",
            id="division by several",
        ),
        pytest.param(
            "And(observed(metrics.PG_UP) < 1, observed(metrics.UP, by=()) < 1, on=('target',))",
            'and on "target": max(up) < 1 has no such label',
            id="and on a label that one side lacks",
        ),
        pytest.param(
            "observed(metrics.PG_UP) < 0.5",
            "the threshold 0.5 is a float; write Decimal('0.5')",
            id="float threshold",
        ),
        pytest.param(
            "observed(metrics.PG_UP) * 0.5 < 1",
            "the number 0.5 is a float; write Decimal('0.5')",
            id="float factor",
        ),
        pytest.param(
            "select(metrics.PG_UP) < 1",
            "pg_up has one result for each replica of the exporter",
            id="replicas not collapsed",
        ),
        pytest.param(
            "Aggregate(metrics.Collapse.SUM, select(metrics.PG_UP)) < 1",
            "every replica of the exporter shows pg_up, so a sum would count it once for each",
            id="replicas summed",
        ),
        pytest.param(
            "Usual(observed(metrics.PG_UP), at_least=8) < 1",
            "Usual: at_least: 8 is not between 1 and 7",
            id="more earlier days than are looked at",
        ),
    ],
)
def test_an_expression_that_means_nothing_is_refused(
    expr: str, message: str, tmp_path: Path
) -> None:
    (first, *_) = said(tmp_path, comparing(expr))
    assert first.startswith("shop.py:11: ")
    assert message in first


# --- one alert ----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["severity", "summary", "description", "for_", "expr"])
def test_an_alert_without_what_people_need_is_refused(missing: str, tmp_path: Path) -> None:
    assert said(tmp_path, alert(**{missing: None})) == [
        f'shop.py:11: Alert "Bad": the setting "{missing}" is missing'
    ]


@pytest.mark.parametrize("empty", ["service", "summary", "description"])
def test_an_alert_with_an_empty_text_is_refused(empty: str, tmp_path: Path) -> None:
    assert said(tmp_path, alert(**{empty: '" "'})) == [
        f'shop.py:11: Alert "Bad": {empty}: is empty'
    ]


def test_an_alert_cannot_name_its_runbook_since_it_always_has_one(tmp_path: Path) -> None:
    (message,) = said(tmp_path, alert(runbook_url='"https://x"'))
    assert 'there is no setting "runbook_url"' in message


@pytest.mark.parametrize(("for_", "refused"), [("seconds(9)", True), ("seconds(10)", False)])
def test_an_alert_about_absence_lasts_two_scrapes(for_: str, refused: bool, tmp_path: Path) -> None:
    expr = "OrZero(observed(metrics.UP, by=())) < 1"
    found = said(tmp_path, alert(expr=expr, for_=for_, no_data='"fires"'))
    assert bool(found) == refused
    assert all("write at least two scrape intervals, 10s" in message for message in found)


def test_a_value_in_a_label_is_refused(tmp_path: Path) -> None:
    for changed in ({"service": '"{{ $value }}"'}, {"labels": '{"x": "{{ $value }}"}'}):
        (message,) = said(tmp_path, alert(**changed))
        assert "$value in a label makes a new alert at every evaluation" in message


@pytest.mark.parametrize("text", ["service", "summary", "description"])
def test_a_label_that_an_aggregation_dropped_is_refused(text: str, tmp_path: Path) -> None:
    expr = f"sum_by(rate({REQUESTS}, minutes(5)), 'service') > 1"
    (message,) = said(tmp_path, alert(expr=expr, **{text: '"{{ $labels.route }}"'}))
    assert f"{text}: the expression has no label 'route'" in message


# --- several alerts -----------------------------------------------------------------------------


def test_two_alerts_of_one_name_and_the_same_labels_are_refused(tmp_path: Path) -> None:
    for labels in ("{}", '{"cause": "lag"}'):
        (message,) = said(tmp_path, alert(labels=labels), alert(labels=labels))
        assert "is declared twice; the first one is at" in message


def test_two_alerts_of_one_name_may_have_different_labels(tmp_path: Path) -> None:
    both = alert(labels='{"cause": "lag"}'), alert(labels='{"cause": "slot"}')
    assert said(tmp_path, *both) == []


# --- recording rules ----------------------------------------------------------------------------


def test_a_recording_rule_declared_later_is_recorded_before_who_reads_it(tmp_path: Path) -> None:
    first = recording("target:pg:up", "observed(metrics.PG_UP)")
    second = recording("target:pg:double", "recorded(FIRST) * 2")
    before = f"FIRST = {first}\nSECOND = {second}\n"
    file = tmp_path / "shop.py"
    file.write_text(CONFIG.format(alerts=alert(), before=before, recordings="SECOND, FIRST"))
    names = [rule.name for rule in load(file).recording_rules]
    assert names == ["target:pg:up", "target:pg:double"]


def test_what_reads_a_recording_rule_that_is_evaluated_less_often_is_refused(
    tmp_path: Path,
) -> None:
    slow = recording("target:pg:up", "observed(metrics.PG_UP)", ", interval=minutes(1)")
    found = said(tmp_path, comparing("recorded(SLOW) < 1"), before=f"SLOW = {slow}")
    assert found == [
        (
            'shop.py:11: Alert "Bad": is evaluated every 5s and reads target:pg:up, which is '
            "recorded only every 1m"
        )
    ]


def test_two_recording_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    rules = [recording("target:pg:up", f"observed(metrics.PG_UP) * {n}") for n in (2, 3)]
    (message,) = said(tmp_path, alert(), recordings=", ".join(rules))
    assert 'Recording "target:pg:up": there is another one of this name and labels' in message


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (recording("pg_up_twice", "observed(metrics.PG_UP)"), "write level:metric:operations"),
        (recording("a:b:c", "select(metrics.PG_UP)"), "one result for each replica"),
        (recording("a:b:c", f"sum_by({REQUESTS})"), "is a counter: record its rate"),
        (recording("a:b:c", "observed(metrics.PG_UP) < 1"), "a comparison belongs in an alert"),
    ],
)
def test_a_recording_rule_that_nobody_should_read_is_refused(
    rule: str, message: str, tmp_path: Path
) -> None:
    (found, *_) = said(tmp_path, alert(), recordings=f"{rule},")
    assert message in found
