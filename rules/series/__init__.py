"""Input series that make an expression have a wished-for value: what unit tests feed on.

The inverse of each building block of `model/promql/`: whoever adds one there adds its inverse here,
its labels in `labels.py` and its value in `values.py`.
"""

from rules.series.feed import Feed, Labels, Series, metric_names
from rules.series.labels import results
from rules.series.quantiles import unequal
from rules.series.values import is_rate, missing, series

__all__ = [
    "Feed",
    "Labels",
    "Series",
    "is_rate",
    "metric_names",
    "missing",
    "results",
    "series",
    "unequal",
]
