"""Business metrics by SQL: a query, and which of its columns are metrics and which are labels."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from model.declared import Declared, refused, report, suggestion
from model.durations import Duration, minutes, seconds
from model.metric import Collapse, Metric, MetricType
from model.targets import Target

_METRIC_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_LABEL_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What the exporter and Prometheus attach themselves, or read as something else.
_TAKEN = frozenset({"target", "kind", "job", "instance", "le", "quantile", "alertname", "severity"})
_PARTS = ("_bucket", "_sum", "_count")


class SqlValue(Declared):
    """One value column of a query, and the metric that it becomes.

    The names are sql_exporter's. `metric_name` ends with the `unit`, if one is given, and a
    counter's then with `_total`. `collapse` makes one figure of what several replicas have read.
    `beside` is the column of another value of the query, in whose panel this one is drawn.
    """

    noun: ClassVar[str | None] = "SQL value"
    column: str
    metric_name: str
    help: str
    type: Literal["gauge", "counter"] = "gauge"
    unit: str | None = None
    collapse: Literal["max", "min", "avg"] = "max"
    beside: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        name = self.metric_name
        is_counter = self.type == "counter"
        if not _METRIC_NAME.fullmatch(name):
            mistakes.append(f'metric_name: "{name}" is not lower-case letters, digits and "_"')
        if name.endswith("_total") != is_counter:
            mistakes.append(
                "metric_name: a counter's ends with _total, and nothing else does "
                f'(this one is a {self.type}: "{name}")'
            )
        if name.endswith(_PARTS):
            mistakes.append(f'metric_name: "{name}" ends like a part of a histogram')
        if self.unit is not None and not name.removesuffix("_total").endswith(f"_{self.unit}"):
            mistakes.append(f'metric_name: "{name}" does not end with its unit, {self.unit}')
        if not self.help.strip() or "\n" in self.help:
            mistakes.append("help: write one line that says what it is")
        if mistakes:
            raise refused(mistakes)
        return self


class SqlMetrics(Target):
    """Metrics that a query on one of the Postgres servers returns, read on a clock of its own.

    Each row is one label set: `key_labels` are its columns that become labels, `values` those that
    become metrics. A NULL value is no sample, a NULL label is empty. A row or a label beyond the
    limits, a label set that comes twice and a value that is no number fail the query as a whole:
    half a result would be a wrong one.

    `postgres` is the name of the server. Without a `variable` it is asked with that server's URL;
    with one, with the URL in that environment variable (or in the file that NAME_FILE names), for a
    role that may read the tables and nothing else.
    """

    kind: ClassVar[Literal["sql"]] = "sql"
    noun: ClassVar[str | None] = "SQL metrics"
    url: str = ""
    variable: str = ""
    postgres: str = "postgresql"
    query: str
    key_labels: tuple[str, ...] = ()
    values: tuple[SqlValue, ...]
    interval: Duration = minutes(1)
    timeout: Duration = seconds(10)
    retry_interval: Duration = seconds(10)
    row_limit: int = 100
    # Characters of a label's value.
    label_length_limit: int = 100

    def metric(self, name: str) -> Metric:
        """One of its metrics, for an expression. An unknown name is a mistake in the config."""
        known = {metric.name: metric for metric in self.metrics}
        if name in known:
            return known[name]
        # Of a value that is wrong itself it is not known what it was to be called.
        if self.has("values") and not any(value.broken for value in self.values):
            report(f'SQL metrics "{self.name}": no metric "{name}"{suggestion(name, known)}')
        return Metric(name, MetricType.GAUGE, "", ("target", *self._labels()))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Its metrics, in the order of its values."""
        if not self.has("values"):
            return ()
        return tuple(
            Metric(
                value.metric_name,
                MetricType(value.type),
                value.help,
                ("target", *self._labels()),
                collapse=Collapse(value.collapse),
            )
            for value in self.values
            if not value.broken
        )

    def _labels(self) -> tuple[str, ...]:
        return self.key_labels if self.has("key_labels") else ()

    def _address_mistakes(self) -> list[str]:
        mistakes = []
        if self.url:
            mistakes.append("url: name the server by `postgres`; its URL is declared there")
        if not self.query.strip(" \n;"):
            mistakes.append("query: is empty")
        if not self.values:
            mistakes.append("values: name at least one column that is a metric")
        if self.row_limit < 1:
            mistakes.append("row_limit: must be at least 1")
        if self.label_length_limit < 1:
            mistakes.append("label_length_limit: must be at least 1")
        return mistakes + self._label_mistakes() + self._panel_mistakes()

    def _panel_mistakes(self) -> list[str]:
        """A value drawn beside one that has no panel of its own would be drawn nowhere."""
        values = [value for value in self.values if not value.broken]
        own = [value.column for value in values if value.beside is None]
        return [
            f'values: "{value.column}" is drawn beside "{value.beside}", which is no value with a '
            f"panel of its own{suggestion(value.beside, own)}"
            for value in values
            if value.beside is not None and value.beside not in own
        ]

    def _label_mistakes(self) -> list[str]:
        mistakes = [
            f'key_labels: "{label}" is not lower-case letters, digits and "_"'
            for label in self.key_labels
            if not _LABEL_NAME.fullmatch(label)
        ]
        mistakes.extend(
            f'key_labels: "{label}" is attached by the exporter or by Prometheus; '
            "name the column otherwise (SELECT … AS …)"
            for label in self.key_labels
            if label in _TAKEN
        )
        columns = [*self.key_labels, *(value.column for value in self.values if not value.broken)]
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            mistakes.append(f"key_labels and values: {', '.join(twice)} is named twice")
        return mistakes

    def _variable_mistakes(self) -> list[str]:
        return super()._variable_mistakes() if self.variable else []

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        return ("postgresql", "postgres")
