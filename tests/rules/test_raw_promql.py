"""Raw PromQL: each kind of mistake is told before a rule is written, and what is right passes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from model.load import load
from model.platform import Platform
from rules.raw.check import check

ROOT = Path(__file__).resolve().parents[2]
PG_UP = {"target", "job", "instance"}
BUCKETS = "monitoring_pg_round_trip_seconds_bucket"


@cache
def platform() -> Platform:
    return load(ROOT / "config.py")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        # --- syntax
        ("", "syntax error: no expression found in input"),
        ("sum(pg_up < 1", "column 4: ( is never closed"),
        ("pg_up) < 1", "column 6: ) closes nothing"),
        ('pg_up{target="postgresql} < 1', "column 14: a string that never ends"),
        ("pg_up < 1 €", "column 11: '€' is no PromQL"),
        ("pg_up > > 1", "syntax error: invalid promql query"),
        ("rate(pg_up) > 1", "expected type matrix in call to function 'rate', got vector"),
        ('pg_up{target=~"("} < 1', "illegal regex for ("),
        # --- metrics and labels
        ("pg_upp < 1", 'column 1: there is no metric "pg_upp"; did you mean "pg_up"?'),
        ("pg_up\n  and pg_upp < 1", "line 2, column 7: there is no metric"),
        (
            "monitoring_pg_round_trip_seconds > 1",
            f"column 1: monitoring_pg_round_trip_seconds is a histogram: its series are {BUCKETS},",
        ),
        ("pg_up_total > 1", 'there is no metric "pg_up_total"'),
        ("pg_up_count > 1", "column 1: pg_up is a gauge: it has no series pg_up_count"),
        ('{target="redis"} < 1', "a selector without a metric's name"),
        (
            'pg_up{tagret="postgresql"} < 1',
            'column 7: pg_up has no label "tagret"; did you mean "target"?',
        ),
        ("avg by (tagret) (pg_up) < 1", 'column 9: avg by (tagret): pg_up has no label "tagret"'),
        ("avg without (pod) (pg_up) < 1", 'column 14: avg without (pod): pg_up has no label "pod"'),
        (
            "avg by (target) (avg by (job) (pg_up)) < 1",
            'column 9: avg by (target): avg by (job)(pg_up) has no label "target"',
        ),
        (
            'label_replace(pg_up, "name", "$1", "tagret", "(.*)") < 1',
            'column 1: label_replace: there is no label "tagret" to read',
        ),
        (
            'label_join(pg_up, "name", "-", "target", "pod") < 1',
            'label_join: there is no label "pod" to read',
        ),
        # --- matchers
        (
            'pg_up{target="postgrsql"} < 1',
            (
                'column 7: target="postgrsql" never matches: no target of this config does; '
                'did you mean "postgresql"?'
            ),
        ),
        ('pg_up{target=~"postgres"} < 1', 'target=~"postgres" never matches'),
        ('pg_up{target=""} < 1', 'target="" never matches: each series of pg_up has a target'),
        ('pg_up{target!~".*"} < 1', 'target!~".*" never matches'),
        ('pg_up{target!="postgrsql"} < 1', 'target!="postgrsql" keeps nothing out'),
        ('up{job="monitoring"} < 1', 'job="monitoring" never matches'),
        ('probe_success{kind="htp"} < 1', 'kind="htp" never matches: no kind of this config does'),
        ('up{instance="a",instance="b"} < 1', 'instance="a" and instance="b" together never match'),
        # --- counters and gauges
        ("rate(pg_up[5m]) > 1", "column 1: rate of pg_up, which is a gauge, not a counter"),
        ("irate(pg_up[5m]) > 1", "irate of pg_up, which is a gauge"),
        ("increase(pg_up[5m]) > 1", "increase of pg_up, which is a gauge"),
        ("delta(monitoring_errors_total[5m]) > 1", "delta of monitoring_errors_total, which is a"),
        ("deriv(monitoring_errors_total[5m]) > 1", "a reset would be a fall; write rate"),
        ("predict_linear(monitoring_errors_total[1h], 60) > 1", "write rate or increase"),
        (
            "monitoring_errors_total > 5",
            "column 1: monitoring_errors_total is a counter: compare its rate or increase",
        ),
        ("5 < -monitoring_errors_total", "monitoring_errors_total is a counter"),
        ("monitoring_errors_total * 2 > 5", "monitoring_errors_total is a counter"),
        ("max_over_time(monitoring_errors_total[5m]) > 5", "monitoring_errors_total is a counter"),
        (
            "sum(monitoring_errors_total) > 5",
            "column 1: sum of monitoring_errors_total, which is a counter: write sum(rate(…))",
        ),
        (
            "rate(sum(rate(monitoring_errors_total[5m]))[5m:1m]) > 5",
            (
                "column 1: rate of a calculated value: it cannot see a counter's reset; "
                "take the rate of each series first, then aggregate: sum(rate(…))"
            ),
        ),
        # --- ranges
        (
            "rate(monitoring_errors_total[19s]) > 1",
            (
                "rate(monitoring_errors_total[19s]) spans less than four scrapes, 5s apart; "
                "write at least [20s]"
            ),
        ),
        ("sum(rate(http_requests_total[59s])) > 1", "15s apart; write at least [1m]"),
        ("avg_over_time(pg_up[4s]) < 1", "spans less than a scrape, 5s apart"),
        ("max_over_time(sum(pg_up)[1m:30s]) < 1", "[1m:30s] has less than four steps"),
        ("pg_up offset -5m < 1", "column 1: offset looks into the future"),
        # --- histograms
        (
            f"histogram_quantile(0.9, sum by (target) (rate({BUCKETS}[5m]))) > 1",
            "column 1: histogram_quantile needs the label le",
        ),
        (
            f"histogram_quantile(0.9, {BUCKETS}) > 1",
            f"histogram_quantile of {BUCKETS} is one of all time",
        ),
        (f"histogram_quantile(90, rate({BUCKETS}[5m])) > 1", "90 is not between 0 and 1"),
        # --- joins
        (
            "pg_up == 0 and on (kind) probe_success == 0",
            'column 20: and on (kind): pg_up == 0 has no label "kind"',
        ),
        ("pg_up == 0 unless ignoring (pod) pg_up", 'neither side has a label "pod"'),
        (
            "pg_up == 0 and probe_success == 0",
            (
                "column 12: and never matches: probe_success == 0 has the labels kind, "
                "which the other side lacks; match on (…)"
            ),
        ),
        ("pg_up * vector(2) > 1", "* never matches: pg_up has the labels instance, job, target"),
        (
            "pg_up * on (target) group_left (version) pg_up == 0",
            'column 33: group_left (version): the other side has no label "version" to give',
        ),
        # --- divisions
        (
            "sum(rate(monitoring_errors_total[5m])) / sum(rate(monitoring_probes_total[5m])) > 0.1",
            (
                "column 40: sum(rate(monitoring_errors_total[5m])) / "
                "sum(rate(monitoring_probes_total[5m])) divides by what may be 0"
            ),
        ),
        ("pg_up / (pg_up > -1) < 1", "divides by what may be 0"),
        ("pg_up / 0 < 1", "column 7: pg_up / 0 divides by 0"),
        # --- conditions
        ("pg_up", "nothing is compared, so that it fires whatever the value is"),
        ("vector(1)", "nothing is compared"),
        ("pg_up < 1 or vector(0)", "nothing is compared"),
        ("pg_up < bool 1", "column 9: bool turns the comparison into 0 or 1, and 0 fires as well"),
        ("pg_up[5m]", "the expression is a range vector; an alert needs an instant vector"),
        ("5", "the expression is a scalar; an alert needs an instant vector"),
        # --- versions, and what is not understood
        (
            "mad_over_time(pg_up[5m]) > 1",
            "column 1: mad_over_time came with Prometheus 2.49; these rules are for 2.42 and newer",
        ),
        ("limitk(2, pg_up) > 1", "limitk came with Prometheus 2.54"),
        ("info(pg_up) > 1", "info came with Prometheus 2.55"),
        ('sort_by_label(pg_up, "target") > 1', "sort_by_label came with Prometheus 2.49"),
        ("double_exponential_smoothing(pg_up[5m],0.1,0.2) > 1", "came with Prometheus 3.0"),
        (
            "holt_winters(pg_up[5m], 0.1, 0.2) > 1",
            "column 1: holt_winters does not exist in every supported version",
        ),
        ("histogram_sum(pg_up) > 1", "column 1: the function histogram_sum is not understood"),
        ("ratte(pg_up[5m]) > 1", 'column 1: there is no function "ratte"; did you mean "rate"?'),
        (
            'pg_up{target="redis" or target="postgresql"} < 1',
            "`or` among matchers is not PromQL",
        ),
    ],
)
def test_a_mistake_in_raw_promql_is_told(text: str, mistake: str) -> None:
    found = check(text, platform()).mistakes
    assert any(mistake in one for one in found), found


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('pg_up{target="postgresql"} < 1', PG_UP),
        ("5 > pg_up", PG_UP),
        ('{__name__="pg_up"} < 1', PG_UP),
        ("avg by (target) (pg_up) < 1", {"target"}),
        ("AVG(pg_up) BY (target) < 1", {"target"}),
        ("avg without (job, instance) (probe_success) < 1", {"target", "kind"}),
        ("count(pg_up == 0)", set()),
        ("topk by (target) (1, pg_up) < 1", PG_UP),
        ('count_values by (target) ("state", pg_up) > 1', {"target", "state"}),
        ("sum by (component) (rate(monitoring_errors_total[20s])) > 0.1", {"component"}),
        ("max_over_time(monitoring_probes_in_flight[5s]) > 9", {"job", "instance"}),
        ("predict_linear(process_open_fds[1h], 3600) > 1e9", {"job", "instance", "service"}),
        ("max_over_time((sum by (target) (pg_up))[10m:1m]) < 1", {"target"}),
        (f"histogram_quantile(0.9, sum by (target, le) (rate({BUCKETS}[5m]))) > 1", {"target"}),
        ('absent(pg_up{target="postgresql",job=~"m.*"})', {"target"}),
        ("absent(sum(pg_up))", set()),
        ("absent_over_time(pg_up[5m])", set()),
        ('label_replace(pg_up, "name", "$1", "target", "(.*)") < 1', {"name", *PG_UP}),
        ('label_replace(pg_up, "job", "", "target", ".*") < 1', {"target", "instance"}),
        ('label_join(avg by (target) (pg_up), "x", "", "target") < 1', {"target", "x"}),
        ("pg_up == 0 and on (target) probe_success == 0", PG_UP),
        ("pg_up unless on (target) probe_success", PG_UP),
        ("pg_up == 0 or probe_success == 0", PG_UP),
        ("(vector(1) unless on () pg_up) or absent(pg_up)", set()),
        ("avg by (target, kind) (probe_success) * on (target) group_right (kind) pg_up < 1",
         {"kind", *PG_UP}),
        ("avg by (target) (pg_up) / on (target) count by (target, job) (pg_up) < 1", {"target"}),
        ("probe_success - ignoring (kind) pg_up < 0", PG_UP),
        ("pg_up / (pg_up > 0) < 1", PG_UP),
        ("pg_up / clamp_min(pg_up, 1) < 1", PG_UP),
        ("(pg_up / pg_up < 1) and pg_up > 0.5", PG_UP),
        ("(pg_up < bool 1) == 1", PG_UP),
        ("time() - monitoring_probe_last_result_timestamp_seconds > 60", {"kind", *PG_UP}),
        ("pg_up < scalar(count(pg_up))", PG_UP),
        ("pg_up offset 1w < 1 # a week ago", PG_UP),
        ("tickettoken_refunds > 10", PG_UP),
    ],
)  # fmt: skip
def test_right_promql_passes_and_its_labels_are_known(text: str, labels: set[str]) -> None:
    checked = check(text, platform())
    assert checked.mistakes == ()
    assert checked.labels == labels


def test_a_label_that_only_some_results_have_is_not_among_the_sure_ones() -> None:
    checked = check("pg_up == 0 or probe_success == 0", platform())
    assert checked.possible - checked.labels == {"kind"}


def test_several_mistakes_are_told_at_once() -> None:
    found = check('rate(pg_up{tagret="x"}[5s]) / pg_dwon', platform()).mistakes
    for part in ('no label "tagret"', "a gauge", "less than four", '"pg_dwon"'):
        assert any(part in one for one in found), found
