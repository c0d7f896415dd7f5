"""Platforms for tests of dashboards, and what stands on the dashboards made from them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model import (
    Alert,
    Always,
    Contact,
    Email,
    EscalationStep,
    Platform,
    Postgres,
    Redis,
    Service,
    Severity,
    Slo,
    SqlMetrics,
    SqlValue,
    TimeUntil,
    Unless,
    Uptime,
    Webhook,
    metrics,
    minutes,
    observed,
    quantile,
    select,
)
from model.load import load
from model.promql import Count, Expr
from programs import find
from rules.dashboards import ALERTS, OVERVIEW, build

RANGES = {"$__rate_interval": "1m", "$__range": "1h"}

Json = dict[str, Any]
Show = Callable[[Platform], Json]


def alert(name: str, expr: Expr, **settings: Any) -> Alert:
    given = {
        "group": "tiny",
        "for_": minutes(1),
        "severity": "critical",
        "summary": "s",
        "description": "d",
    }
    return Alert(name=name, expr=expr, service="s", **{**given, **settings})


DOWN = alert("ServiceDown", observed(metrics.PROBE_SUCCESS, kind="http") < "0.5")
SLOW = alert("DatabaseSlow", quantile("0.95", metrics.PG_ROUND_TRIP, minutes(5)) > "1.5")
EXPIRING = alert(
    "CertificateExpiring",
    TimeUntil(observed(metrics.PROBE_SSL_EARLIEST_CERT_EXPIRY)) < 86400,
)
FEW = alert("FewTargets", Count(observed(metrics.PROBE_SUCCESS, by=("target",))) <= 1)
GONE = alert(
    "Gone",
    Unless(observed(metrics.TARGET_INFO), observed(metrics.PROBE_SUCCESS), on=("target",)),
)
WATCHDOG = alert("Watchdog", Always(), severity=None)


def tiny(*services: str, alerts: tuple[Alert, ...] = (), **settings: Any) -> Platform:
    names = services or ("auth", "venue")
    given: Json = {
        "name": "tiny",
        "services": tuple(Service(name=n, port=3000 + i) for i, n in enumerate(names)),
        "severities": (
            Severity(name="critical", response_time=minutes(5), channels=("email",)),
            Severity(name="warning", response_time=minutes(60), channels=("email",)),
        ),
        "channels": (Email(to=("a@example.com",), sender="b@example.com", smarthost="mail:25"),),
        "contacts": (Contact(role="on-call", title="On call", email="a@example.com"),),
        "alerts": alerts,
        "base_url": "https://monitoring.example.com",
        "dead_mans_switch": "https://example.com/switch",
    }
    return Platform(**{**given, **settings})


def full(*services: str) -> Platform:
    """A tiny platform that has something for every panel."""
    alerts = (DOWN, SLOW, EXPIRING, FEW, GONE, WATCHDOG)
    stores: Json = {"postgres": (Postgres(),), "redis": (Redis(),)}
    return tiny(*services, alerts=alerts, **stores)


def rich() -> Platform:
    """A tiny platform that has whatever a dashboard may show."""
    sales = SqlMetrics(
        name="sales",
        query="SELECT now, before FROM sales",
        values=(
            SqlValue(column="now", metric_name="tiny_sales", help="Sales of an hour."),
            SqlValue(
                column="before", metric_name="tiny_sales_before", help="Before.", beside="now"
            ),
        ),
    )
    uptime = Slo(
        name="uptime",
        group="objectives",
        objective="0.999",
        sli=Uptime(select(metrics.PROBE_SUCCESS, kind="http")),
    )
    critical = Severity(
        name="critical",
        response_time=minutes(5),
        channels=("email",),
        escalation=(EscalationStep(after=minutes(5), to="on-call"),),
    )
    telling = (metrics.HTTP_REQUESTS, metrics.HTTP_REQUEST_DURATION, metrics.QUEUE_SIZE)
    return tiny(
        alerts=(DOWN, SLOW, EXPIRING, FEW, GONE, WATCHDOG),
        services=(
            Service(name="auth", port=3000, exposes=telling),
            Service(name="mint", port=3001, exposes=(metrics.MINTS, metrics.MINTS_FAILED)),
        ),
        postgres=(Postgres(),),
        redis=(Redis(),),
        sql=(sales,),
        recordings=(uptime.budget_left(),),
        severities=(critical,),
        ledger=Webhook(url="http://monitoring:3017/api/alertmanager/webhook"),
    )


def ours() -> Platform:
    return load(Path("config.py"))


def text_of(platform: Platform) -> str:
    return build(platform)[OVERVIEW]


def dashboard(platform: Platform) -> Json:
    document: Json = json.loads(text_of(platform))
    return document


def alerts_board(platform: Platform) -> Json:
    document: Json = json.loads(build(platform)[ALERTS])
    return document


def boards_of(platform: Platform) -> dict[str, Json]:
    """Every dashboard, by its file."""
    return {path: json.loads(text) for path, text in build(platform).items()}


def everything_on(document: Json) -> list[Json]:
    return list(document.get("panels", ()))


def panels_of(document: Json) -> list[Json]:
    """The panels that show something: rows only head them."""
    return [panel for panel in everything_on(document) if panel["type"] != "row"]


def panel(document: Json, title: str) -> Json:
    [found] = [panel for panel in panels_of(document) if panel["title"] == title]
    return found


def exprs(document: Json, title: str) -> list[str]:
    return [target["expr"] for target in panel(document, title)["targets"]]


def expressions(document: Json) -> list[str]:
    return [target["expr"] for panel in panels_of(document) for target in panel["targets"]]


def bare(expression: str) -> str:
    """An expression with something that can be parsed in the place of Grafana's variables."""
    for variable, value in RANGES.items():
        expression = expression.replace(variable, value)
    return re.sub(r"\$\w+", ".*", expression)


def cells(shown: Json) -> set[tuple[int, int]]:
    """The cells of the grid that a panel covers."""
    place = shown["gridPos"]
    return {
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }


def threshold_steps(shown: Json) -> list[tuple[float | None, str]]:
    steps = shown["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    return [(step["value"], step["color"]) for step in steps]


def promtool_agrees(
    series: list[dict[str, str]], expected: dict[str, dict[str, float]], directory: Path
) -> None:
    """Evaluate expressions over series, and compare their results."""
    tests = [
        {
            "expr": expression,
            "eval_time": "5m",
            "exp_samples": [{"labels": k, "value": v} for k, v in results.items()],
        }
        for expression, results in expected.items()
    ]
    document = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}]}
    file = directory / "tests.yml"
    file.write_text(json.dumps(document), encoding="utf-8")
    ran = subprocess.run(
        [str(find("promtool")), "test", "rules", str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


PLATFORMS = {"bare": tiny(), "tiny": full(), "rich": rich(), "config.py": ours()}
EVERY = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
