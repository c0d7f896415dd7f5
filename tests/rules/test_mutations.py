"""The generated unit tests notice when a rule is not what the config says.

`make mutate` tries every change of every alert; here are the first of each kind, and what the
check does when a test is too weak.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from model.load import load
from rules.__main__ import main
from rules.compile import compile_files
from rules.mutate.alike import Alike, judge, read
from rules.mutate.changes import mutants
from rules.mutate.subjects import Subject, subjects
from rules.mutate.trial import Outcome, UnfitError, run
from rules.output import Files

TINY = Path(__file__).parent / "tiny_config.py"
STEP = timedelta(seconds=5)


@cache
def tiny() -> Files:
    return compile_files(load(TINY))


def subject(name: str) -> Subject:
    return next(one for one in subjects(tiny()) if one.name == name)


def tried(found: Subject, *, raw: bool = False) -> Outcome:
    names = frozenset({found.name}) if raw else frozenset[str]()
    (outcome,) = run([found], names, quick=False)
    return outcome


# --- the whole ----------------------------------------------------------------------------------


# One of each shape of condition; `make mutate` changes all in every way, which takes minutes.
OF_EACH_SHAPE = ("ServiceDown", "TargetsMissing", "DatabaseSlow", "HighRefundRate", "RedisEvicting")


def test_the_tests_of_alerts_of_each_shape_notice_a_change_of_each_kind() -> None:
    result = CliRunner().invoke(main, ["mutate", "--quick", *OF_EACH_SHAPE])
    assert result.exit_code == 0, result.output
    assert "ServiceDown: " in result.output
    assert " rules noticed (" in result.output


def test_an_alert_that_does_not_exist_is_told() -> None:
    result = CliRunner().invoke(main, ["mutate", "--quick", "ServiceDwon"])
    assert result.exit_code == 1
    assert "there is no alert or recording ServiceDwon" in result.output


def test_every_change_of_a_threshold_of_for_and_of_a_matcher_is_noticed() -> None:
    assert tried(subject("ServiceDown")).survived == ()


# --- what is changed ----------------------------------------------------------------------------


def changes(**rule: Any) -> dict[str, str]:
    found = mutants({"alert": "A", **rule}, interval=STEP, coarse=False)
    return {mutant.what: mutant.rule["expr"] for mutant in found}


@pytest.mark.parametrize(
    ("expr", "what", "changed"),
    [
        ("pg_up < 0.5", "threshold +", "pg_up < 0.501"),
        ("pg_up < 0.5", "threshold -", "pg_up < 0.499"),
        ("0 > pg_up", "threshold +", "0.002 > pg_up"),
        ("count(pg_up) < 5", "threshold +", "count(pg_up) < 6"),
        ("pg_up < 0.5", "< -> <=", "pg_up <= 0.5"),
        ("pg_up < 0.5", "< -> >", "pg_up > 0.5"),
        ("avg by (target) (pg_up) < 1", "avg -> max", "max by (target) (pg_up) < 1"),
        ("sum(sum(x)) < 1", "sum -> min (2)", "sum(min(x)) < 1"),
        ("rate(x[5m]) > 1", "rate -> increase", "increase(x[5m]) > 1"),
        ("rate(x[5m]) > 1", "range doubled", "rate(x[10m]) > 1"),
        ("rate(x[5m]) > 1", "range halved", "rate(x[2m30s]) > 1"),
        ("x offset 1w > 1", "offset gone", "x offset 1ms > 1"),
        ("x offset 1w > 1", "offset halved", "x offset 3d12h > 1"),
        ("max_over_time(x[5m:1m]) > 1", "step doubled", "max_over_time(x[5m:2m]) > 1"),
        ("a and b > 1", "and -> unless", "a unless b > 1"),
        ('a{b="c"} > 1', "b= -> !=", 'a{b!="c"} > 1'),
        ('a{b="c"} > 1', "b another value", 'a{b="cx"} > 1'),
        ('a{b="c",d="e"} > 1', "b any value", 'a{b=~".*",d="e"} > 1'),
        ('a{b!~"c"} > 1', "b!~ -> =~", 'a{b=~"c"} > 1'),
        ("(up or vector(0)) < 1", "number +", "(up or vector(1)) < 1"),
        ("histogram_quantile(0.95, x) > 1", "number -", "histogram_quantile(0.855, x) > 1"),
    ],
)
def test_one_thing_is_changed_at_a_time(expr: str, what: str, changed: str) -> None:
    assert changes(expr=expr)[what] == changed


def test_lengths_are_changed_by_one_evaluation_and_left_out() -> None:
    rule = {"alert": "A", "expr": "vector(x)", "for": "10s"}
    found = mutants(rule, interval=STEP, coarse=False)
    assert {one.what: (one.rule.get("for"), one.rule.get("keep_firing_for")) for one in found} == {
        "for +": ("15s", None),
        "for -": ("5s", None),
        "for 0": (None, None),
        "keep_firing_for +": ("10s", "5s"),
    }


def test_a_word_in_a_string_or_a_label_is_no_operator() -> None:
    names = changes(expr='a{and="or 5 < 6"} > 1')
    assert not any(name.startswith(("or", "<", "number")) for name in names)


# --- what survives ------------------------------------------------------------------------------


def without(found: Subject, firing: bool) -> Subject:
    tests = tuple(
        {
            **test,
            "alert_rule_test": [
                one for one in test["alert_rule_test"] if bool(one["exp_alerts"]) is not firing
            ],
        }
        for test in found.tests
        # In maintenance some targets fire and others don't, so those are tests of both.
        if not any("monitoring_maintenance" in one["series"] for one in test["input_series"])
    )
    return replace(found, tests=tests)


def test_without_tests_that_fire_raising_the_threshold_goes_unnoticed() -> None:
    survived = tried(without(subject("ServiceDown"), firing=True)).survived
    assert {"threshold -", "for +", "kind another value"} <= set(survived)
    assert "threshold +" not in survived


def test_without_tests_that_stay_quiet_lowering_the_threshold_goes_unnoticed() -> None:
    survived = tried(without(subject("ServiceDown"), firing=False)).survived
    assert {"threshold +", "for -", "for 0", "kind any value"} <= set(survived)
    assert "threshold -" not in survived


def test_a_change_that_cannot_be_evaluated_counts_as_noticed_and_hides_no_other() -> None:
    rule = {"alert": "A", "expr": 'sum by (t) (a) * on (t) a{k="x"} > 1', "labels": {}}
    one = {"eval_time": "5s", "alertname": "A", "exp_alerts": [{"exp_labels": {"t": "1"}}]}
    series = [{"series": f'a{{t="1",k="{k}"}}', "values": "1+0x9"} for k in "xy"]
    test = {"interval": "5s", "input_series": series, "alert_rule_test": [one]}
    outcome = tried(Subject("A", rule, "5s", (), (test,)))
    assert {"k any value", "sum -> avg", "> -> <"} <= set(outcome.caught)
    assert {"sum -> count", "threshold +", "keep_firing_for +"} <= set(outcome.survived)


def test_a_change_that_only_the_last_of_many_tests_notices_is_noticed() -> None:
    rule = {"alert": "A", "expr": "a > 1", "labels": {}}

    def test(value: int, *expected: dict[str, Any]) -> dict[str, Any]:
        asked = {"eval_time": "5s", "alertname": "A", "exp_alerts": list(expected)}
        fed = {"series": "a", "values": f"{value}+0x9"}
        return {"interval": "5s", "input_series": [fed], "alert_rule_test": [asked]}

    fires, stays = test(2, {"exp_labels": {}}), test(1)
    assert "> -> >=" in tried(Subject("A", rule, "5s", (), (fires,) * 7)).survived
    assert "> -> >=" in tried(Subject("A", rule, "5s", (), (*(fires,) * 7, stays))).caught


def test_more_changes_than_are_tried_at_once_have_one_outcome() -> None:
    expr = " and ".join(f"a{n} > 1" for n in range(9))
    series = [{"series": f"a{n}", "values": "2+0x9"} for n in range(9)]
    one = {"eval_time": "5s", "alertname": "A", "exp_alerts": [{"exp_labels": {}}]}
    test = {"interval": "5s", "input_series": series, "alert_rule_test": [one]}
    rule = {"alert": "A", "expr": expr, "labels": {}}
    outcome = tried(Subject("A", rule, "5s", (), (test,)))
    every = [mutant.what for mutant in mutants(rule, interval=STEP, coarse=False)]
    assert len(every) > 60
    assert sorted(outcome.caught + outcome.survived) == sorted(every)


def test_tests_that_object_to_the_rule_as_it_is_are_told() -> None:
    found = subject("ServiceDown")
    wrong = replace(found, rule={**found.rule, "expr": "vector(1)"})
    with pytest.raises(UnfitError, match="object to the rule as it is"):
        tried(wrong)


# --- the list -----------------------------------------------------------------------------------


def test_a_survivor_that_is_not_listed_and_an_entry_without_one_are_told() -> None:
    outcomes = [Outcome("A", ("< -> >",), ("avg -> max", "avg -> min", "threshold +"))]
    alike = [Alike("A", "avg -> *", "x"), Alike("A", "for *", "x"), Alike("B", "for +", "x")]
    assert list(judge(outcomes, alike, quick=False)) == [
        "A: no test notices: threshold +",
        "A: 'for *' is listed, but no such change survives: remove it",
        "B: 'for +' is listed, but no such change survives: remove it",
    ]
    assert list(judge(outcomes, alike, quick=True)) == ["A: no test notices: threshold +"]


def test_an_entry_that_covers_a_change_which_is_noticed_is_too_wide() -> None:
    outcomes = [Outcome("A", ("avg -> max",), ("avg -> min",))]
    assert list(judge(outcomes, [Alike("A", "avg -> *", "x")], quick=False)) == [
        "A: 'avg -> *' is too wide: a test of A notices avg -> max",
    ]


def test_an_entry_is_about_all_alerts_of_a_name_or_about_the_one_of_a_title() -> None:
    outcomes = [
        Outcome('A{cause="x"}', (), ("> -> >=",)),
        Outcome('A{cause="y"}', ("> -> >=",), ()),
    ]
    assert list(judge(outcomes, [Alike('A{cause="x"}', "> -> >=", "r")], quick=False)) == []
    assert list(judge(outcomes, [Alike("A", "> -> >=", "r")], quick=False)) == [
        """A: '> -> >=' is too wide: a test of A{cause="y"} notices > -> >=""",
    ]
    other = Alike('A{cause="y"}', "> -> >=", "r")
    assert """A{cause="x"}: no test notices: > -> >=""" in judge(outcomes, [other], quick=False)


def test_an_entry_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "alike.toml"
    file.write_text('[[alike]]\nrules = ["A"]\nchanges = ["for +"]\nreason = " "\n')
    with pytest.raises(ValueError, match=r"alike\.toml: A, 'for \+': the reason is missing"):
        read(file)


def test_the_list_is_about_rules_that_exist() -> None:
    files = compile_files(load(Path(__file__).resolve().parents[2] / "config.py"))
    found = subjects(files)
    for entry in read():
        assert any(entry.is_about(one.title) for one in found), entry.rule


def test_alerts_of_one_name_are_told_apart_by_their_constant_labels() -> None:
    rules = [
        {"alert": "A", "expr": "a > 1", "labels": {"service": "s", "cause": cause}}
        for cause in ("x", "y")
    ]
    alone = {"alert": "B", "expr": "b > 1", "labels": {"cause": "x"}}
    group = {"name": "x", "interval": "5s", "rules": [*rules, alone]}
    files = {"x.rules.yml": yaml.safe_dump({"groups": [group]})}
    titles = [one.title for one in subjects(files)]
    assert titles == ['A{cause="x"}', 'A{cause="y"}', "B"]


def test_an_alert_reads_the_recording_rules_that_it_names_and_theirs() -> None:
    rules = {
        "groups": [
            {
                "name": "x",
                "interval": "5s",
                "rules": [
                    {"record": "a:b", "expr": "sum(a)"},
                    {"record": "c:d", "expr": "sum(a:b)"},
                    {"record": "e:f", "expr": "sum(e)"},
                    {"alert": "A", "expr": "c:d > 1"},
                ],
            }
        ]
    }
    series = [{"series": f'{name}{{x="y"}}', "values": "1"} for name in "ae"]
    one = {"alertname": "A", "eval_time": "1m", "exp_alerts": []}
    tests = {
        "tests": [
            {
                "interval": "5s",
                "input_series": series,
                "alert_rule_test": [one, {**one, "alertname": "B"}],
            }
        ]
    }
    files = {"x.rules.yml": yaml.safe_dump(rules), "x.test.yml": yaml.safe_dump(tests)}
    found = subjects(files)[-1]
    assert [rule["record"] for rule in found.recorded] == ["a:b", "c:d"]
    assert found.tests[0]["input_series"] == series[:1]
    assert found.tests[0]["alert_rule_test"] == [one]


# --- recording rules ----------------------------------------------------------------------------


def test_of_a_recording_rule_its_labels_are_changed_and_no_length() -> None:
    rule = {"record": "a:b:c", "expr": "sum(a)", "labels": {"slo": "x"}}
    found = mutants(rule, interval=STEP, coarse=False)
    assert [one.rule["labels"] for one in found if one.what == "label slo"] == [{"slo": "xx"}]
    assert {one.what for one in found} == {
        *("sum -> avg", "sum -> count", "sum -> max", "sum -> min"),
        "label slo",
    }


def recording(value: int, over: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A recording rule of a sum, and its test, in which the sum of two is over so much."""
    rule = {"record": "t:a:sum", "expr": "sum by (t) (a)", "labels": {"slo": "x"}}
    series = [
        {"series": f'a{{t="1",i="{i}"}}', "values": f"{value * share}+0x9"}
        for i, share in enumerate((1, 3))
    ]
    asked = {
        "expr": f'(t:a:sum{{slo="x"}} > bool {over}) == 1',
        "eval_time": "5s",
        "exp_samples": [{"labels": '{t="1",slo="x"}', "value": 1}],
    }
    return rule, {"interval": "5s", "input_series": series, "promql_expr_test": [asked]}


