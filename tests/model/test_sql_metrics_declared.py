"""SQL metrics in a config: their names join the catalogue, and each mistake is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.declared import ConfigError
from model.load import load
from model.metric import Collapse, Metric, MetricType

CONFIG = """\
from model import *

SQL = SqlMetrics(
    name="payments",
    query="SELECT status, count(*) AS n FROM payments GROUP BY status",
    key_labels=("status",),
    values=(SqlValue(column="n", metric_name="shop_payments", help="Payments by status."),),
)
CONFIG = Platform(
    name="shop",
    services=(Service(name="web", port=80),),
    postgres=(Postgres(),),
    sql=(SQL,),
    severities=(Severity(name="error", response_time=None, channels=("slack",)),),
    channels=(Slack(webhook_url_file="/run/slack", channel="#ops"),),
    contacts=(),
    alerts=(
        Alert(
            name="Payments",
            group="business",
            expr=observed(SQL.metric("shop_payments"), status="failed") > 5,
            for_=minutes(1),
            severity="error",
            summary="{{ $labels.target }}",
            description="d",
        ),
    ),
    base_url="https://monitoring.example.org",
    dead_mans_switch="https://switch.example.org",
)
"""


def written(directory: Path, text: str) -> Path:
    file = directory / "shop.py"
    file.write_text(text)
    return file


def test_a_metric_of_a_query_is_a_metric_like_any_other(tmp_path: Path) -> None:
    platform = load(written(tmp_path, CONFIG))
    assert platform.sql_metrics == (
        Metric(
            "shop_payments",
            MetricType.GAUGE,
            "Payments by status.",
            ("target", "status"),
            collapse=Collapse.MAX,
        ),
    )
    assert str(platform.alerts[0].expr) == ('max by (target) (shop_payments{status="failed"}) > 5')
    assert [target.kind for target in platform.targets] == ["http", "postgres", "sql"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"shop_payments"', '"shop_payments_total"', "a counter's ends with _total"),
        ('"shop_payments"', '"shop_payments_count"', "like a part of a histogram"),
        ('"shop_payments"', '"Shop-Payments"', "is not lower-case letters, digits"),
        ('"shop_payments"', '"up"', "there is a metric up already, the exporter's own"),
        ('"Payments by status."', '""', "help: write one line"),
        ('help="P', 'unit="seconds", help="P', "does not end with its unit, seconds"),
        ('("status",)', '("target",)', '"target" is attached by the exporter or by Prometheus'),
        ('("status",)', '("Status",)', '"Status" is not lower-case letters'),
        ('("status",)', '("status", "n")', "key_labels and values: n is named twice"),
        ('help="P', 'beside="m", help="P', '"n" is drawn beside "m", which is no value'),
        ('help="P', 'beside="n", help="P', '"n" is drawn beside "n", which is no value'),
        ("query=", "row_limit=0, query=", "row_limit: must be at least 1"),
        ("query=", 'url="postgresql://x/y", query=', "name the server by `postgres`"),
        ("query=", 'variable="lower", query=', "an environment variable's name in capitals"),
        ("query=", 'postgres="postgres", query=', 'is no Postgres "postgres"; did you mean "postg'),
        ("query=", "timeout=minutes(2), query=", "timeout: 2m must be shorter than the interval"),
        ('"SELECT status, count(*) AS n FROM payments GROUP BY status"', '" ;"', "query: is empty"),
        (".metric(\"shop_payments\")", ".metric(\"shop_payment\")", 'did you mean "shop_payments"'),
        ('status="failed"', 'state="failed"', 'shop_payments has no label "state"; did you mean'),
        ("sql=(SQL,)", "sql=(SQL, SQL)", "there is a metric shop_payments already, of SQL metrics"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CONFIG
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, CONFIG.replace(old, new)))
    told = [str(problem) for problem in raised.value.problems]
    assert any(says in one for one in told), told
    assert all("shop.py:" in one for one in told)
    # What an alert says of a label that is renamed, or of a query declared twice, is wrong, too.
    if "SQL" not in new and "status" not in old:
        assert len(told) == 1, told
