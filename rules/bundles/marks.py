"""Names of series and alerts with a mark before them, where a bundle puts its members' prefixes.

With names of its own a test group, and the rules that it asks for, meets no other: to PromQL it
is all the same what a series is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from model.names import ALERTS, ALERTS_FOR_STATE
from rules.inferred import Named
from rules.raw.tokens import Kind, Token, braces, in_braces, label_lists, tokens

MARK = "nameofamember"
# The series of alerts keep their names: Prometheus makes them, and `alertname` tells them apart.
STATES = frozenset({ALERTS.name, ALERTS_FOR_STATE.name})

_SERIES = re.compile(r"^(  - series: )(\w[\w:]*)(.*)$", re.MULTILINE)
_ASKED = re.compile(r"^(    alertname: )", re.MULTILINE)
_ALERTNAME = re.compile(r'(?<=[{,]alertname=")')


def can_be_marked(read: Iterable[Named]) -> bool:
    """Whether all that selectors read has a name: no alert of whatever name, say."""
    return all("alertname" in dict(one.equal) for one in read if one.name in STATES)


def marked_expr(expr: str, names: Iterable[str]) -> str:
    """An expression with marked names of series, and of alerts."""
    series = frozenset(names) - STATES
    parts, at = [], 0
    for place in sorted(_places(tokens(expr), series)):
        parts += [expr[at:place], MARK]
        at = place
    return "".join([*parts, expr[at:]])


def _places(found: list[Token], series: frozenset[str]) -> Iterator[int]:
    labels = {label.start for listed in label_lists(found) for label in listed.labels}
    for i, token in enumerate(found):
        is_name = token.kind is Kind.WORD and token.text in series
        if is_name and token.start not in labels and not in_braces(found, i):
            yield token.start
    for selected in braces(found):
        if selected.name is not None and selected.name.text in STATES:
            for label, operator, value in selected.matchers:
                if (label.text, operator.text) == ("alertname", "="):
                    yield value.start + 1


def marked_series(text: str) -> str:
    """The part of a test group that feeds series, with marked names."""

    def marked(found: re.Match[str]) -> str:
        begins, name, labels = found.groups()
        if name in STATES:
            return f"{begins}{name}{_ALERTNAME.sub(MARK, labels)}"
        return f"{begins}{MARK}{name}{labels}"

    return _SERIES.sub(marked, text)


def marked_alerts(text: str) -> str:
    """The part of a test group that asks for alerts, with marked names."""
    return _ASKED.sub(rf"\g<1>{MARK}", text)


def marked_samples(text: str, names: Iterable[str]) -> str:
    """The part of a test group that asks for samples, with marked names."""
    text = _ALERTNAME.sub(MARK, text)
    series = "|".join(map(re.escape, sorted(set(names) - STATES)))
    return re.sub(rf'(?<![\w:"])(?={series}(?![\w:"]))', MARK, text) if series else text
