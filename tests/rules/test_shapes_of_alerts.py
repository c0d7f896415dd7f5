"""Whatever an alert compares, its generated tests notice how soon it ends and who is averaged.

Each alert stands for what one kind of condition needs tests of its own for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from model import (
    And,
    Or,
    Ratio,
    avg_over_time,
    collapsed,
    hours,
    increase,
    metrics,
    minutes,
    observed,
    predict_linear,
    rate,
    select,
    sum_by,
)
from model.alerts import Alert
from model.load import load
from model.promql import Expr
from rules.compile import compile_files
from rules.mutate.subjects import subjects
from rules.mutate.trial import Outcome, run

TINY = Path(__file__).parent / "tiny_config.py"
LONG = minutes(5)


def tried(expr: Expr, *, keep: int = 0) -> Outcome:
    service = "target" if "target" in expr.labels else "service"
    alert = Alert(
        name="Busy",
        group="availability",
        expr=expr,
        for_=minutes(1),
        keep_firing_for=minutes(keep),
        severity="info",
        service=f"{{{{ $labels.{service} }}}}",
        summary="s",
        description="d",
    )
    files = compile_files(load(TINY).model_copy(update={"alerts": (alert,)}))
    found = next(one for one in subjects(files) if one.name == "Busy")
    (outcome,) = run([found], frozenset(), quick=False)
    return outcome


RATE = sum_by(rate(select(metrics.HTTP_REQUESTS), LONG), "service") > 10
HIT = collapsed(increase(select(metrics.PG_STAT_DATABASE_BLKS_HIT), LONG))
READ = collapsed(increase(select(metrics.PG_STAT_DATABASE_BLKS_READ), LONG))
SHARE = Ratio(HIT, HIT + READ, at_least=50) < "0.9"
AVERAGE = collapsed(avg_over_time(select(metrics.PROBE_SUCCESS, kind="http"), LONG)) < "0.5"
PREDICTED = collapsed(predict_linear(select(metrics.PG_WAL_SIZE), hours(1), hours(4))) > 1000


@pytest.mark.parametrize(
    "expr", [RATE, SHARE, AVERAGE, PREDICTED], ids=["rate", "share", "average", "line"]
)
def test_that_it_fires_longer_than_its_cause_is_noticed(expr: Expr) -> None:
    assert "keep_firing_for +" in tried(expr).caught


def test_every_change_of_how_long_it_is_to_fire_on_is_noticed() -> None:
    changes = {"keep_firing_for +", "keep_firing_for -", "keep_firing_for 0"}
    assert changes <= set(tried(RATE, keep=2).caught)


def test_how_long_a_range_knows_the_line_that_it_predicts_from_is_noticed() -> None:
    assert {"range doubled", "range halved"} <= set(tried(PREDICTED).caught)


def test_that_an_average_over_a_range_is_one_of_all_replicas_is_noticed() -> None:
    aggregations = {f"avg -> {other}" for other in ("max", "min", "sum", "count")}
    assert aggregations <= set(tried(AVERAGE).caught)


@pytest.mark.parametrize("kind", [And, Or])
def test_that_either_of_two_conditions_is_one_of_all_replicas_is_noticed(
    kind: type[And | Or],
) -> None:
    first = observed(metrics.PG_UP) < "0.5"
    second = observed(metrics.PG_REPLICATION_IS_REPLICA) < "0.5"
    caught = set(tried(kind(first, second)).caught)
    for nth in ("", " (2)"):
        assert {f"avg -> {other}{nth}" for other in ("max", "min", "sum", "count")} <= caught
        assert f"< -> !={nth}" in caught
