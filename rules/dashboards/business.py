"""The business dashboard: what the config's SQL tells, queues, and the alerts about both."""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.metric import Metric, MetricType
from model.platform import Platform
from model.promql import Ratio, collapsed, max_by, select, sum_by
from model.sql import SqlMetrics, SqlValue
from rules.dashboards import queries
from rules.dashboards.board import Board, written
from rules.dashboards.choices import SERVICES
from rules.dashboards.page import Section, choose_services, evenly
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    Panel,
    Query,
    Text,
    asked,
    color_lines,
    line_panel,
)
from rules.dashboards.ranges import per_second
from rules.dashboards.topics import QUEUES, Topic, alerts_about, conditions, named
from rules.dashboards.units import COUNT, PER_SECOND, SECONDS, SHARE, of_metric

UID = "monitoring-business"

_HEIGHT = 8
# Words for outcomes that most platforms have.
_OUTCOMES = {
    "completed|succeeded|paid": GREEN,
    "failed|declined": VERMILLION,
    "refunded": ORANGE,
    "pending": SKY_BLUE,
    "disputed|cancelled": PURPLE,
}


def build(platform: Platform) -> str:
    """The dashboard's file."""
    alerts = alerts_about(Topic.BUSINESS, platform)
    choice = choose_services(platform, "Narrows the alerts that are about services.")
    return written(
        Board(
            uid=UID,
            title="Business",
            about="What is sold, refunded and waiting, and whether that is as usual.",
            sections=_sections(platform),
            alerts=named(alerts),
            variables=(choice,) if any(SERVICES.concerns(one.expr) for one in alerts) else (),
        ),
        platform,
    )


def has_business(platform: Platform) -> bool:
    """Whether there is anything to show."""
    return bool(platform.sql or _exposed(platform))


def _sections(platform: Platform) -> Iterator[Section]:
    panels = [panel for source in platform.sql for panel in _of_query(source)]
    if panels:
        yield Section(evenly(panels), _HEIGHT, "What the databases tell")
    if queues := [_queue(metric) for metric in QUEUES if metric in _exposed(platform)]:
        yield Section(evenly(queues), _HEIGHT, "What waits")
    if names.MINTS in _exposed(platform):
        every = queries.services_are_scraped(platform)
        yield Section(evenly([_mints(every), _failed_mints(every)], 2), _HEIGHT, "Minting")
    if platform.sql:
        yield Section(evenly([_freshness()]), _HEIGHT, "Whether these figures are of now")
    yield from conditions(Topic.BUSINESS, platform)


def _exposed(platform: Platform) -> set[Metric]:
    return {metric for service in platform.services for metric in service.exposes}


# --- by SQL -------------------------------------------------------------------------------------


def _of_query(source: SqlMetrics) -> Iterator[Panel]:
    """A panel for each value of a query, with those that are to be compared with it."""
    beside = {value.column: value.beside for value in source.values if value.beside}
    for value in source.values:
        if value.column in beside:
            continue
        shown = [value, *(one for one in source.values if one.beside == value.column)]
        yield _values(source, shown)


def _values(source: SqlMetrics, values: list[SqlValue]) -> Panel:
    metrics = [source.metric(value.metric_name) for value in values]
    keys = " ".join(f"{{{{{label}}}}}" for label in source.key_labels)
    asks = [
        _value(metric, keys or value.column.replace("_", " "))
        for metric, value in zip(metrics, values, strict=True)
    ]
    text = Text(
        _title(values[0]),
        " ".join(value.help for value in values)
        + f" Read by the query {source.name} of config.py. If it is not what you expect, run that "
        "query yourself; if there is no line, SqlMetricsFailing says so.",
    )
    counts = metrics[0].type is MetricType.COUNTER
    panel = line_panel(text, asks, PER_SECOND if counts else of_metric(metrics[0]))
    return color_lines(panel, _OUTCOMES) if source.key_labels else panel


def _value(metric: Metric, legend: str) -> Query:
    selector = select(metric)
    if metric.type is MetricType.COUNTER:
        return asked(collapsed(per_second(selector)), legend)
    return asked(collapsed(selector), legend)


def _title(value: SqlValue) -> str:
    """Its help's first part: `Payments made in the last hour, by status.` up to the full stop."""
    return value.help.rstrip(".").partition(", in ")[0]


# --- by services --------------------------------------------------------------------------------


def _queue(metric: Metric) -> Panel:
    text = Text(
        f"{metric.help.rstrip('.')}",
        "How many wait, by queue. If it only rises: do the workers run, and is what they need "
        "well? A peak that is worked off again is a sale.",
    )
    labels = tuple(label for label in metric.labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in sorted(labels, reverse=True))
    return line_panel(text, [asked(max_by(select(metric), *labels), legend)], COUNT)


def _mints(every: str) -> Panel:
    text = Text(
        "Mints per second",
        "Mints that were finished, and those that failed. If none is finished while the queue "
        "grows: is the blockchain reachable?",
    )
    kinds = {"finished": names.MINTS, "failed": names.MINTS_FAILED}
    asks = [
        asked(sum_by(per_second(select(metric)), "service"), f"{{{{service}}}} {word}", every)
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


def _failed_mints(every: str) -> Panel:
    text = Text(
        "Mints that fail",
        "Their share of all mints; none where nothing is minted. If it rises: look at the "
        "service's log, and at the provider's status.",
    )
    done, failed = (
        sum_by(per_second(select(metric)), "service")
        for metric in (names.MINTS, names.MINTS_FAILED)
    )
    share = Ratio(failed, done + failed, at_least="0.001")
    return line_panel(text, [asked(share, "{{service}}", every)], SHARE).no_value("none")


def _freshness() -> Panel:
    text = Text(
        "Time since each query succeeded",
        "How old these figures are. It rises to the query's interval and falls again; if it only "
        "rises, the query fails: the exporter's log says why.",
    )
    last = max_by(select(names.SQL_LAST_SUCCESS), "target")
    return line_panel(text, [asked(f"time() - ({last} > 0)")], SECONDS)
