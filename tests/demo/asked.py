"""What the dashboards ask Prometheus when somebody opens them, Grafana's variables put in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from demo.api import Api
from model.durations import parse, prometheus
from model.platform import Platform
from rules.dashboards import build

Json = dict[str, Any]

# A zero that a query brings itself tells nothing of whether its series are there.
_OR_ZERO = " or vector(0)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel, as Grafana sends it."""

    board: str
    panel: str
    ref_id: str
    expr: str
    # What the panel says where there is nothing.
    empty: str | None

    @property
    def title(self) -> str:
        """The panel's title, without what tells an alert's panel from the others."""
        return self.panel.removeprefix("Alert: ")

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.board}: {self.panel}: {self.ref_id}"


def asked(platform: Platform, **chosen: str) -> list[Asked]:
    """Every query of every dashboard, with these choices of variables instead of the first ones."""
    found = []
    for path, text in build(platform).items():
        board = json.loads(text)
        found += list(_of_board(PurePosixPath(path).stem, board, platform, chosen))
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """What a query returns for one set of labels."""

    labels: Mapping[str, str]
    value: float


async def answered(api: Api, query: Asked, at: float | None = None) -> list[Line]:
    """What a query returns, now or at a unix time. What is no number is no data."""
    found = await api.instant(query.expr, at)
    lines = [Line(one["metric"], float(one["value"][1])) for one in found]
    return [line for line in lines if not math.isnan(line.value)]


async def has_data(api: Api, query: Asked) -> bool:
    """Whether there is anything but the zero that the query brings itself."""
    return bool(await answered(api, replace(query, expr=query.expr.replace(_OR_ZERO, ""))))


async def filled(api: Api, queries: list[Asked]) -> set[str]:
    """The titles of the panels that show something now."""
    return {query.title for query in queries if await has_data(api, query)}


async def on_panel(api: Api, queries: list[Asked], board: str, title: str) -> list[Line]:
    """What a panel shows now, of all its queries."""
    own = [one for one in queries if (one.board, one.panel) == (board, title)]
    assert own, f"there is no panel {title} on {board}"
    return [line for query in own for line in await answered(api, query)]


def _of_board(
    name: str, board: Json, platform: Platform, instead: Mapping[str, str]
) -> Iterator[Asked]:
    chosen = dict(map(_chosen, _choices(board)))
    chosen |= {f"${key}": value for key, value in instead.items()}
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            variables = {**chosen, **_ranges(target, platform)}
            yield Asked(
                board=name,
                panel=panel["title"],
                ref_id=target["refId"],
                expr=_put_in(target["expr"], variables),
                empty=panel["fieldConfig"]["defaults"].get("noValue"),
            )


def _choices(board: Json) -> list[Json]:
    return [one for one in board["templating"]["list"] if one["type"] == "custom"]


def _chosen(variable: Json) -> tuple[str, str]:
    """What is chosen when the dashboard is opened."""
    chosen = variable["current"]["value"]
    value = chosen if isinstance(chosen, str) else "|".join(chosen)
    return f"${variable['name']}", variable["allValue"] if value == "$__all" else value


def _ranges(target: Json, platform: Platform) -> dict[str, str]:
    """As Grafana does it for an hour on a wide screen: four scrapes make a rate."""
    every = parse(target.get("interval") or prometheus(platform.watched_by.scrape_interval))
    return {"$__rate_interval": prometheus(4 * every), "$__range": "1h"}


def _put_in(expr: str, variables: Mapping[str, str]) -> str:
    for name in sorted(variables, key=len, reverse=True):
        expr = expr.replace(name, variables[name])
    return expr


# --- what rightly returns nothing ---------------------------------------------------------------

_NO_TLS = "no service of the demo is probed over TLS"
_NO_SLOT = "the demo's Postgres has no replication slot"
_NO_LIMIT = "it depends on whether this machine's cgroup limits memory"
_NOBODY = "nobody has acknowledged, marked or missed an alert yet"
_WELL = "it has a line only while something is wrong"

# By the titles of panels; an alert's panel has the same one on each dashboard. Nothing in the demo
# can make these return anything.
NEVER: Mapping[str, str] = MappingProxyType(
    {
        "CertificateExpiring": _NO_TLS,
        "Certificate expires in": _NO_TLS,
        "Time until a certificate expires": _NO_TLS,
        "CacheHitRatioLow": "it counts from 100,000 blocks in 10 minutes, and nobody works there",
        "DataLossRisk (cause=standby_lag, severity=critical)": "there is no standby",
        "WAL kept for replication slots": _NO_SLOT,
        "DataLossRisk (cause=backup_too_old, severity=critical)": "no backup has been made",
        "RedisMemoryHigh": "the demo's Redis has no maxmemory",
        "Look-ups that found a key": "nobody asks the demo's Redis for a key",
        "HighMemoryUsage (process=service, severity=warning)": "config.py gives no memory_limit",
        "TrafficSpike": "it compares with a week of history, which there is not",
    }
)
# These return something now and then: while something is wrong, or on some machines. All of both
# have shown something while every alert was fired (test_scenarios.py), but for LATER, which people
# and what they run bring about (test_ledger_chain.py), and NOWHERE.
NOT_ALWAYS: Mapping[str, str] = MappingProxyType(
    {
        "HighMemoryUsage (process=exporter, severity=warning)": _NO_LIMIT,
        "Memory": _NO_LIMIT,
        "DataLossRisk (cause=inactive_slot, severity=critical)": _NO_SLOT,
        "Open alerts": _WELL,
        "Firing": _WELL,
        "Firing alerts": _WELL,
        "Firing alerts, by severity": _WELL,
        "Firing alerts, by name": _WELL,
        "Failure reasons": _WELL,
        "Most failing, the 10 worst services": _WELL,
        "Statistics that cannot be read": _WELL,
        "TargetNotProbed": _WELL,
        "ServiceMetricsMissing": _WELL,
        "ConfigDrift": _WELL,
        "AlertUnacknowledgedTeamLead": _WELL,
        "AlertUnacknowledgedManager": _WELL,
        "AlertUnacknowledgedOnCall": _WELL,
        "EscalationFailOpenCritical": _WELL,
        "EscalationFailOpenError": _WELL,
        "AlertLedgerDown": _WELL,
        "Waiting to be acknowledged": _WELL,
        "Acknowledged or not": _NOBODY,
        "Fired": _WELL,
        "Mean time to acknowledge": _NOBODY,
        "Mean time to resolve": _WELL,
        "Time to page, from firing to delivery": _WELL,
        "False positives": _NOBODY,
        "Responses that came too late": _NOBODY,
    }
)
LATER = frozenset(
    {
        "False positives",
        "Look-ups that found a key",
        "Mean time to acknowledge",
        "Responses that came too late",
    }
)
NOWHERE: Mapping[str, str] = MappingProxyType(
    {
        "Statistics that cannot be read": (
            "the demo's role may read all; tests/probers has the metric of one that may not"
        ),
    }
)
