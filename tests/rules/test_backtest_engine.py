"""The replay fires when Prometheus' own rules do, evaluation by evaluation.

What is replayed comes from a real Prometheus with backfilled history; what must fire is said to
`promtool test rules`, which evaluates the generated rules over the same values and refuses anything
else: an alert that fires an evaluation too early or too late, or another label set.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from backfilled import Past, remembering

from model.load import load
from model.platform import Platform
from programs import find
from rules.alerts import rule_documents
from rules.backtest.asked import Given, read
from rules.backtest.clock import Firing
from rules.backtest.compare import backtest
from rules.backtest.condition import limits
from rules.backtest.outcome import Outcome
from rules.backtest.replay import Span

ROOT = Path(__file__).resolve().parents[2]
STEP = 5
COUNT = 900
Values = list[float | None]


@cache
def platform() -> Platform:
    return load(ROOT / "config.py")


# --- values that come and go -------------------------------------------------------------------


def toggling(
    seed: int, low: float, high: float, runs: Sequence[int], missing: float = 0.0
) -> Values:
    """Low and high in turns, each for one of so many steps; some values are missing in a row."""
    chance = random.Random(seed)  # noqa: S311 - the same values every time
    values: Values = []
    is_high = False
    while len(values) < COUNT:
        run: Values = [high if is_high else low] * chance.choice(runs)
        if chance.random() < missing:
            run = [None] * len(run)
        values += run
        is_high = not is_high
    return values[:COUNT]


def growing(rates: Values) -> Values:
    """A counter that grows by so much a step."""
    total = 0.0
    values: Values = []
    for rate in rates:
        total += rate or 0.0
        values.append(None if rate is None else total)
    return values


def steady(value: float) -> Values:
    return [value] * COUNT


def history() -> dict[str, Values]:
    """What the alerts below read: every kind of edge near what they wait for."""
    of = 'instance="one",job="monitoring-service"'
    found: dict[str, Values] = {
        'up{job="monitoring-service",instance="one"}': toggling(1, 1, 0, (3, 5, 6, 7, 9, 40, 80)),
        'up{job="prometheus",instance="p"}': steady(1),
        f'monitoring_config_info{{{of},sha256="{platform().sha256}"}}': steady(1),
    }
    for number, service in enumerate(("payment-service", "auth-service", "order-service")):
        for replica in ("one", "two", "three"):
            labels = f'instance="{replica}",job="monitoring-service",target="{service}",kind="http"'
            seed = 10 * number + len(replica)
            found[f"probe_success{{{labels}}}"] = toggling(
                seed, 1, 0, (1, 2, 3, 4, 5, 30, 60), missing=0.15
            )
            found[f'monitoring_target_info{{{labels},config="{platform().sha256}"}}'] = steady(1)
    for number in range(23):
        others = f'{of},target="other-{number}",kind="http"'
        found[f"probe_success{{{others}}}"] = steady(1)
    lost = f'{of},target="search-service",kind="http"'
    found[f'monitoring_target_info{{{lost},config="{platform().sha256}"}}'] = steady(1)
    found[f"probe_success{{{lost}}}"] = toggling(13, 1, 1, (60, 71, 72, 73, 74, 90), missing=0.5)
    found[f'monitoring_maintenance{{{of},target="auth-service"}}'] = toggling(5, 0, 1, (50, 90))
    found[f"tickettoken_refunds{{{of}}}"] = toggling(20, 1, 9, (59, 61, 62, 100), missing=0.1)
    for status, value in (("completed", 15.0), ("failed", 8.0)):
        found[f'tickettoken_payments{{{of},target="payments",status="{status}"}}'] = (
            toggling(21, value, value / 2, (200, 100)) if status == "failed" else steady(value)
        )
    for le, share in (("0.1", 0.3), ("1", 0.6), ("2.5", 1.0), ("+Inf", 1.0)):
        slow = toggling(30, 0.0, 1.0, (60, 90, 140))
        found[f'monitoring_pg_round_trip_seconds_bucket{{{of},target="postgresql",le="{le}"}}'] = (
            growing([10 * (share if one else 1.0) for one in slow])
        )
    found[f'pg_stat_database_deadlocks{{{of},target="postgresql",datid="1",datname="app"}}'] = (
        growing(toggling(40, 0.0, 0.2, (20, 30, 150)))
    )
    wal: Values = [*[3e8] * 250, *[-3e8] * 240, *[3e8] * (COUNT - 490)]
    found[f'pg_wal_size_bytes{{{of},target="postgresql"}}'] = growing(wal)
    found[f'pg_database_size_bytes{{{of},target="postgresql",datname="app"}}'] = steady(5e9)
    found['prometheus_rule_evaluation_failures_total{instance="p",rule_group="a"}'] = growing(
        toggling(60, 0.0, 1.0, (1, 100, 130))
    )
    for status, seed in (("200", 70), ("500", 71)):
        labels = (
            f'job="services",instance="a:1",service="api-gateway",method="GET",route="/",'
            f'status_code="{status}"'
        )
        rates = (
            toggling(seed, 10.0, 10.0, (50,))
            if status == "200"
            else toggling(seed, 0.0, 3.0, (10, 20, 60, 100))
        )
        found[f"http_requests_total{{{labels}}}"] = growing(rates)
    found[f"monitoring_db_pool_waiting_requests{{{of}}}"] = toggling(80, 0, 3, (3, 6, 7, 8, 10, 30))
    found[f"monitoring_db_pool_available_connections{{{of}}}"] = toggling(81, 0, 2, (5, 20, 40))
    found[f'redis_rdb_last_bgsave_status{{{of},target="redis"}}'] = toggling(
        90, 1, 0, (40, 59, 60, 61, 62, 90), missing=0.1
    )
    found[f'redis_aof_last_write_status{{{of},target="redis"}}'] = toggling(91, 1, 0, (70, 100))
    return found


@dataclass(frozen=True)
class Case:
    """An alert, and what is proposed for it."""

    alert: str
    threshold: str | None = None
    for_: str | None = None
    keep_firing_for: str | None = None


CASES = (
    Case("ServiceDown"),  # downward, keep_firing_for, replicas, several targets, maintenance, gaps
    Case("TargetNotProbed"),  # there or not, looks back an hour, the hash of the config
    Case("TargetsMissing"),  # how many there are
    Case("HighRefundRate"),  # a ratio with a least volume, gaps
    Case("DatabaseSlow"),  # a quantile of a histogram's rate
    Case("Deadlocks"),  # the growth of a counter
    Case("DiskFilling"),  # a prediction
    Case("ExporterDown"),  # fires at absence
    Case("RuleEvaluationFailing"),  # without for
    Case("APIErrorRateHigh"),  # a ratio of growths, a long keep_firing_for
    Case("DatabasePoolExhausted"),  # two conditions
    Case("DataLossRisk:redis_persistence"),  # either of two conditions
    Case("ErrorBudgetBurn:1h:availability"),  # recorded series without any history
    Case("ServiceDown", threshold="0.9", for_="15s", keep_firing_for="7s"),
    Case("ServiceDown", for_="0s", keep_firing_for="0s"),
    Case("ErrorBudgetBurn:1h:availability", threshold="0.05", for_="3m"),
    Case("DataLossRisk:redis_persistence", for_="298s"),
)


@pytest.fixture(scope="module")
def past() -> Past:
    start = (int(time.time()) - 2 * COUNT * STEP) // 60 * 60
    return Past(start, STEP, dict(history()))


def _unseen(_: datetime) -> None:
    """Nobody looks."""


async def replayed(case: Case, past: Past, url: str) -> Outcome:
    given = Given(
        alert=case.alert,
        thresholds=(case.threshold,) if case.threshold else (),
        for_=case.for_,
        keep_firing_for=case.keep_firing_for,
        since=f"{COUNT * STEP}s",
        prometheus=url,
        prometheus_credentials=None,
        ledger=None,
        ledger_token=None,
        outputs=(),
    )
    now = datetime.fromtimestamp(past.end, UTC)
    return await backtest(read(given, platform()), platform(), now, _unseen, picture=False)


# --- the engine -----------------------------------------------------------------------------------


def changed(rule: dict[str, Any], case: Case, outcome: Outcome) -> dict[str, Any]:
    """The generated rule with what is proposed put into its text."""
    found = dict(rule)
    if case.threshold is not None:
        ((comparison, old),) = limits(outcome.asked.alert.expr)
        before, after = (f"{comparison.value} {number}" for number in (f"{old:f}", case.threshold))
        found["expr"] = found["expr"].replace(before, after)
    if case.for_ is not None:
        found["for"] = case.for_
    if case.keep_firing_for is not None:
        found["keep_firing_for"] = case.keep_firing_for
    return {name: value for name, value in found.items() if value != "0s"}


def rules_of(case: Case) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The generated rule of an alert, and the recording rules that it reads."""
    name, *told = case.alert.split(":")
    every = [
        rule
        for parts in rule_documents(platform()).values()
        for part in parts
        for rule in part["rules"]
    ]
    (own,) = [
        rule
        for rule in every
        if rule.get("alert") == name and {*told} <= {*rule["labels"].values()}
    ]
    recorded: list[dict[str, Any]] = []
    waiting = [own]
    while waiting:
        read_by_it = waiting.pop()["expr"]
        for rule in every:
            if "record" in rule and rule["record"] in read_by_it and rule not in recorded:
                recorded.append(rule)
                waiting.append(rule)
    return own, [rule for rule in every if rule in recorded]


