"""Our own observations, told from those that the jobs for other people's dashboards bring.

The latter have the same names, and neither `target` nor `kind`: in a condition over all targets
they would count as one more.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace

from model.jobs import JOB
from model.names import Scope, catalogue
from model.platform import Platform
from model.promql import Expr, Selector

_OBSERVED = "|".join(
    sorted(metric.name for metric in catalogue().values() if metric.scope is Scope.OBSERVED)
)
_SELECTOR = re.compile(rf"(?<![\w:])((?:{_OBSERVED})(?:_bucket|_sum|_count)?)(?![\w:])(\{{?)")


def own_series(expr: Expr, platform: Platform) -> Expr:
    """The expression over what the exporter's own job brings; itself if nothing else does."""
    return _narrowed(expr) if platform.watched_by.probe_jobs else expr


def own_queries(dashboard: str, platform: Platform) -> str:
    """A dashboard's JSON, a setting a line, with its queries over what our own job brings."""
    if not platform.watched_by.probe_jobs:
        return dashboard
    return "\n".join(
        _SELECTOR.sub(_with_job, line) if line.lstrip().startswith('"expr":') else line
        for line in dashboard.split("\n")
    )


def _with_job(selector: re.Match[str]) -> str:
    name, brace = selector.groups()
    job = f'job=\\"{JOB}\\"'
    return f"{name}{{{job}," if brace else f"{name}{{{job}}}"


def _narrowed(expr: Expr) -> Expr:
    if isinstance(expr, Selector):
        ambiguous = expr.metric.scope is Scope.OBSERVED and "job" not in expr.fixed
        return expr.where(job=JOB) if ambiguous else expr
    parts = {
        field.name: _narrowed(value)
        for field in fields(expr)
        if isinstance(value := getattr(expr, field.name), Expr)
    }
    return replace(expr, **parts) if parts else expr
