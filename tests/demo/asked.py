"""What the dashboards ask Prometheus when somebody opens them, Grafana's variables put in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
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

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.board}: {self.panel}: {self.ref_id}"


def asked(platform: Platform) -> list[Asked]:
    """Every query of every dashboard."""
    found = []
    for path, text in build(platform).items():
        board = json.loads(text)
        found += list(_of_board(PurePosixPath(path).stem, board, platform))
    return found


async def series(api: Api, query: Asked) -> dict[tuple[tuple[str, str], ...], float]:
    """What a query returns, by labels. What is no number is no data."""
    answer = await api.instant(query.expr.replace(_OR_ZERO, ""))
    values = {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in answer}
    return {labels: value for labels, value in values.items() if not math.isnan(value)}


def _of_board(name: str, board: Json, platform: Platform) -> Iterator[Asked]:
    chosen = dict(map(_chosen, _choices(board)))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            variables = {**chosen, **_ranges(target, platform)}
            yield Asked(name, panel["title"], target["refId"], _put_in(target["expr"], variables))


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
