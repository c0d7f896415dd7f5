"""Input series that make an expression have a wished-for value: what unit tests feed on.

The inverse of each building block of `model/promql/`: whoever adds one there adds its inverse here,
its labels in `labels.py` and its value in `values.py`.
"""

from rules.series.feed import Feed, Labels, Series, metric_names
from rules.series.labels import every_result, excluded_value, results
from rules.series.quantiles import unequal
from rules.series.thresholds import (
    beyond,
    compared,
    downward,
    is_exact,
    just_over,
    just_under,
    within,
)
from rules.series.values import harmless, is_rate, missing, series, well_within
from rules.series.windows import deep, falls, range_of, ranges

__all__ = [
    "Feed",
    "Labels",
    "Series",
    "beyond",
    "compared",
    "deep",
    "downward",
    "every_result",
    "excluded_value",
    "falls",
    "harmless",
    "is_exact",
    "is_rate",
    "just_over",
    "just_under",
    "metric_names",
    "missing",
    "range_of",
    "ranges",
    "results",
    "series",
    "unequal",
    "well_within",
    "within",
]
