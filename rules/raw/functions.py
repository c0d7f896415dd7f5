"""What the functions of PromQL do with labels and with counters.

A function that is in none of these tables is not understood, and refused.
Source: https://prometheus.io/docs/prometheus/latest/querying/functions/ and Prometheus' changelog.
"""

from __future__ import annotations

# The oldest Prometheus that the generated rules are for.
OLDEST = "2.42"

# Of counters alone: they see a reset.
OF_COUNTERS = frozenset({"rate", "irate", "increase"})
# Of gauges alone: a counter's reset is a fall to them.
OF_GAUGES = frozenset({"delta", "idelta", "deriv", "predict_linear"})
# Of either; like those above they need two samples at least.
OF_CHANGES = frozenset({"changes", "resets"})
# What they give of a counter is a counter's bare value again.
VALUES_OVER_TIME = frozenset(
    f"{name}_over_time" for name in ("avg", "last", "max", "min", "quantile", "sum")
)
# What they give says nothing of the value.
OTHERS_OVER_TIME = frozenset({"count_over_time", "present_over_time"})
DEVIATIONS_OVER_TIME = frozenset({"stddev_over_time", "stdvar_over_time"})
# Value by value; labels and meaning stay.
VALUE_BY_VALUE = frozenset(
    {"abs", "ceil", "clamp", "clamp_max", "clamp_min", "deg", "exp", "floor", "ln", "log10", "log2"}
    | {"rad", "round", "sgn", "sort", "sort_desc", "sqrt"}
    | {f"{arc}{name}{h}" for arc in ("", "a") for name in ("sin", "cos", "tan") for h in ("", "h")}
)
# Value by value, but about times; without an argument they are about now, and have no labels.
OF_TIMES = frozenset(
    {"day_of_month", "day_of_week", "day_of_year", "days_in_month"}
    | {"hour", "minute", "month", "year", "timestamp"}
)
SCALARS = frozenset({"pi", "scalar", "time"})

# Functions and aggregations that came after 2.42, and with which version.
LATER = {
    "histogram_stddev": "2.47",
    "histogram_stdvar": "2.47",
    "mad_over_time": "2.49",
    "sort_by_label": "2.49",
    "sort_by_label_desc": "2.49",
    "histogram_avg": "2.51",
    "limitk": "2.54",
    "limit_ratio": "2.54",
    "info": "2.55",
    "double_exponential_smoothing": "3.0",
    "ts_of_last_over_time": "3.5",
    "ts_of_max_over_time": "3.5",
    "ts_of_min_over_time": "3.5",
    "first_over_time": "3.7",
    "ts_of_first_over_time": "3.7",
    "histogram_quantiles": "3.11",
}
# Functions that newer versions no longer have, and what became of them.
REMOVED = {"holt_winters": "3.0 calls it double_exponential_smoothing, which 2.42 does not know"}
