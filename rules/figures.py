"""What a message says of an alert's value and threshold, both from the alert's own expression."""

from __future__ import annotations

import re
from decimal import Decimal

from model.alerts import Alert
from model.promql import Threshold
from rules.expand import FUNCTIONS

_SHOWN = re.compile(r"\{\{\s*\$value\s*\|\s*([a-zA-Z]+)\s*\}\}")


def figures(alert: Alert) -> dict[str, str]:
    """The annotations `value` and `threshold`; none where nothing is compared with a number."""
    condition = next((part for part in alert.expr.walk() if isinstance(part, Threshold)), None)
    if condition is None:
        return {}
    shown = _function(alert, condition.threshold)
    limit = FUNCTIONS[shown](float(condition.threshold))
    return {
        "value": f"{{{{ $value | {shown} }}}}",
        "threshold": f"{condition.comparison.value} {limit}",
    }


def _function(alert: Alert, threshold: Decimal) -> str:
    """The template function that shows the value: the one that the alert's own text uses."""
    used = _SHOWN.search(alert.description) or _SHOWN.search(alert.summary)
    if used is not None and used[1] in FUNCTIONS:
        return used[1]
    # humanize would write a half as 500m.
    return 'printf "%.4g"' if abs(threshold) < 1 else "humanize"
