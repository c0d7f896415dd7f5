"""What every alert has to have: each proof fails on a file that somebody spoilt, and says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from model.load import load
from model.platform import Platform
from rules.compile import compile_files
from rules.dashboards import FOLDER
from rules.output import Files
from rules.proof import Proof
from rules.prove_alerts import (
    every_alert_has_a_page,
    every_alert_has_a_panel,
    every_alert_has_unit_tests,
    thresholds_agree,
)
from rules.prove_names import labels_exist, metrics_exist
from rules.read_back import ReadBack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RULES = "rules/generated/availability.rules.yml"
DATABASES = "rules/generated/databases.rules.yml"
TESTS = "rules/generated/databases.test.yml"
# Those of its cases that need no more than an evaluation every minute.
SPACED_TESTS = "rules/generated/databases-1m.test.yml"
NO_TESTS = "tests: []\n"
ESCALATION = "rules/generated/escalation.rules.yml"
ALERTS = "grafana/dashboards/alerts.json"
OVERVIEW = "grafana/dashboards/overview.json"
PAGE = "docs/alerts/ServiceDown.md"
INDEX = "docs/alerts/README.md"

Judge = Callable[[Platform, ReadBack], Proof]


def unit_tests(_platform: Platform, written: ReadBack) -> Proof:
    return every_alert_has_unit_tests(written)


PROOFS: tuple[Judge, ...] = (
    metrics_exist,
    labels_exist,
    every_alert_has_a_page,
    every_alert_has_a_panel,
    unit_tests,
    thresholds_agree,
)


@cache
def compiled(config: Path = HERE / "tiny_config.py") -> tuple[Platform, Files]:
    platform = load(config)
    return platform, compile_files(platform)


def spoilt(path: str, old: str, new: str) -> tuple[Platform, Files]:
    """The generated files with one thing changed in one of them."""
    platform, files = compiled()
    assert old in files[path], files[path]
    return platform, {**files, path: files[path].replace(old, new, 1)}


def without(*paths: str) -> tuple[Platform, Files]:
    platform, files = compiled()
    return platform, {name: text for name, text in files.items() if name not in paths}


def objections(judge: Judge, given: tuple[Platform, Files]) -> str:
    platform, files = given
    proof = judge(platform, ReadBack(files))
    assert not proof.holds
    return "\n".join(proof.objections)


@pytest.mark.parametrize("config", [HERE / "tiny_config.py", ROOT / "config.py"])
@pytest.mark.parametrize("judge", PROOFS)
def test_each_proof_holds_for_what_is_generated(judge: Judge, config: Path) -> None:
    platform, files = compiled(config)
    assert judge(platform, ReadBack(files)).objections == []


def test_each_proof_says_in_one_line_how_much_it_has_proved() -> None:
    platform, files = compiled()
    claims = [judge(platform, ReadBack(files)).claim for judge in PROOFS]
    assert claims == [
        "metrics: 91 are asked for, and all are in the catalogue",
        "labels: all that 144 expressions and their texts name are there",
        "runbooks: 8 alerts lead to their page, and no page is left over",
        "dashboards: each of 8 alerts has a panel",
        "unit tests: each of 8 alerts is seen to fire and to stay quiet",
        "thresholds: rules, panels, messages and pages of 8 alerts agree",
    ]


# --- metrics and labels -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            RULES,
            "probe_success{",
            "probe_sucess{",
            (
                f'{RULES}: ServiceDown: there is no metric "probe_sucess"; '
                'did you mean "probe_success"?'
            ),
        ),
        (
            DATABASES,
            "_seconds_bucket[",
            "_seconds_buckets[",
            "DatabaseSlow: there is no metric",
        ),
        (
            ALERTS,
            "probe_success{",
            "probe_sucess{",
            f'{ALERTS}: panel "ServiceDown": there is no metric "probe_sucess"',
        ),
        (RULES, "avg by (target) (", "avg by (target) ((", "ServiceDown: is not PromQL"),
    ],
    ids=["rule", "histogram", "panel", "syntax"],
)
def test_a_metric_outside_the_catalogue_is_found(path: str, old: str, new: str, said: str) -> None:
    assert said in objections(metrics_exist, spoilt(path, old, new))


def test_what_a_rule_records_may_be_asked_for_and_nothing_else() -> None:
    said = objections(metrics_exist, spoilt(ESCALATION, "record: alertledger:", "record: ledger:"))
    assert 'there is no metric "alertledger:unacked_age_seconds"' in said


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            RULES,
            'probe_success{kind="http"}',
            'probe_success{kid="http"}',
            'ServiceDown: probe_success has no label "kid"; did you mean "kind"?',
        ),
        (RULES, "avg by (target) (", "avg by (tarjet) (", 'has no label "tarjet"'),
        (RULES, "unless on (target)", "unless on (instance)", 'has no label "instance"'),
        (
            RULES,
            "summary: '{{ $labels.target }}",
            "summary: '{{ $labels.job }}",
            'ServiceDown: summary uses "job", which no result has',
        ),
        (
            RULES,
            "service: '{{ $labels.target }}'",
            "service: '{{ $labels.severity }}'",
            'ServiceDown: service uses "severity", which no result has',
        ),
        (
            ESCALATION,
            "{{ $labels.source_alertname }} on",
            "{{ $labels.source }} on",
            'summary uses "source", which no result has',
        ),
        (ALERTS, 'kind=\\"http\\"', 'kid=\\"http\\"', 'panel "ServiceDown": probe_success has no'),
    ],
    ids=["matcher", "by", "on", "annotation", "label", "recorded", "panel"],
)
def test_a_label_that_is_not_there_is_found(path: str, old: str, new: str, said: str) -> None:
    assert said in objections(labels_exist, spoilt(path, old, new))


# --- pages --------------------------------------------------------------------------------------


def test_an_alert_without_a_page_is_found() -> None:
    said = objections(every_alert_has_a_page, without(PAGE))
    assert said == f"{RULES}: ServiceDown: has no page {PAGE}"


def test_a_page_of_an_alert_that_is_gone_is_found() -> None:
    platform, files = compiled()
    left = {**files, "docs/alerts/ServiceGone.md": "# ServiceGone\n"}
    said = objections(every_alert_has_a_page, (platform, left))
    assert said == (
        "docs/alerts/ServiceGone.md: there is no alert ServiceGone any more; remove the page"
    )


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (RULES, "/runbooks/ServiceDown", "/runbooks/ServiceUp", "is not where its page is"),
        (RULES, "monitoring.example.org/runbooks", "example.net/runbooks", "is not where its page"),
        (RULES, "      runbook_url: https://monitoring", "      url: https://monitoring", "has no"),
        (
            RULES,
            "/runbooks/ServiceDown",
            "/runbooks/{{ $labels.source_alertname }}",
            "is not where its page is",
        ),
        (
            ESCALATION,
            "/runbooks/{{ $labels.source_alertname }}",
            "/runbooks/Gone",
            "/runbooks/Gone",
        ),
        (PAGE, "# ServiceDown", "# ServiceUp", f"{PAGE}: is titled ServiceUp"),
        (INDEX, "](ServiceDown.md)", "](ServiceUp.md)", f"{INDEX}: does not lead to ServiceDown"),
    ],
    ids=["other", "host", "none", "template", "escalation", "title", "index"],
)
def test_a_link_that_does_not_lead_to_the_page_is_found(
    path: str, old: str, new: str, said: str
) -> None:
    assert said in objections(every_alert_has_a_page, spoilt(path, old, new))


# --- unit tests ---------------------------------------------------------------------------------


def test_an_alert_that_no_test_sees_fire_is_found() -> None:
    platform, files = compiled()
    text = files[TESTS].replace("exp_alerts:\n    - exp_labels:", "exp_alerts: []\n    - x:")
    lines = [line for line in text.splitlines() if not line.startswith(("    - x:", "        "))]
    lines = [line for line in lines if not line.startswith("      exp_annotations")]
    said = objections(
        unit_tests, (platform, {**files, TESTS: "\n".join(lines), SPACED_TESTS: NO_TESTS})
    )
    assert said == f"{DATABASES}: DatabaseSlow: no unit test sees it fire"


def test_an_alert_without_tests_is_found_twice() -> None:
    said = objections(unit_tests, without(TESTS, SPACED_TESTS)).splitlines()
    assert said == [
        f"{DATABASES}: DatabaseSlow: no unit test sees it fire",
        f"{DATABASES}: DatabaseSlow: no unit test sees it quiet",
    ]


def test_of_alerts_that_share_a_name_each_needs_tests_of_its_own() -> None:
    rules = [
        {"alert": "DataLossRisk", "expr": "up < 1", "labels": {"severity": "error", "cause": cause}}
        for cause in ("disk", "backup")
    ]
    asked = 'ALERTS{alertname="DataLossRisk",alertstate="firing",cause="disk",severity="error"}'
    tests = [
        {"expr": asked, "eval_time": "1m", "exp_samples": seen}
        for seen in ([], [{"labels": asked, "value": 1}])
    ]
    files = {
        "rules/generated/g.rules.yml": yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}),
        "rules/generated/g.test.yml": yaml.safe_dump({"tests": [{"promql_expr_test": tests}]}),
    }
    said = every_alert_has_unit_tests(ReadBack(files)).objections
    assert said == [
        "rules/generated/g.rules.yml: DataLossRisk: no unit test sees it fire",
        "rules/generated/g.rules.yml: DataLossRisk: no unit test sees it quiet",
    ]


def test_a_test_of_an_alert_that_is_gone_is_found() -> None:
    said = objections(unit_tests, without(DATABASES))
    assert said.splitlines() == [
        f"{path}: tests DatabaseSlow, which is no alert" for path in (TESTS, SPACED_TESTS)
    ]


# --- panels -------------------------------------------------------------------------------------


def test_an_alert_without_a_panel_is_found() -> None:
    platform, files = compiled()
    changed = dict(files)
    for path in files:
        if path.startswith(FOLDER):
            board = json.loads(files[path])
            kept = [one for one in board["panels"] if not one["title"].endswith("ServiceDown")]
            changed[path] = json.dumps({**board, "panels": kept})
    said = objections(every_alert_has_a_panel, (platform, changed))
    assert said == f"{RULES}: ServiceDown: no dashboard has a panel that leads to its page"


def test_a_panel_of_an_alert_that_is_gone_is_found() -> None:
    said = objections(every_alert_has_a_panel, without(DATABASES))
    assert "leads to the page of DatabaseSlow, which is no alert" in said


# --- thresholds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (RULES, "< 0.5 unless", "< 0.4 unless", f"{RULES}: ServiceDown: no panel draws"),
        (RULES, "< 0.5 unless", "<= 0.5 unless", f"{PAGE}: does not show the expression"),
        (RULES, "threshold: < 0.5", "threshold: < 0.6", "annotation threshold says < 0.6, and the"),
        (RULES, "threshold: < 0.5", "threshold: '> 0.5'", "annotation threshold says > 0.5"),
        (RULES, "for: 10s", "for: 20s", f"{PAGE}: has no row for"),
        (RULES, "keep_firing_for: 20s", "keep_firing_for: 30s", f"{PAGE}: has no row for"),
        (PAGE, "`< 0.5`", "`< 0.6`", f"{PAGE}: has no row for {RULES}: ServiceDown"),
        (PAGE, "`< 0.5`", "none", f"{PAGE}: has no row for"),
        (PAGE, "| 10s |", "| 15s |", f"{PAGE}: has no row for"),
        (PAGE, "| critical |", "| info |", f"{PAGE}: has no row for"),
        (PAGE, 'kind="http"', 'kind="sql"', f"{PAGE}: does not show the expression"),
        (ALERTS, '"value": 0.5', '"value": 0.6', f'{ALERTS}: panel "ServiceDown": draws'),
        (ALERTS, 'kind=\\"http\\"', 'kind=\\"sql\\"', f'{ALERTS}: panel "ServiceDown": draws'),
        (OVERVIEW, '"value": 1209600.0', '"value": 1209601.0', "Time until a certificate expires"),
        (ESCALATION, "> 300", "> 301", "AlertUnacknowledgedLead: no panel draws"),
    ],
    ids=[
        *("rule", "comparison", "annotation", "direction", "for", "keep"),
        *("page", "page-none", "page-for", "page-severity", "page-expression"),
        *("panel", "panel-expression", "overview", "escalation"),
    ],
)
def test_a_threshold_that_differs_in_one_place_is_found(
    path: str, old: str, new: str, said: str
) -> None:
    assert said in objections(thresholds_agree, spoilt(path, old, new))


# --- alerts that share a name -------------------------------------------------------------------


@pytest.fixture
def namesakes(tmp_path: Path) -> tuple[Platform, Files]:
    """Two alerts of one name on one metric, which differ in a label and in their threshold."""
    text = (HERE / "tiny_config.py").read_text()
    start = text.index('        Alert(\n            name="DatabaseSlow"')
    end = text.index('        Alert(\n            name="Watchdog"')
    other = (
        text[start:end]
        .replace("> 1,", '> "1.5",')
        .replace('severity="info"', 'severity="info",\n            labels={"cause": "worse"}')
    )
    file = tmp_path / "config.py"
    file.write_text(text[:end] + other + text[end:])
    return compiled(file)


@pytest.mark.parametrize("judge", PROOFS)
def test_alerts_that_share_a_name_are_judged_each(
    judge: Judge, namesakes: tuple[Platform, Files]
) -> None:
    platform, files = namesakes
    assert judge(platform, ReadBack(files)).objections == []


def test_alerts_that_share_a_name_have_one_page_and_a_panel_each(
    namesakes: tuple[Platform, Files],
) -> None:
    _, files = namesakes
    page = files["docs/alerts/DatabaseSlow.md"]
    assert "| info | none | `> 1` | 1m | 0s | `none` |" in page
    assert "| info | none | `> 1.5` | 1m | 0s | `cause=worse` |" in page
    titles = [panel["title"] for panel in json.loads(files[ALERTS])["panels"]]
    assert "DatabaseSlow (severity=info)" in titles
    assert "DatabaseSlow (cause=worse, severity=info)" in titles


def test_a_threshold_of_one_that_shares_its_name_is_not_the_others(
    namesakes: tuple[Platform, Files],
) -> None:
    platform, files = namesakes
    doctored = {**files, DATABASES: files[DATABASES].replace(" > 1.5", " > 1.6")}
    said = objections(thresholds_agree, (platform, doctored))
    assert "DatabaseSlow: no panel draws" in said
    assert "docs/alerts/DatabaseSlow.md: has no row for" in said
