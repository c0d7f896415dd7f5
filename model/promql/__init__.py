"""PromQL expressions built from the catalogue: they know their output labels.

A selector exists only for a metric of `model.names`; an unknown label, a rate of something that is
no counter or a comparison with a raw counter is a mistake in the config, reported where it stands.
Expressions are plain trees, so that the compiler can also write the input series that make one
true (`rules/series/`).
"""

from model.promql.aggregation import Aggregate, Count, HistogramQuantile, observed, quantile
from model.promql.arithmetic import OrZero, TimeUntil
from model.promql.base import Comparison, Expr, Number, Threshold
from model.promql.named import Named
from model.promql.ranges import OverRange, rate
from model.promql.selectors import (
    CONFIG_SHA256,
    SCRAPE_LABELS,
    Match,
    Matcher,
    Selector,
    quoted,
    select,
)
from model.promql.sets import Always, Or, Unless

__all__ = [
    "CONFIG_SHA256",
    "SCRAPE_LABELS",
    "Aggregate",
    "Always",
    "Comparison",
    "Count",
    "Expr",
    "HistogramQuantile",
    "Match",
    "Matcher",
    "Named",
    "Number",
    "Or",
    "OrZero",
    "OverRange",
    "Selector",
    "Threshold",
    "TimeUntil",
    "Unless",
    "observed",
    "quantile",
    "quoted",
    "rate",
    "select",
]