def checks(name: str, firings: Sequence[Firing], first: int) -> Iterator[dict[str, Any]]:
    """That an alert fires in these and nowhere else: around every edge, and at every fifth."""
    labels = sorted({label for one in firings for label, _ in one.labels})
    by = f" by ({', '.join(labels)})" if labels else ""
    edges = {edge - first for one in firings for edge in (one.span.first, one.span.end)}
    around = {edge + by for edge in edges for by in (-2, -1, 0, 1)}
    for number in sorted({*range(0, COUNT, 5), *around} & {*range(COUNT)}):
        tick = first + number
        at = [one.labels for one in firings if one.span.first <= tick < one.span.end]
        samples = [
            {"labels": "{" + ",".join(f'{n}="{v}"' for n, v in one) + "}", "value": at.count(one)}
            for one in dict.fromkeys(at)
        ]
        yield {
            "expr": f'count{by}(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": f"{number * STEP}s",
            "exp_samples": samples,
        }


def notation(values: Sequence[float | None]) -> str:
    return " ".join("_" if value is None else f"{value!r}" for value in values)


def engine_objections(
    past: Past, rules: Sequence[Any], tests: Sequence[Any], directory: Path
) -> str:
    """What promtool says against tests of rules over a history."""
    document = {
        "rule_files": ["x.rules.yml"],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [
                    {"series": series, "values": notation(values)}
                    for series, values in past.series.items()
                ],
                "promql_expr_test": list(tests),
            }
        ],
    }
    group = {"name": "x", "interval": f"{STEP}s", "rules": list(rules)}
    write(directory / "x.rules.yml", {"groups": [group]})
    write(directory / "x.test.yml", document)
    done = subprocess.run(
        [find("promtool"), "test", "rules", "x.test.yml"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def write(path: Path, document: Any) -> None:
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper))


