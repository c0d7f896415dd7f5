"""Another threshold in a condition, the value held against it, and rules without history."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import promql_parser
import pytest

from model import (
    And,
    Match,
    Or,
    Recording,
    Unless,
    avg_over_time,
    hours,
    metrics,
    minutes,
    observed,
    rate,
    recorded,
    seconds,
    select,
    sum_by,
)
from model.promql import EACH_DAY, Always, Expr, Usual
from rules.backtest.condition import limits, values, with_thresholds
from rules.backtest.inline import CannotInlineError, inlined

UP, CLIENTS = observed(metrics.PG_UP), observed(metrics.REDIS_CONNECTED_CLIENTS)
BLOCKED = observed(metrics.REDIS_BLOCKED_CLIENTS)
TARGET = ("target",)


def changed(expr: Expr, **numbers: str) -> str:
    by_old = {Decimal(old[1:]): Decimal(new) for old, new in numbers.items()}
    return str(with_thresholds(expr, by_old))


# --- thresholds ---------------------------------------------------------------------------------


def test_a_comparison_gets_another_number() -> None:
    assert changed(CLIENTS > 10, _10="12.5") == f"{CLIENTS} > 12.5"


def test_what_only_guards_a_condition_keeps_its_number() -> None:
    guarded = And(CLIENTS > 10, BLOCKED < 10)
    assert changed(guarded, _10="12") == f"{CLIENTS} > 12 and {BLOCKED} < 10"
    assert changed(Unless(CLIENTS > 10, BLOCKED > 10), _10="12").endswith(f"unless {BLOCKED} > 10")


def test_two_windows_that_are_held_against_one_number_both_get_the_other_one() -> None:
    both = And(CLIENTS > 10, BLOCKED > 10)
    assert changed(both, _10="12") == f"{CLIENTS} > 12 and {BLOCKED} > 12"


def test_each_of_two_alternatives_has_its_own_number() -> None:
    either = Or(CLIENTS > 10, BLOCKED > 20)
    assert changed(either, _20="25") == f"{CLIENTS} > 10 or {BLOCKED} > 25"
    assert [number for _, number in limits(either)] == [10, 20]


def test_what_is_there_or_not_has_no_threshold_and_no_value() -> None:
    for expr in (Always(), Unless(UP, CLIENTS > 10)):
        assert limits(expr) == []
        assert values(expr) == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (CLIENTS > 10, [str(CLIENTS)]),
        (And(CLIENTS > 10, UP < "0.5"), [f"{CLIENTS} and {UP} < 0.5"]),
        (Or(CLIENTS > 10, BLOCKED > 10), [str(CLIENTS), str(BLOCKED)]),
        (
            And(CLIENTS > 10, BLOCKED > 10),
            [f"({CLIENTS} <= {BLOCKED}) or ({BLOCKED} and {CLIENTS})"],
        ),
        (
            And(CLIENTS < 10, BLOCKED < 10, on=TARGET),
            [
                (
                    f"({CLIENTS} >= on (target) {BLOCKED}) or on (target) "
                    f"({BLOCKED} and on (target) {CLIENTS})"
                )
            ],
        ),
    ],
)
def test_a_value_is_what_would_have_to_be_beyond_the_threshold(
    condition: Expr, expected: list[str]
) -> None:
    assert [str(one) for one in values(condition)] == expected
    for text in expected:
        promql_parser.parse(text)


# --- recording rules without history --------------------------------------------------------------

REQUESTS = Recording(
    name="service:http_requests:rate1m",
    group="traffic",
    expr=sum_by(rate(select(metrics.HTTP_REQUESTS), minutes(1)), "service"),
    labels={"kind": "http"},
)
USUAL = Recording(
    name="service:http_requests:rate1h",
    group="traffic",
    expr=sum_by(avg_over_time(recorded(REQUESTS), hours(1)), "service"),
)
INNER = 'label_replace((sum by (service) (rate(http_requests_total[1m]))), "kind", "http", "", "")'


def anew(expr: Expr, *young: Recording) -> str:
    found = str(inlined(expr, frozenset(one.key for one in young), _every))
    promql_parser.parse(found)
    return found


def _every(_: Recording) -> timedelta:
    return seconds(5)


def test_what_has_history_is_read_and_what_has_none_is_calculated() -> None:
    condition = recorded(USUAL) > 10
    assert anew(condition) == str(condition)
    assert anew(condition, USUAL) == (
        '(sum by (service) (avg_over_time(service:http_requests:rate1m{kind="http"}[1h]))) > 10'
    )
    assert anew(condition, USUAL, REQUESTS) == (
        f"(sum by (service) (avg_over_time(({INNER})[1h:5s]))) > 10"
    )


def test_what_was_recorded_earlier_is_calculated_of_earlier_samples() -> None:
    usual = Usual(recorded(REQUESTS), at=EACH_DAY[:1], at_least=1)
    assert "http_requests_total[1m] offset 1d" in anew(usual > 10, REQUESTS)


def test_one_label_of_what_is_calculated_is_chosen_by_its_value_and_nothing_else() -> None:
    one = recorded(REQUESTS, service="web")
    only = 'and on (service) label_replace(vector(1), "service", "web", "", "")'
    assert anew(one > 10, REQUESTS) == f"({INNER} {only}) > 10"
    some = recorded(REQUESTS).where(Match.REGEX, service="w.*")
    with pytest.raises(CannotInlineError, match="narrowed by equal labels alone"):
        anew(some > 10, REQUESTS)