def test_a_recording_rule_is_held_to_tests_of_its_own() -> None:
    rule, test = recording(2, over=7)
    (found,) = subjects(in_files([rule], [test]))
    assert (found.title, found.name, found.reader) == ("t:a:sum", "t:a:sum", None)
    assert tried(found).survived == ()


def test_a_recording_rule_that_is_tested_too_weakly_is_told() -> None:
    rule, test = recording(2, over=3)
    (found,) = subjects(in_files([rule], [test]))
    assert set(tried(found).survived) == {"sum -> avg", "sum -> max"}


def test_a_recording_rule_without_tests_is_held_to_those_of_the_alert_that_reads_it() -> None:
    rule, test = recording(2, over=7)
    alert = {"alert": "A", "expr": 't:a:sum{slo="x"} > 7 and t:a:sum < 9', "labels": {}}
    fired = {"exp_labels": {"t": "1", "slo": "x"}}
    asked = {"eval_time": "5s", "alertname": "A", "exp_alerts": [fired]}
    of_alert = {**test, "promql_expr_test": [], "alert_rule_test": [asked]}
    found, _ = subjects(in_files([rule, alert], [of_alert]))
    assert (found.title, found.name) == ("t:a:sum", "A")
    assert tried(found).survived == ()


def test_a_recording_rule_that_nobody_tests_has_all_of_its_changes_told() -> None:
    rule, _ = recording(2, over=7)
    (found,) = subjects(in_files([rule], []))
    assert len(tried(found).survived) == 5


def in_files(rules: list[dict[str, Any]], tests: list[dict[str, Any]]) -> Files:
    group = {"name": "x", "interval": "5s", "rules": rules}
    tested = {"evaluation_interval": "5s", "tests": tests}
    return {
        "x.rules.yml": yaml.safe_dump({"groups": [group]}),
        "x.test.yml": yaml.safe_dump(tested),
    }