async def test_alerts_fire_at_exactly_the_evaluations_at_which_prometheus_own_rules_do(
    past: Past, tmp_path: Path
) -> None:
    rules: dict[str, Any] = {}
    tests: list[Any] = []
    with remembering(past, tmp_path / "prometheus") as prometheus:
        for number, case in enumerate(CASES):
            outcome = await replayed(case, past, prometheus.url)
            variant, name = outcome.variants[-1], f"Case{number}"
            assert any(not one.began_before for one in variant.firings), case
            assert any(not one.goes_on for one in variant.firings), case
            own, recorded = rules_of(case)
            rules |= {f"{one['record']}{one.get('labels')}": one for one in recorded}
            rules[name] = {**changed(own, case, outcome), "alert": name}
            tests += checks(name, variant.firings, outcome.window.first)
    assert engine_objections(past, list(rules.values()), tests, tmp_path) == ""


async def test_an_evaluation_too_early_is_told_from_the_engine_s(
    past: Past, tmp_path: Path
) -> None:
    """What the test above is worth: it fails for a replay that is off by one evaluation."""
    case = Case("RuleEvaluationFailing")
    with remembering(past, tmp_path / "prometheus") as prometheus:
        outcome = await replayed(case, past, prometheus.url)
    own, _ = rules_of(case)
    early = [
        replace(one, span=Span(one.span.first - 1, one.span.end)) for one in outcome.today.firings
    ]
    tests = list(checks(own["alert"], early, outcome.window.first))
    assert "FAILED" in engine_objections(past, [own], tests, tmp_path)
