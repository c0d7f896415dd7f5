"""Our own observations, told from those that the jobs for other people's dashboards bring.

The latter have the same names, and neither `target` nor `kind`: in a condition over all targets
they would count as one more. What is asked about them is text by now, be it built or raw.
"""

from __future__ import annotations

import json
import re

from model.jobs import JOB
from model.names import Scope, catalogue
from model.platform import Platform

_STRING = r'"(?:[^"\\]|\\.)*"'
_QUERY = re.compile(r'^(\s*"expr": )(".*")(,?)$', re.MULTILINE)
_OF_A_JOB = re.compile(r"(?:^|,)\s*job\s*(?:=|!)")


def own_series(expression: str, platform: Platform) -> str:
    """The expression over what the exporter's own job brings; itself if nothing else does."""
    if not platform.watched_by.probe_jobs:
        return expression
    return platform.once(_selector).sub(_narrowed, expression)


# Hundreds of names: nobody needs it without the setting.
def _selector(_platform: Platform) -> re.Pattern[str]:
    observed = "|".join(
        sorted(metric.name for metric in catalogue().values() if metric.scope is Scope.OBSERVED)
    )
    return re.compile(
        rf"(?P<other>{_STRING})|(?<![\w:])(?P<name>(?:{observed})(?:_bucket|_sum|_count)?)(?![\w:(])"
        rf"(?:\{{(?P<matchers>(?:{_STRING}|[^}}\"])*)\}})?"
    )


def _narrowed(found: re.Match[str]) -> str:
    if found["other"]:
        return found[0]
    matchers = found["matchers"] or ""
    if _OF_A_JOB.search(matchers):
        return found[0]
    narrowed = ",".join(filter(None, (matchers, f'job="{JOB}"')))
    return f"{found['name']}{{{narrowed}}}"


def own_queries(dashboard: str, platform: Platform) -> str:
    """A dashboard's JSON, a setting a line, with its queries over what our own job brings."""
    if not platform.watched_by.probe_jobs:
        return dashboard
    return _QUERY.sub(
        lambda line: (
            line[1]
            + json.dumps(own_series(json.loads(line[2]), platform), ensure_ascii=False)
            + line[3]
        ),
        dashboard,
    )
